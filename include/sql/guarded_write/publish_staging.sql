-- Replaces some dates of the target with their staged rows, in one transaction that the fence rows serialise. The only script of the project.
-- The UPDATE comes first and always changes a row, so two publishes of one date conflict even when the date is empty: BigQuery lets appends,
-- and DELETEs that find nothing, commit side by side. It leaves out each date that a newer claim has published, that anybody has published
-- since it was read (seen_token, -1 for rows made of other tables), or whose staged rows are not those that were audited. The DELETE and
-- the INSERT touch only dates whose fence row this write has just updated. The last SELECT says which those were.
-- A script takes no parameters on the emulator: its values are rendered as typed literals. fencing_token 0 means a claim without a lease,
-- which takes the stored token + 1, so that no client's clock decides and the next lease holder still wins.
-- Literals: game_dates, write_id, grading_run_id. Text: claims, one claim_fragment per date. Identifiers: staging, target, fences,
-- date_column, columns, and token_column: what the rows get of the token, if they have one
-- noqa: disable=ST05
BEGIN TRANSACTION;

UPDATE {fences} AS fence
SET
    fencing_token = claimed.new_token,
    holder_id = claimed.holder_id,
    write_id = {write_id},
    grading_run_id = {grading_run_id},
    version = GREATEST(COALESCE(fence.version, 0) + 1, UNIX_MICROS(CURRENT_TIMESTAMP())),
    source_version = claimed.source_version,
    published_rows = claimed.published_rows,
    published_keys = claimed.published_keys,
    updated_at = CURRENT_TIMESTAMP()
FROM (
    SELECT
        claim.*,
        IF(claim.fencing_token = 0, newest.stored_token + 1, claim.fencing_token) AS new_token
    FROM ({claims}) AS claim
    INNER JOIN (
        SELECT
            game_date,
            MAX(fencing_token) AS stored_token
        FROM {fences}
        WHERE game_date IN ({game_dates})
        GROUP BY game_date
    ) AS newest USING (game_date)
    LEFT JOIN (
        SELECT
            {date_column} AS game_date,
            COUNT(*) AS staged_rows
        FROM {staging}
        GROUP BY {date_column}
    ) AS staged USING (game_date)
    WHERE
        (claim.fencing_token = 0 OR newest.stored_token <= claim.fencing_token)
        AND (claim.seen_token = -1 OR newest.stored_token = claim.seen_token)
        AND COALESCE(staged.staged_rows, 0) = claim.published_rows
) AS claimed
WHERE
    fence.game_date IN ({game_dates})
    AND fence.game_date = claimed.game_date;

DELETE FROM {target}
WHERE
    {date_column} IN ({game_dates})
    AND {date_column} IN (SELECT game_date FROM {fences} WHERE game_date IN ({game_dates}) AND write_id = {write_id});

INSERT INTO {target} ({columns}{token_column})
SELECT {columns}{token_column}
FROM {staging}
INNER JOIN (
    SELECT
        game_date AS fenced_date,
        MAX(fencing_token) AS fencing_token
    FROM {fences}
    WHERE game_date IN ({game_dates}) AND write_id = {write_id}
    GROUP BY game_date
) AS fence ON {date_column} = fence.fenced_date;

COMMIT TRANSACTION;

SELECT
    game_date,
    MAX(fencing_token) AS fencing_token,
    LOGICAL_OR(COALESCE(write_id = {write_id}, FALSE)) AS is_published
FROM {fences}
WHERE game_date IN ({game_dates})
GROUP BY game_date;
