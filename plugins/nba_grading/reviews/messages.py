"""The alerts of a review: the weekly table, a milestone, a drift, the watchlist; and what resolves a drift. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import partial
from typing import Any

from nba_grading.alerts.model import Alert, RunLink
from nba_grading.reviews.systems import (
    DRIFT_KINDS,
    MAX_PAIR_P_VALUE,
    MAX_VOLUME_VARIATION,
    MIN_BAND_DAYS,
    MIN_BET_DAYS,
    MIN_BETS,
    MIN_ERRORS,
    WEEK,
    DriftKind,
    Targets,
    is_drifting,
)

Row = Mapping[str, Any]

SHOWN_SYSTEMS = 10
SYSTEM_CHARACTERS = 22
LIMITS = f"from {MIN_ERRORS} errors, {MIN_BAND_DAYS} days in the band, and {MIN_BETS} bets on {MIN_BET_DAYS} days on"
SHOWN_PAIRS = 3
SHOWN_PLAYERS = 12
BAND_AND_WEEK = timedelta(days=36)
# For people to paste into BigQuery's console; no code runs it.
DAILY_VALUES = (
    "SELECT period_end_date, mae, line_mae, win_rate, bets, won, lost, void FROM nba_predictions.system_market_performance WHERE "
    "system_id = '{system}' AND period_end_date BETWEEN '{first}' AND '{day}' AND period_type = 'day' AND slice_type = 'all' ORDER BY period_end_date"
)
NOTES = {
    ("mae_verdict", "above"): "MAE above its band",
    ("mae_verdict", "below"): "MAE below its band",
    ("deviation_verdict", "above"): "errors spread above their band",
    ("deviation_verdict", "below"): "errors spread below their band",
    ("win_rate_verdict", "low"): "win rate low",
    ("mae_verdict", "no_errors"): "no errors",
    ("mae_verdict", "too_few"): "too few for MAE",
    ("win_rate_verdict", "too_few"): "too few bets",
    ("win_rate_verdict", "no_bets"): "no bets",
}


def milestone(run: RunLink, row: Row, day: date, targets: Targets) -> Alert:
    """The milestone check of one system: a row of ``reviews.review_milestone`` over the 7 days that end on ``day``."""
    system = row["system_id"]
    if not row["predictions"] and not row["errors"]:
        return _review(
            run,
            "milestone",
            f"{system}/{day}",
            f"Milestone of {system}: it has no predictions and no grades from {_week(day)}",
            detail="Nothing could be checked.",
            severity="WARNING",
            next_step="Check whether the system runs, and whether GRADING_MILESTONES has its system_id.",
        )
    checks = (
        ("MAE", row["is_mae_met"], f"{_number(row['mae'])} (at most {targets.mae}; baseline {targets.baseline_mae}; {row['errors']} errors)"),
        ("placeholders", row["is_placeholders_met"], f"{row['placeholders']} of {row['predictions']} predictions (none allowed)"),
        ("volume", row["is_volume_met"], _volume(row)),
        ("win rate", row["is_win_rate_met"], f"{_rate(row)} (at least {_percent(targets.win_rate)} %; {row['decided']} bets)"),
    )
    missed = [name for name, is_met, _ in checks if not is_met]
    return _review(
        run,
        "milestone",
        f"{system}/{day}",
        f"Milestone of {system}: {'missed by ' + ', '.join(missed) if missed else 'met'}",
        detail=_monospaced(_table([("", "check", "value"), *(("ok" if is_met else "NO", name, value) for name, is_met, value in checks)])),
        severity="WARNING" if missed else "INFO",
        facts={"Days": _week(day), "Against the baseline": _against(row["mae"], targets.baseline_mae)},
        next_step="Decide with the system's owner whether to keep it; the runbook explains each check." if missed else "None: all targets are met.",
    )


def weekly(run: RunLink, rows: Sequence[Row], pairs: Sequence[Row], day: date, trends: Mapping[str, Sequence[Row]]) -> Alert:
    """The weekly table: rows of ``reviews.review_systems`` and ``reviews.compare_systems``; ``trends`` holds rows of ``trends.trend`` by name."""
    facts = {"Days": _week(day), **_trend_facts(trends)}
    report = partial(_review, run, "weekly-review", str(day), severity="INFO", facts=facts)
    graded = [row for row in rows if row["settled"]]
    if not graded:
        return report(
            f"Weekly review: no grades from {_week(day)}",
            detail="No system could be reviewed." + (f" Graded in the month before: {', '.join(row['system_id'] for row in rows)}." if rows else ""),
            next_step="None if no games were played. Otherwise check the runs of grade_predictions of that week.",
        )
    drifting = [row for row in rows if any(is_drifting(row, kind) for kind in DRIFT_KINDS)]
    shown = sorted(rows, key=lambda row: (row not in drifting, not row["settled"], row["system_id"]))[:SHOWN_SYSTEMS]
    parts = [_systems_table(shown), "won % by confidence decile; * the confidence lies outside its 95 % interval", _calibration_table(shown)]
    if len(rows) > len(shown):
        parts.append(f"and {len(rows) - len(shown)} more systems in the run's result")
    facts["Drifting"] = "; ".join(f"{row['system_id']} ({_note(row)})" for row in drifting) or "no system"
    facts["Compared"] = _comparison(pairs)
    facts["Verdicts"] = LIMITS
    facts["Graded days"] = f"{max(row['graded_days'] for row in rows)} of 7"
    return report(
        f"Weekly review of {len(graded)} systems, {_week(day)}: {len(drifting) or 'none'} drifting",
        detail=_monospaced("\n".join(parts)),
        next_step="Look at the systems that drift; each has a thread of its own." if drifting else "None: this is a report.",
    )


def drift(run: RunLink, row: Row, kind: DriftKind, day: date, targets: Targets) -> Alert:
    """A system drifts: its row of ``reviews.review_systems``."""
    system = row["system_id"]
    report = partial(_review, run, kind, system, severity="WARNING", command=_daily_values(system, day))
    if kind == "mae-out-of-band":
        return report(
            f"{system}: the MAE of the week is {row['mae_verdict']} its own 30-day band",
            detail=f"{row['mae']:.2f} points, outside {row['band_low']:.2f} to {row['band_high']:.2f} (mean of {row['band_days']} days "
            f"{row['band_mae']:.2f}, two standard deviations).",
            facts={"Days": _week(day), "Errors": str(row["errors"]), "Bias": f"{row['bias']:+.2f}", "Voided": str(row["voided"])},
            next_step="Look for a change in the system's inputs or version on these days; a fall is as suspicious as a rise.",
        )
    if kind == "error-spread-out-of-band":
        return report(
            f"{system}: the errors of the week spread {row['deviation_verdict']} their own 30-day band",
            detail=f"Standard deviation {row['deviation']:.2f} points, outside {row['deviation_low']:.2f} to {row['deviation_high']:.2f}.",
            facts={"Days": _week(day), "Errors": str(row["errors"]), "MAE": _number(row["mae"]), "Bias": f"{row['bias']:+.2f}"},
            next_step="Look at the largest errors of these days, and at player_variance: a few players, or all of them?",
        )
    return report(
        f"{system}: the win rate of the week is under {_percent(targets.win_rate)} %, beyond chance",
        detail=f"{_rate(row)} of {row['decided']} bets of record on {row['bet_days']} days: lower than the target with p = {row['low_p_value']:.3f}, "
        "corrected for the number of systems.",
        facts={"Days": _week(day), "Bets": str(row["decided"]), "MAE": _number(row["mae"]), "MAE of the line": _number(row["line_mae"])},
        next_step="Check whether OVER or UNDER, or one decile, loses; then decide with the system's owner whether to keep betting on it.",
    )


def drift_resolution(system: str, kind: DriftKind, row: Row | None) -> str:
    """Why a system's drift is resolved; ``row`` is None when it has not been graded for more than a month."""
    if row is None:
        return f"{system}: not graded for more than a month, so no longer watched."
    if kind == "mae-out-of-band":
        return f"{system}: the MAE is back in its 30-day band. {row['mae']:.2f} points, in {row['band_low']:.2f} to {row['band_high']:.2f}."
    if kind == "error-spread-out-of-band":
        return f"{system}: the errors spread as in the 30 days before. {row['deviation']:.2f} points."
    return f"{system}: the win rate is no longer low beyond chance. {_rate(row)}."


