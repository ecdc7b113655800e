-- Replaces one date of the target with the staged rows, in one transaction that the fence row serialises. The only script of the project.
-- The UPDATE comes first and always changes a row, so two publishes of one date conflict even when the date is empty:
-- BigQuery lets appends, and DELETEs that find nothing, commit side by side.
-- Messages are put together with CONCAT, as the emulator knows no FORMAT of a date; none of their parts may be NULL, or there is no error.
-- A script takes no parameters on the emulator: its values are rendered as typed literals. v_fencing_token 0 means a write without a lease,
-- which takes the stored token + 1, so that no client's clock decides and the next lease holder still wins.
-- v_seen_token is the fence as it was when the staged rows were read from the target itself, -1 for rows made of other tables: who
-- has read an older state is fenced out as well.
-- Literals: game_date, fencing_token, seen_token, audited_rows, audited_keys, table_name, holder_id. Identifiers: staging, target, date_column, columns, key,
-- and token_column, token_value: what the rows get of the token, if they have one
DECLARE v_game_date DATE DEFAULT {game_date};
DECLARE v_fencing_token INT64 DEFAULT {fencing_token};
DECLARE v_seen_token INT64 DEFAULT {seen_token};
DECLARE v_audited_rows INT64 DEFAULT {audited_rows};
DECLARE v_audited_keys INT64 DEFAULT {audited_keys};
DECLARE v_table_name STRING DEFAULT {table_name};
DECLARE v_holder_id STRING DEFAULT {holder_id};
DECLARE v_replaced_rows INT64;

BEGIN TRANSACTION;

UPDATE nba_predictions.write_fences
SET
    fencing_token = IF(v_fencing_token = 0, fencing_token + 1, v_fencing_token),
    holder_id = v_holder_id,
    updated_at = CURRENT_TIMESTAMP()
WHERE
    table_name = v_table_name
    AND game_date = v_game_date
    AND (v_fencing_token = 0 OR fencing_token <= v_fencing_token)
    AND (v_seen_token = -1 OR fencing_token = v_seen_token);

SET v_fencing_token = IF(
    v_fencing_token = 0,
    (
        SELECT MAX(fencing_token) FROM nba_predictions.write_fences
        WHERE table_name = v_table_name AND game_date = v_game_date AND holder_id = v_holder_id
    ),
    v_fencing_token
);

SELECT
    IF(
        COALESCE(MAX(fencing_token) = v_fencing_token, FALSE),
        'ok',
        ERROR(CONCAT(
            'ASSERTION fenced_out: ', v_table_name, ' ', CAST(v_game_date AS STRING),
            ' holds token ', CAST(COALESCE(MAX(fencing_token), -1) AS STRING), ', this writer has ', COALESCE(CAST(v_fencing_token AS STRING), 'none')
        ))
    )
FROM nba_predictions.write_fences
WHERE table_name = v_table_name AND game_date = v_game_date;

SET v_replaced_rows = (SELECT COUNT(*) FROM {target} WHERE {date_column} = v_game_date);

DELETE FROM {target} WHERE {date_column} = v_game_date;

INSERT INTO {target} ({columns}{token_column})
SELECT {columns}{token_value} FROM {staging};

SELECT
    IF(
        COUNT(*) = v_audited_rows AND v_audited_keys = (SELECT COUNT(*) FROM (SELECT DISTINCT {key} FROM {target} WHERE {date_column} = v_game_date)),
        'ok',
        ERROR(CONCAT(
            'ASSERTION not_as_audited: ', v_table_name, ' ', CAST(v_game_date AS STRING),
            ' would hold ', CAST(COUNT(*) AS STRING), ' rows, ', CAST(v_audited_rows AS STRING), ' were audited'
        ))
    )
FROM {target}
WHERE {date_column} = v_game_date;

COMMIT TRANSACTION;

SELECT
    v_fencing_token AS fencing_token,
    v_replaced_rows AS replaced_rows;
