-- One row per slice of `bets` (system_id STRING, confidence_decile INT64, game_date DATE, game_id STRING, player_lookup STRING,
-- prediction_correct BOOL not NULL), which the enclosing statement defines: its win rate and its 95 % interval. The interval is defined
-- here alone: Wilson's score interval (z = 1.959964) of the win rate over the slice's effective bets.
-- Bets on one player in one game (a player-game) win or lose together, whatever their lines, so they carry less information than
-- as many bets on as many games. Effective bets are the bets over their design effect (Rao and Scott): the variance of the win rate between
-- player-games over that of independent bets. They are never more than the bets; one bet per player-game gives Wilson's
-- standard interval. Where the player-games do not differ, as where all bets were won, each counts as one bet.
-- Params: none
WITH
player_games AS (
    SELECT
        system_id,
        confidence_decile,
        COUNT(*) AS game_decided,
        COUNTIF(prediction_correct) AS game_correct,
        SUM(COUNT(*)) OVER (PARTITION BY system_id, confidence_decile) AS decided,
        SUM(COUNTIF(prediction_correct)) OVER (PARTITION BY system_id, confidence_decile) AS correct
    FROM bets
    GROUP BY system_id, confidence_decile, game_date, game_id, player_lookup
),

effective AS (
    SELECT
        system_id,
        confidence_decile,
        decided,
        correct,
        COUNT(*) AS player_games,
        correct / decided AS win_rate,
        -- The integers inside the sum are exact: it is 0 where the player-games do not differ.
        LEAST(
            CAST(decided AS FLOAT64),
            COALESCE(
                SAFE_DIVIDE(correct * (decided - correct) * POW(decided, 2), SUM(POW(game_correct * decided - correct * game_decided, 2))),
                CAST(COUNT(*) AS FLOAT64)
            )
        ) AS effective_bets
    FROM player_games
    GROUP BY system_id, confidence_decile, decided, correct
),

widths AS (
    SELECT
        *,
        POW(1.959964, 2) / effective_bets AS z_share,
        1.959964 * SQRT(win_rate * (1 - win_rate) / effective_bets + POW(1.959964, 2) / (4 * POW(effective_bets, 2))) AS half_width
    FROM effective
)

SELECT
    system_id,
    confidence_decile,
    decided,
    correct,
    player_games,
    effective_bets,
    win_rate,
    (win_rate + z_share / 2 - half_width) / (1 + z_share) AS win_rate_low,
    (win_rate + z_share / 2 + half_width) / (1 + z_share) AS win_rate_high
FROM widths
