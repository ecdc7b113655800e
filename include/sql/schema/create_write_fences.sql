-- One row per (table_name, game_date): the newest fencing token published there. Every publish updates it first.
CREATE TABLE IF NOT EXISTS nba_predictions.write_fences (
    table_name STRING NOT NULL OPTIONS (description = 'Table without its dataset'),
    game_date DATE NOT NULL OPTIONS (description = 'Date the token guards'),
    fencing_token INT64 NOT NULL OPTIONS (description = 'Newest token published; 0 when seeded'),
    holder_id STRING OPTIONS (description = 'Claim that published it'),
    updated_at TIMESTAMP OPTIONS (description = 'When it was published')
)
OPTIONS (description = 'Fences of the guarded writes: a writer whose token is older than the stored one is refused');
