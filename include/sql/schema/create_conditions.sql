-- One row per condition that was ever raised: something wrong that lasts, told once when it begins and once when it ends.
CREATE TABLE IF NOT EXISTS nba_predictions.conditions (
    name STRING NOT NULL OPTIONS (description = 'What is wrong, such as breaker/grading'),
    raised_at TIMESTAMP OPTIONS (description = 'Since when; NULL while it is right'),
    cleared_at TIMESTAMP OPTIONS (description = 'When it was last right again'),
    probed_at TIMESTAMP OPTIONS (description = 'When a run was last let through an open circuit breaker'),
    probed_by STRING OPTIONS (description = 'That run'),
    detail STRING OPTIONS (description = 'What was seen first')
)
CLUSTER BY name
OPTIONS (description = 'Conditions of the guard: circuit breakers, the lease store, stuck leases');
