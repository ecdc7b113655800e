-- The grades that the rules give now to one system's predictions for one player on a date.
-- Params: system_id STRING, player_lookup STRING, and those of grades. Text: grades, the SELECT of grading/grade_predictions
SELECT *
FROM (
    {grades}
)
WHERE system_id = @system_id AND player_lookup = @player_lookup;
