-- Replaces one date of the target by the staged rows, in one transaction that the fence row serialises. The only script of the project.
-- The UPDATE comes first and always changes a row, so two publishes of one date conflict even when the date is empty:
-- BigQuery lets appends, and DELETEs that find nothing, commit side by side.
-- A script takes no parameters on the emulator: its values are rendered as typed literals. v_token 0 means a write without a lease,
-- which takes the stored token + 1, so that no client's clock decides and the next lease holder still wins.
-- v_seen_token is the fence as it was when the staged rows were read from the target itself, -1 for rows made of other tables.
-- Literals: game_date, token, seen_token, audited_rows, table_name, holder_id. Identifiers: staging, target, date_column, columns, key,
-- and token_column, token_value: what the rows get of the token, if they have one
DECLARE v_game_date DATE DEFAULT {game_date};
DECLARE v_token INT64 DEFAULT {token};
DECLARE v_seen_token INT64 DEFAULT {seen_token};
DECLARE v_audited_rows INT64 DEFAULT {audited_rows};
DECLARE v_table_name STRING DEFAULT {table_name};
DECLARE v_holder_id STRING DEFAULT {holder_id};
DECLARE v_replaced_rows INT64;

BEGIN TRANSACTION;

SELECT
    IF(
        v_seen_token = -1 OR COALESCE(MAX(fencing_token), 0) = v_seen_token,
        'ok',
        ERROR(FORMAT('GUARD changed_meanwhile: %s %t was published with token %d since it was read', v_table_name, v_game_date, COALESCE(MAX(fencing_token), 0)))
    )
FROM nba_predictions.write_fences
WHERE table_name = v_table_name AND game_date = v_game_date;

UPDATE nba_predictions.write_fences
SET
    fencing_token = IF(v_token = 0, fencing_token + 1, v_token),
    holder_id = v_holder_id,
    updated_at = CURRENT_TIMESTAMP()
WHERE
    table_name = v_table_name
    AND game_date = v_game_date
    AND (v_token = 0 OR fencing_token <= v_token);

SET v_token = IF(
    v_token = 0,
    (
        SELECT MAX(fencing_token) FROM nba_predictions.write_fences
        WHERE table_name = v_table_name AND game_date = v_game_date AND holder_id = v_holder_id
    ),
    v_token
);

SELECT
    IF(
        COALESCE(MAX(fencing_token) = v_token, FALSE),
        'ok',
        ERROR(FORMAT('GUARD fenced_out: %s %t holds token %d, this writer has %d', v_table_name, v_game_date, COALESCE(MAX(fencing_token), -1), v_token))
    )
FROM nba_predictions.write_fences
WHERE table_name = v_table_name AND game_date = v_game_date;

SET v_replaced_rows = (SELECT COUNT(*) FROM {target} WHERE {date_column} = v_game_date);

DELETE FROM {target} WHERE {date_column} = v_game_date;

INSERT INTO {target} ({columns}{token_column})
SELECT {columns}{token_value} FROM {staging};

SELECT
    IF(
        COUNT(*) = v_audited_rows AND COUNT(*) = (SELECT COUNT(*) FROM (SELECT DISTINCT {key} FROM {target} WHERE {date_column} = v_game_date)),
        'ok',
        ERROR(FORMAT('GUARD not_as_audited: %s %t would hold %d rows, %d were audited', v_table_name, v_game_date, COUNT(*), v_audited_rows))
    )
FROM {target}
WHERE {date_column} = v_game_date;

COMMIT TRANSACTION;

SELECT
    v_token AS fencing_token,
    v_replaced_rows AS replaced_rows,
    v_audited_rows AS written_rows;
