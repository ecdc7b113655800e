-- Replaces the dates found in two staged input files, in one transaction: loading twice replaces, never doubles.
-- Literals: first_date, last_date: those of the files. Identifiers: staged_predictions, staged_box_scores, prediction_columns, box_score_columns
BEGIN TRANSACTION;

DELETE FROM nba_predictions.player_prop_predictions
WHERE
    game_date BETWEEN {first_date} AND {last_date}
    AND game_date IN (SELECT game_date FROM {staged_predictions});

INSERT INTO nba_predictions.player_prop_predictions ({prediction_columns})
SELECT {prediction_columns} FROM {staged_predictions};

DELETE FROM nba_box_scores.player_game_summary
WHERE
    game_date BETWEEN {first_date} AND {last_date}
    AND game_date IN (SELECT game_date FROM {staged_box_scores});

INSERT INTO nba_box_scores.player_game_summary ({box_score_columns})
SELECT {box_score_columns} FROM {staged_box_scores};

COMMIT TRANSACTION;
