-- The dates of one table whose token in the older write_fences is newer than that of their fence.
-- Params: table_name STRING. Identifiers: fences
SELECT older.game_date
FROM nba_predictions.write_fences AS older
LEFT JOIN {fences} AS fence USING (game_date)
WHERE older.table_name = @table_name
GROUP BY older.game_date
HAVING MAX(older.fencing_token) > COALESCE(MAX(fence.fencing_token), -1)
ORDER BY older.game_date;
