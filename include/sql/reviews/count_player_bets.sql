-- One row per system and player with a decided bet of record in the 90 days that end on `day`, or on the newest list before that day: how
-- many bets there are, how many were won, and since when the player is listed, NULL if not.
-- Params: day DATE
WITH
lists AS (
    SELECT
        system_id,
        player_lookup,
        since,
        until
    FROM nba_predictions.player_watchlist
    WHERE as_of < @day AND as_of >= DATE '2020-01-01'
    QUALIFY RANK() OVER (ORDER BY as_of DESC) = 1
),

listed AS (
    SELECT
        system_id,
        player_lookup,
        since
    FROM lists
    WHERE until IS NULL
),

bets AS (
    SELECT
        system_id,
        player_lookup,
        COUNT(*) AS decided,
        COUNTIF(result = 'won') AS won
    FROM nba_predictions.settled_bets
    WHERE
        game_date > DATE_SUB(@day, INTERVAL 90 DAY)
        AND game_date <= @day
        AND result IN ('won', 'lost')
    GROUP BY system_id, player_lookup
)

SELECT
    system_id,
    player_lookup,
    COALESCE(bets.decided, 0) AS decided,
    COALESCE(bets.won, 0) AS won,
    listed.since
FROM bets
FULL OUTER JOIN listed USING (system_id, player_lookup)
ORDER BY system_id ASC, player_lookup ASC;
