-- One claim of publish_staging, as a row.
-- Literals: game_date, fencing_token, seen_token, published_rows, published_keys, source_version, holder_id
SELECT
    {game_date} AS game_date,
    {fencing_token} AS fencing_token,
    {seen_token} AS seen_token,
    {published_rows} AS published_rows,
    {published_keys} AS published_keys,
    {source_version} AS source_version,
    {holder_id} AS holder_id