def watchlist(run: RunLink, made: Mapping[str, Any]) -> Alert:
    """Who entered and who left the watchlist of a day: the facts of ``watchlist.watch_players``."""
    entered, left = made["entered"], made["left"]
    lines = [
        f"{word} {each['system_id']}, {each['player_lookup']}: {each['reason']}" for word, some in (("+", entered), ("-", left)) for each in some
    ]
    more = [f"and {len(lines) - SHOWN_PLAYERS} more in player_watchlist"] if len(lines) > SHOWN_PLAYERS else []
    return _review(
        run,
        "watchlist",
        made["game_date"],
        f"Watchlist of {made['game_date']}: {len(entered)} entered, {len(left)} left, {made['listed']} listed",
        severity="INFO",
        detail=_monospaced("\n".join([*lines[:SHOWN_PLAYERS], *more])),
        next_step="Tell the owners of the systems: the list is advice, and changes no grade.",
    )


def _review(run: RunLink, kind: str, subject: str, title: str, **parts: Any) -> Alert:
    return Alert(kind=kind, subject=subject, title=title, impact="None: a review changes no data.", run=run, **parts)


def _monospaced(text: str) -> str:
    return f"```{text}```"


def _systems_table(rows: Sequence[Row]) -> str:
    head = ("system", "MAE", "line", "band", "bias", "won %", "95 %", "bets", "")
    return _table([head, *(_systems_row(row) for row in rows)])


def _systems_row(row: Row) -> tuple[str, ...]:
    has_bets, has_interval, has_band = row["win_rate"] is not None, row["win_rate_low"] is not None, row["band_low"] is not None
    return (
        row["system_id"][:SYSTEM_CHARACTERS],
        _number(row["mae"]),
        _number(row["line_mae"]),
        f"{row['band_low']:.1f}-{row['band_high']:.1f}" if has_band else "-",
        "-" if row["bias"] is None else f"{row['bias']:+.2f}",
        _percent(row["win_rate"]) if has_bets else "-",
        f"{_percent(row['win_rate_low'])}-{_percent(row['win_rate_high'])}" if has_interval else "-",
        str(row["decided"]),
        _note(row),
    )


