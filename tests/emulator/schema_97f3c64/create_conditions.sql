-- One row per condition that was ever raised: something wrong that lasts. It is one Slack thread, from its first sight to its recovery.
CREATE TABLE IF NOT EXISTS nba_predictions.conditions (
    name STRING NOT NULL OPTIONS (description = 'What is wrong with what, such as breaker-opened/grading'),
    raised_at TIMESTAMP OPTIONS (description = 'Since when; NULL while it is right'),
    cleared_at TIMESTAMP OPTIONS (description = 'When it was last right again'),
    probed_at TIMESTAMP OPTIONS (description = 'When a run was last let through an open circuit breaker'),
    probed_by STRING OPTIONS (description = 'That run'),
    detail STRING OPTIONS (description = 'What was seen last'),
    severity STRING OPTIONS (description = 'CRITICAL, ERROR or WARNING'),
    game_date DATE OPTIONS (description = 'The date it is about; NULL when it is about no date'),
    alert STRING OPTIONS (description = 'The alert as JSON: title, detail, figures, what was done, next step, command, run'),
    begun_at TIMESTAMP OPTIONS (description = 'When it was raised last; stays when it is cleared'),
    recovery STRING OPTIONS (description = 'What ended it; NULL while it lasts, and for what was over when it was told'),
    seen INT64 OPTIONS (description = 'How often it was seen since it was raised'),
    seen_at TIMESTAMP OPTIONS (description = 'When it was seen last'),
    changed_at TIMESTAMP OPTIONS (description = 'When something happened that Slack should show'),
    told_at TIMESTAMP OPTIONS (description = 'Up to when Slack shows it; NULL before the first message'),
    telling_at TIMESTAMP OPTIONS (description = 'When somebody last set out to tell it'),
    escalated_at TIMESTAMP OPTIONS (description = 'When it was escalated, as it lasted too long'),
    channel STRING OPTIONS (description = 'Slack channel id of its thread'),
    thread STRING OPTIONS (description = 'Slack timestamp of its first message')
)
CLUSTER BY name
OPTIONS (description = 'What is wrong and lasts: findings, failures, circuit breakers, the lease store, stuck leases');
