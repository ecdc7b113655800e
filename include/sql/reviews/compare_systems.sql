-- One row per pair of systems, better_id and worse_id, that predicted the same player-games in the 7 days that end on `day`: over those
-- alone the mean of the worse system's absolute error less the better one's, in points, and its 95 % interval clustered by date. p_value is
-- two-sided, by the same standard error, and corrected for the number of pairs by Benjamini and Hochberg; NULL for a single date.
-- Only pairs with at least min_errors player-games in common.
-- Params: day DATE, min_errors INT64. Text: upper_tails, the SELECT of statistics/upper_tails_fragment
WITH
errors AS (
    SELECT
        system_id,
        player_lookup,
        game_id,
        game_date,
        absolute_error
    FROM nba_predictions.settled_bets
    WHERE
        game_date > DATE_SUB(@day, INTERVAL 7 DAY)
        AND game_date <= @day
        AND absolute_error IS NOT NULL
),

days AS (
    SELECT
        one.system_id AS first_id,
        other.system_id AS second_id,
        one.game_date,
        COUNT(*) AS player_games,
        SUM(other.absolute_error - one.absolute_error) AS difference
    FROM errors AS one
    INNER JOIN errors AS other USING (game_date, game_id, player_lookup)
    WHERE one.system_id < other.system_id
    GROUP BY one.system_id, other.system_id, one.game_date
),

totals AS (
    SELECT
        *,
        SUM(player_games) OVER (PARTITION BY first_id, second_id) AS all_player_games,
        SUM(difference) OVER (PARTITION BY first_id, second_id) AS all_difference
    FROM days
),

pairs AS (
    SELECT
        first_id,
        second_id,
        all_player_games AS player_games,
        CAST(all_difference AS FLOAT64) / all_player_games AS difference,
        IF(
            COUNT(*) < 2,
            NULL,
            SQRT(COUNT(*) / (COUNT(*) - 1) * SUM(POW(CAST(difference * all_player_games - all_difference * player_games AS FLOAT64), 2))) / POW(all_player_games, 2)
        ) AS difference_error
    FROM totals
    WHERE all_player_games >= @min_errors
    GROUP BY first_id, second_id, all_player_games, all_difference
),

scores AS (
    SELECT
        *,
        ABS(SAFE_DIVIDE(difference, difference_error)) AS z
    FROM pairs
),

tails AS (
    {upper_tails}
),

placed AS (
    SELECT
        *,
        ROW_NUMBER() OVER (ORDER BY upper_tail IS NULL, upper_tail, first_id, second_id) AS place,
        COUNT(upper_tail) OVER () AS places
    FROM tails
)

SELECT
    IF(difference >= 0, first_id, second_id) AS better_id,
    IF(difference >= 0, second_id, first_id) AS worse_id,
    player_games,
    ABS(difference) AS difference,
    ABS(difference) - 1.96 * difference_error AS difference_low,
    ABS(difference) + 1.96 * difference_error AS difference_high,
    IF(upper_tail IS NULL, NULL, MIN(LEAST(1, 2 * upper_tail * places / place)) OVER (
        ORDER BY place DESC
        ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    )) AS p_value
FROM placed
ORDER BY p_value ASC, difference DESC;
