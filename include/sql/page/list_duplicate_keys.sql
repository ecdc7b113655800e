-- One row per duplicate key found by the newest check of its date and operation, for dates with an open finding. At most 50.
-- Params: since TIMESTAMP
WITH open_dates AS (
    SELECT DISTINCT game_date
    FROM nba_predictions.incidents
    WHERE opened_at IS NOT NULL AND resolved_at IS NULL AND STARTS_WITH(name, 'duplicates-found/')
),

detections AS (
    SELECT
        *,
        MAX(detected_at) OVER (PARTITION BY game_date, processor) AS newest
    FROM nba_predictions.grading_duplicate_audit
    WHERE
        detected_at >= @since
        AND resolved_at IS NULL
)

SELECT
    detections.game_date,
    detections.processor,
    detections.player_lookup,
    detections.system_id,
    detections.line_value,
    detections.duplicate_occurrence_count AS occurrences,
    detections.detected_at
FROM detections
INNER JOIN open_dates ON detections.game_date = open_dates.game_date
WHERE detections.detected_at = detections.newest
ORDER BY
    detections.game_date DESC, detections.processor ASC, detections.duplicate_occurrence_count DESC, detections.player_lookup ASC, detections.line_value ASC
LIMIT 50;
