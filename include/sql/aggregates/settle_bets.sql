-- One row per system, player and game with a prediction made in time: the bet of record, settled. The rules: docs/evaluation.md.
-- Read into a staging table. A player without a grade is in no complete game, and has no bet.
-- Params: game_dates ARRAY<DATE>, first_capture TIMESTAMP and last_capture TIMESTAMP: between which prices of the dates were captured,
-- grading_run_id STRING. Text: candidates, the SELECT of aggregates/candidates_fragment
WITH
graded AS (
    SELECT
        game_date,
        game_id,
        player_lookup,
        MAX(actual_points) AS actual_points,
        LOGICAL_OR(is_voided) AS is_voided
    FROM nba_predictions.prediction_accuracy
    WHERE game_date IN UNNEST(@game_dates)
    GROUP BY game_date, game_id, player_lookup
),

candidates AS (
    {candidates}
),

versions AS (
    SELECT
        game_date,
        MAX(version) AS grades_version
    FROM nba_predictions.write_fences_prediction_accuracy
    WHERE game_date IN UNNEST(@game_dates)
    GROUP BY game_date
),

-- Of the rows made in time the newest, and of those one with a sportsbook if there is any.
ranked AS (
    SELECT
        candidates.*,
        graded.actual_points,
        graded.is_voided,
        COUNT(*) OVER (PARTITION BY candidates.game_date, candidates.system_id, candidates.player_lookup, candidates.game_id) AS candidates,
        RANK() OVER (
            PARTITION BY candidates.game_date, candidates.system_id, candidates.player_lookup, candidates.game_id
            ORDER BY candidates.created_at DESC, candidates.sportsbook IS NULL
        ) AS age
    FROM candidates
    INNER JOIN graded USING (game_date, game_id, player_lookup)
    WHERE candidates.provenance IN ('before_tip_off', 'same_day')
),

-- The main line: the lower median of the distinct ones.
numbered AS (
    SELECT
        *,
        DENSE_RANK() OVER (PARTITION BY game_date, system_id, player_lookup, game_id ORDER BY current_points_line) AS line_number
    FROM ranked
    WHERE age = 1
),

counted AS (
    SELECT
        *,
        MAX(line_number) OVER (PARTITION BY game_date, system_id, player_lookup, game_id) AS line_count
    FROM numbered
),

-- One row. The tie-breaks behind prediction_id make a rerun give the same.
chosen AS (
    SELECT
        *,
        COALESCE(recommendation IN ('OVER', 'UNDER'), FALSE) AS is_bet
    FROM counted
    WHERE line_number = DIV((line_count + 1), 2)
    QUALIFY ROW_NUMBER() OVER (
        PARTITION BY game_date, system_id, player_lookup, game_id
        ORDER BY
            prediction_id DESC, sportsbook DESC,
            updated_at DESC, predicted_points DESC, confidence_score DESC, recommendation DESC
    ) = 1
),

-- American odds are at least 100 either way; anything else is no price.
captured AS (
    SELECT
        game_id,
        player_lookup,
        sportsbook,
        line,
        captured_at,
        IF(ABS(over_price) >= 100, over_price, NULL) AS over_price,
        IF(ABS(under_price) >= 100, under_price, NULL) AS under_price
    FROM nba_odds.prop_lines
    WHERE captured_at BETWEEN @first_capture AND @last_capture
),

-- The share of a side is its implied probability, with the margin in it.
offers AS (
    SELECT
        game_id,
        player_lookup,
        sportsbook,
        line,
        captured_at,
        over_price,
        under_price,
        IF(over_price > 0, 100 / (over_price + 100), over_price / (over_price - 100)) AS over_share,
        IF(under_price > 0, 100 / (under_price + 100), under_price / (under_price - 100)) AS under_share
    FROM captured
),

taken AS (
    SELECT
        chosen.game_date,
        chosen.system_id,
        chosen.player_lookup,
        chosen.game_id,
        IF(chosen.recommendation = 'OVER', offers.over_price, offers.under_price) AS price,
        IF(chosen.recommendation = 'OVER', offers.over_share, offers.under_share) AS own_share,
        IF(chosen.recommendation = 'OVER', offers.under_share, offers.over_share) AS other_share
    FROM chosen
    INNER JOIN offers
        ON
            chosen.game_id = offers.game_id
            AND chosen.player_lookup = offers.player_lookup
            AND chosen.sportsbook = offers.sportsbook
            AND chosen.current_points_line = offers.line
            AND chosen.created_at >= offers.captured_at
    WHERE chosen.is_bet
    QUALIFY ROW_NUMBER() OVER (
        PARTITION BY chosen.game_date, chosen.system_id, chosen.player_lookup, chosen.game_id
        ORDER BY offers.captured_at DESC, offers.over_price DESC, offers.under_price DESC
    ) = 1
),