def _note(row: Row) -> str:
    if not row["settled"]:
        return "no grades"
    return ", ".join(note for (column, verdict), note in NOTES.items() if row[column] == verdict)


def _comparison(pairs: Sequence[Row]) -> str:
    """The pairs of systems of which one was nearer beyond chance, over the games that both predicted."""
    sure = [row for row in pairs if row["p_value"] is not None and row["p_value"] <= MAX_PAIR_P_VALUE]
    if not sure:
        return f"none of {len(pairs)} pairs differs in MAE beyond chance, over the games that both predicted"
    return f"{len(sure)} of {len(pairs)} pairs differ in MAE beyond chance: {'; '.join(_pair(row) for row in sure[:SHOWN_PAIRS])}"


def _pair(row: Row) -> str:
    interval = f"{row['difference_low']:.2f} to {row['difference_high']:.2f}"
    return f"{row['better_id']} nearer than {row['worse_id']} by {row['difference']:.2f} ({interval}) points"


def _calibration_table(rows: Sequence[Row]) -> str:
    by_system = {row["system_id"]: {each["confidence_decile"]: each for each in row["calibration"]} for row in rows}
    deciles = sorted({decile for each in by_system.values() for decile in each})
    if not deciles:
        return "no bet with a confidence"
    head = ("system", *(f"{(decile - 1) * 10}-{decile * 10}" for decile in deciles))
    body = ((system[:SYSTEM_CHARACTERS], *(_decile(each.get(decile)) for decile in deciles)) for system, each in by_system.items())
    return _table([head, *body])


def _decile(row: Row | None) -> str:
    return "-" if row is None else f"{100 * row['win_rate']:.0f}{'*' if row['is_off'] else ''}"


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)


def _trend_facts(trends: Mapping[str, Sequence[Row]]) -> dict[str, str]:
    facts = {}
    if weeks := trends.get("duplicate_rate"):
        last = weeks[-1]
        change = "" if last["rate_change"] is None else f", {100 * last['rate_change']:+.2f} points from the week before"
        facts["Duplicates"] = f"{last['duplicates']} of {last['row_count']} rows{change}; found after writes: {last['detected_duplicates']}"
    if timed := [row for row in trends.get("grading_duration", ()) if row["operation"] == "grading" and row["timed_runs"]]:
        medians = [row["median_ms"] for row in timed]
        facts["Grading a date"] = (
            f"daily median {_seconds(min(medians))} to {_seconds(max(medians))}, p95 up to {_seconds(max(row['p95_ms'] for row in timed))}"
        )
    if waits := trends.get("lease_wait"):
        longest = max((row["p95_wait_ms"] for row in waits if row["p95_wait_ms"] is not None), default=0)
        unleased = sum(row["unleased"] for row in waits)
        facts["Lease wait"] = f"daily p95 up to {_seconds(longest)}; {unleased} of {sum(row['runs'] for row in waits)} runs without a lease"
    if volumes := trends.get("volume_per_system"):
        latest = [row for row in volumes if row["game_date"] == volumes[-1]["game_date"] and row["volume_ratio"] is not None]
        if latest:
            least = min(latest, key=lambda row: row["volume_ratio"])
            facts["Volume"] = f"least on {least['game_date']}: {least['system_id']}, {least['predictions']} ({least['volume_ratio']:.1f} of its mean)"
    return facts


def _volume(row: Row) -> str:
    if not row["game_days"]:
        return "no box score in these days"
    variation = "-" if row["volume_variation"] is None else f"{row['volume_variation']:.2f}"
    return (
        f"{row['predictions_per_day']:.0f} a day, variation per game {variation} (at most {MAX_VOLUME_VARIATION}), "
        f"silent on {row['silent_days']} of {row['game_days']} game days"
    )


def _rate(row: Row) -> str:
    if row["win_rate"] is None:
        return "no decided bet"
    rate = f"{_percent(row['win_rate'])} %"
    if row["win_rate_low"] is None:
        return f"{rate}, of a single day"
    return f"{rate}, 95 % interval {_percent(row['win_rate_low'])} to {_percent(row['win_rate_high'])} %"


def _against(mae: float | None, baseline: Any) -> str:
    return "no errors to compare" if mae is None else f"{mae - float(baseline):+.2f} points of MAE"


def _daily_values(system: str, day: date) -> str:
    name = system.replace("\\", "\\\\").replace("'", "\\'")
    return DAILY_VALUES.format(system=name, first=day - BAND_AND_WEEK, day=day)


def _week(day: date) -> str:
    return f"{day - WEEK + timedelta(days=1)} to {day}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _percent(share: Any) -> str:
    return f"{100 * share:.1f}"


def _seconds(milliseconds: float) -> str:
    return f"{milliseconds / 1000:.1f} s"
