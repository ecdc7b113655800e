-- Games that are graded as they are, though their box score is not complete: a game that was stopped early. A run's parameter accept_games
-- adds them; it is a table, so that a later run, a check and an aggregate agree with the run that accepted the game.
CREATE TABLE IF NOT EXISTS nba_predictions.accepted_games (
    game_date DATE NOT NULL OPTIONS (description = 'Date of the game'),
    game_id STRING NOT NULL OPTIONS (description = 'Game whose box score is accepted as it is'),
    accepted_at TIMESTAMP OPTIONS (description = 'When'),
    accepted_by STRING OPTIONS (description = 'DAG and run that accepted it')
)
OPTIONS (description = 'Games that count as complete whatever their minutes add up to');
