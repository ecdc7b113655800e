-- The gradable predictions of some dates that have a line, each with its game's tip-off and whether it was made in time: provenance is
-- before_tip_off, same_day (the tip-off is not known; made by the end of the date in New York), late, or unknown (created_at NULL).
-- Params: game_dates ARRAY<DATE>
WITH
tip_offs AS (
    SELECT
        game_date,
        game_id,
        MIN(tip_off_at) AS tip_off_at
    FROM nba_reference.games
    WHERE game_date IN UNNEST(@game_dates)
    GROUP BY game_date, game_id
)

SELECT
    prediction.*,
    tip_offs.tip_off_at,
    CASE
        WHEN prediction.created_at IS NULL THEN 'unknown'
        WHEN prediction.created_at < tip_offs.tip_off_at THEN 'before_tip_off'
        WHEN tip_offs.tip_off_at IS NOT NULL THEN 'late'
        WHEN DATE(prediction.created_at, 'America/New_York') <= prediction.game_date THEN 'same_day'
        ELSE 'late'
    END AS provenance
FROM nba_predictions.gradable_predictions AS prediction
LEFT JOIN tip_offs ON prediction.game_date = tip_offs.game_date AND prediction.game_id = tip_offs.game_id
WHERE prediction.game_date IN UNNEST(@game_dates) AND prediction.current_points_line IS NOT NULL
