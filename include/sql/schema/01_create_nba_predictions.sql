-- The dataset of predictions, grades and everything the guard records; created once, left alone when it is there.
CREATE SCHEMA IF NOT EXISTS nba_predictions
OPTIONS (description = 'Player-prop predictions, their grades, and the records of the guarded writes');
