-- One row: how many incidents are to be escalated, have changes to deliver, are to be deleted, or are open. Asked before anything is changed, as each
-- of those is a statement that BigQuery queues.
-- Params: open_seconds INT64, claim_seconds INT64, keep_seconds INT64: as in escalate_incidents, list_undelivered and prune_incidents
SELECT
    COUNTIF(
        opened_at <= TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL @open_seconds SECOND)
        AND resolved_at IS NULL
        AND severity IN ('ERROR', 'CRITICAL')
        AND escalated_at IS NULL
    ) AS to_escalate,
    COUNTIF(
        alert IS NOT NULL
        AND (delivered_at IS NULL OR changed_at > delivered_at)
        AND (delivery_claimed_at IS NULL OR delivery_claimed_at <= TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL @claim_seconds SECOND))
    ) AS to_deliver,
    COUNTIF(
        resolved_at <= TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL @keep_seconds SECOND)
        AND delivered_at >= changed_at
    ) AS to_prune,
    COUNTIF(opened_at IS NOT NULL AND resolved_at IS NULL) AS are_open
FROM nba_predictions.incidents;
