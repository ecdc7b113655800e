-- The gradable predictions, the one definition of them: active, and not invalidated (docs/grading-rules.md, rule 1). Several rows of one
-- key are all here; grade_predictions takes the latest. Filter by game_date, which prunes the table behind it.
CREATE OR REPLACE VIEW nba_predictions.gradable_predictions
OPTIONS (description = 'Predictions that are active and not invalidated; the only ones that are graded')
AS
SELECT *
FROM nba_predictions.player_prop_predictions
WHERE is_active IS NOT FALSE AND invalidation_reason IS NULL;
