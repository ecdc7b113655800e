-- One row per incident name: something that is wrong, from its first occurrence to its resolution, and its thread in Slack.
CREATE TABLE IF NOT EXISTS nba_predictions.incidents (
    name STRING NOT NULL OPTIONS (description = 'Kind and subject, such as breaker-opened/grading'),
    opened_at TIMESTAMP OPTIONS (description = 'When it was last opened; NULL before the first time'),
    resolved_at TIMESTAMP OPTIONS (description = 'When it was resolved; NULL while it is open'),
    resolution STRING OPTIONS (description = 'What resolved it; NULL while it is open, and for a one-off event'),
    severity STRING OPTIONS (description = 'CRITICAL, ERROR, WARNING or INFO'),
    game_date DATE OPTIONS (description = 'Game date that it concerns; NULL for none'),
    detail STRING OPTIONS (description = 'Detail of the last occurrence'),
    alert STRING OPTIONS (description = 'The alert as JSON: title, detail, facts, impact, next step, command, run'),
    occurrences INT64 OPTIONS (description = 'Occurrences since it was opened'),
    last_seen_at TIMESTAMP OPTIONS (description = 'When it last occurred'),
    changed_at TIMESTAMP OPTIONS (description = 'When it last changed in a way that Slack should show'),
    delivered_at TIMESTAMP OPTIONS (description = 'Changes up to this time are in Slack; NULL before the first message'),
    delivery_claimed_at TIMESTAMP OPTIONS (description = 'When a process last claimed the delivery to Slack'),
    escalated_at TIMESTAMP OPTIONS (description = 'When it was escalated; NULL if it was not'),
    probed_at TIMESTAMP OPTIONS (description = 'When a run was last let through an open circuit breaker'),
    probed_by STRING OPTIONS (description = 'The run that was let through'),
    channel STRING OPTIONS (description = 'Slack channel id of its thread'),
    thread STRING OPTIONS (description = 'Slack timestamp of its first message')
)
CLUSTER BY name
OPTIONS (description = 'Incidents: findings, failures, open circuit breakers, the lease store, stuck leases');
