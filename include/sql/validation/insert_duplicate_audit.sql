-- Records the first 20 duplicate keys of a date, each with the date's total.
-- Params: game_date DATE, processor STRING, investigation_url STRING. Identifiers: target, line_column
INSERT INTO nba_predictions.grading_duplicate_audit (
    detected_at, game_date, duplicate_count, processor, player_lookup, system_id, line_value,
    duplicate_occurrence_count, investigation_url
)
SELECT
    CURRENT_TIMESTAMP() AS detected_at,
    @game_date AS game_date,
    SUM(COUNT(*) - 1) OVER () AS duplicate_count,
    @processor AS processor,
    player_lookup,
    system_id,
    {line_column} AS line_value,
    COUNT(*) AS duplicate_occurrence_count,
    @investigation_url AS investigation_url
FROM {target}
WHERE game_date = @game_date
GROUP BY player_lookup, game_id, system_id, {line_column}
HAVING COUNT(*) > 1
ORDER BY duplicate_occurrence_count DESC, player_lookup ASC, game_id ASC, system_id ASC, line_value ASC
LIMIT 20;
