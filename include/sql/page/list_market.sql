-- One row per system and slice (all, and each edge band) of a season's bets of record: how it did against the line.
-- Params: last DATE: the last day of the season
SELECT
    system_id,
    slice_type,
    slice_value,
    settled,
    late_candidates,
    unknown_candidates,
    bets,
    won,
    lost,
    push,
    void,
    win_rate,
    low,
    high,
    p_value_corrected,
    units,
    roi,
    max_drawdown,
    errors,
    mae,
    line_mae,
    skill,
    skill_low,
    skill_high,
    priced,
    roi_at_price,
    true_closes,
    has_closing_coverage,
    clv_points
FROM nba_predictions.system_market_performance
WHERE period_end_date = @last AND period_type = 'season' AND slice_type IN ('all', 'edge')
ORDER BY system_id, slice_type, slice_value;