-- What the bet's sportsbook offered last, by tip-off: all lines of its last capture.
closing_offers AS (
    SELECT
        chosen.game_date,
        chosen.system_id,
        chosen.player_lookup,
        chosen.game_id,
        chosen.tip_off_at,
        offers.captured_at,
        offers.line,
        IF(offers.line = chosen.current_points_line, IF(chosen.recommendation = 'OVER', offers.over_share, offers.under_share), NULL) AS own_share,
        IF(offers.line = chosen.current_points_line, IF(chosen.recommendation = 'OVER', offers.under_share, offers.over_share), NULL) AS other_share,
        DENSE_RANK() OVER (
            PARTITION BY chosen.game_date, chosen.system_id, chosen.player_lookup, chosen.game_id, offers.captured_at
            ORDER BY offers.line
        ) AS line_number
    FROM chosen
    INNER JOIN offers
        ON
            chosen.game_id = offers.game_id
            AND chosen.player_lookup = offers.player_lookup
            AND chosen.sportsbook = offers.sportsbook
            AND chosen.tip_off_at >= offers.captured_at
    WHERE chosen.is_bet
    QUALIFY RANK() OVER (
        PARTITION BY chosen.game_date, chosen.system_id, chosen.player_lookup, chosen.game_id
        ORDER BY offers.captured_at DESC
    ) = 1
),

closing_counts AS (
    SELECT
        *,
        MAX(line_number) OVER (PARTITION BY game_date, system_id, player_lookup, game_id) AS line_count
    FROM closing_offers
),

closes AS (
    SELECT
        game_date,
        system_id,
        player_lookup,
        game_id,
        MAX(captured_at) >= TIMESTAMP_SUB(MAX(tip_off_at), INTERVAL 45 MINUTE) AS is_true,
        MAX(IF(line_number = DIV((line_count + 1), 2), line, NULL)) AS line,
        MAX(own_share / (own_share + other_share)) AS own_probability
    FROM closing_counts
    GROUP BY game_date, system_id, player_lookup, game_id
),

settled AS (
    SELECT
        *,
        CASE
            WHEN is_voided THEN 'void'
            WHEN NOT is_bet THEN 'no_bet'
            WHEN actual_points = current_points_line THEN 'push'
            WHEN (actual_points > current_points_line) = (recommendation = 'OVER') THEN 'won'
            ELSE 'lost'
        END AS result
    FROM chosen
)

SELECT
    system_id,
    player_lookup,
    game_id,
    game_date,
    settled.prediction_id,
    settled.created_at AS predicted_at,
    settled.provenance,
    settled.current_points_line AS line_value,
    settled.sportsbook,
    settled.predicted_points,
    settled.recommendation,
    settled.confidence AS confidence_score,
    settled.predicted_points - settled.current_points_line AS edge,
    settled.actual_points,
    settled.result,
    IF(settled.is_voided, NULL, ABS(settled.predicted_points - settled.actual_points)) AS absolute_error,
    IF(settled.is_voided, NULL, ABS(settled.current_points_line - settled.actual_points)) AS line_error,
    CASE
        WHEN NOT settled.is_bet THEN NULL
        WHEN settled.result = 'won' THEN 100 / 110
        WHEN settled.result = 'lost' THEN -1.0
        ELSE 0.0
    END AS profit,
    settled.candidates,
    taken.price,
    CASE
        WHEN taken.price IS NULL THEN NULL
        WHEN settled.result = 'won' THEN IF(taken.price > 0, taken.price / 100, -100 / taken.price)
        WHEN settled.result = 'lost' THEN -1.0
        ELSE 0.0
    END AS profit_at_price,
    taken.own_share / (taken.own_share + taken.other_share) AS fair_probability,
    (1 + taken.own_share - taken.other_share) / 2 AS fair_probability_shin,
    CASE
        WHEN NOT settled.is_bet THEN NULL
        WHEN closes.is_true THEN 'true_close'
        WHEN closes.line IS NOT NULL THEN 'stale'
        ELSE 'none'
    END AS close_status,
    closes.line AS closing_line,
    IF(settled.recommendation = 'OVER', closes.line - settled.current_points_line, settled.current_points_line - closes.line) AS clv_points,
    closes.own_probability - taken.own_share / (taken.own_share + taken.other_share) AS clv_probability,
    COALESCE(versions.grades_version, 0) AS grades_version,
    CURRENT_TIMESTAMP() AS computed_at,
    @grading_run_id AS grading_run_id
FROM settled
LEFT JOIN versions USING (game_date)
LEFT JOIN taken USING (game_date, system_id, player_lookup, game_id)
LEFT JOIN closes USING (game_date, system_id, player_lookup, game_id)
