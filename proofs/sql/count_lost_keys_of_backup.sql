-- One row: the number of keys in a backup of prediction_accuracy that are missing from the table.
-- Identifier: backup
SELECT COUNT(*) AS lost_keys
FROM (
    SELECT DISTINCT TO_JSON_STRING(STRUCT(game_date, player_lookup, game_id, system_id, line_value)) AS business_key FROM {backup}
    EXCEPT DISTINCT
    SELECT TO_JSON_STRING(STRUCT(game_date, player_lookup, game_id, system_id, line_value)) AS business_key FROM nba_predictions.prediction_accuracy
) AS lost;
