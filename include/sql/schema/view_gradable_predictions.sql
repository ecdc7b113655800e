-- The gradable predictions, the one definition of them: active, and not invalidated (docs/grading-rules.md, rule 1). Several rows of one
-- key are all here; grade_predictions takes the latest. `confidence` is the score as a share (rule 6): above 1 it is a percentage, outside
-- 0-100 it is nothing. Filter by game_date, which prunes the table behind it.
CREATE OR REPLACE VIEW nba_predictions.gradable_predictions
OPTIONS (description = 'Predictions that are active and not invalidated; the only ones that are graded')
AS
SELECT
    *,
    CASE
        WHEN confidence_score BETWEEN 0 AND 1 THEN confidence_score
        WHEN confidence_score > 1 AND confidence_score <= 100 THEN ROUND(confidence_score * NUMERIC '0.01', 9)
    END AS confidence
FROM nba_predictions.player_prop_predictions
WHERE is_active IS NOT FALSE AND invalidation_reason IS NULL;
