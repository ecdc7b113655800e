-- One row per incident: a failure or finding that lasts, and its Slack thread. It is open while opened_at is set and resolved_at is NULL.
CREATE TABLE IF NOT EXISTS nba_predictions.incidents (
    name STRING NOT NULL OPTIONS (description = 'Kind and subject, such as breaker-opened/grading'),
    opened_at TIMESTAMP OPTIONS (description = 'When it was last opened; NULL in a row that was seeded and never opened'),
    resolved_at TIMESTAMP OPTIONS (description = 'When it was resolved; NULL while it is open'),
    resolution STRING OPTIONS (description = 'What ended it; NULL while it is open, and for a one-off event'),
    severity STRING OPTIONS (description = 'CRITICAL, ERROR, WARNING or INFO'),
    game_date DATE OPTIONS (description = 'The date it concerns; NULL when it concerns no single date'),
    detail STRING OPTIONS (description = 'The detail of its last occurrence'),
    alert STRING OPTIONS (description = 'The alert as JSON: title, detail, facts, impact, next step, command, run'),
    occurrences INT64 OPTIONS (description = 'How often it occurred since it was opened'),
    last_seen_at TIMESTAMP OPTIONS (description = 'When it last occurred'),
    changed_at TIMESTAMP OPTIONS (description = 'When it last changed in a way that Slack should show'),
    delivered_at TIMESTAMP OPTIONS (description = 'Slack shows all changes up to this moment; NULL before the first message'),
    delivery_claimed_at TIMESTAMP OPTIONS (description = 'When a process claimed its delivery; NULL when none has'),
    escalated_at TIMESTAMP OPTIONS (description = 'When it was escalated, having been open for too long'),
    probed_at TIMESTAMP OPTIONS (description = 'When a run was last let through an open circuit breaker'),
    probed_by STRING OPTIONS (description = 'The run that was let through'),
    channel STRING OPTIONS (description = 'Slack channel id of its thread'),
    thread STRING OPTIONS (description = 'Slack timestamp of its first message')
)
CLUSTER BY name
OPTIONS (description = 'Failures and findings that last: failed tasks, data quality, circuit breakers, the lease store, stuck leases');
