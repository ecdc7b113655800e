"""The watchlist: players on whom a system loses beyond chance; and how far players and errors spread. See docs/evaluation.md.

SQL counts the bets of record of each system and player; their win rates are shrunk towards the system's own by a beta-binomial model, and
SciPy gives the probability that one lies under what loses money. A list is one partition of ``player_watchlist``, of players listed and of
those that just left, written by the guarded write. Advice, not a filter.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date
from itertools import groupby
from operator import itemgetter

import numpy as np
from scipy.special import betainc

from nba_grading.events import get_logger
from nba_grading.guarded_write.claim import ClaimedDates
from nba_grading.guarded_write.publish import write_dates
from nba_grading.guarded_write.work import WriteReport, WriteRequest
from nba_grading.guarded_write.write import Write
from nba_grading.warehouse.client import Row, Warehouse
from nba_grading.warehouse.params import Params
from nba_grading.warehouse.sql import load_sql
from nba_grading.warehouse.tables import PLAYER_VARIANCE, PLAYER_WATCHLIST

log = get_logger(__name__)

# A win rate of 47.6 % against a system is one of 52.4 % for whoever bets the other way.
LOSING_RATE = 0.476
LISTED_OVER, LEAVES_UNDER = 0.95, 0.80
MIN_BETS = 15
MIN_GAMES = 10
# The correlation of two bets on one player that the prior may have: 0 would be no prior at all, 1 one without a spread.
LEAST_CORRELATION, MOST_CORRELATION = 1e-6, 0.99
LEAST_RATE = 1e-6
ANY_SHRINK = 1.0


@dataclass(frozen=True)
class Entry:
    """A player on a system's list, or one that left it: ``until`` is None while listed. Dates are ISO, for JSON."""

    system_id: str
    player_lookup: str
    since: str
    until: str | None
    decided: int
    won: int
    win_rate: float | None
    shrunk_win_rate: float
    probability: float
    reason: str


def watch_players(warehouse: Warehouse, claimed: ClaimedDates, request: WriteRequest) -> WriteReport:
    """Make the list of the one claimed day; the facts name who entered and who left it. Raises what ``write_dates`` raises."""
    [day] = claimed.dates
    entries = list_players(warehouse.query_file("reviews/count_player_bets", {"day": day}), day)
    params = {"entries": json.dumps([asdict(entry) for entry in entries]), "grading_run_id": request.grading_run_id}
    write = Write(PLAYER_WATCHLIST, load_sql("reviews/store_watchlist"), params, request.grading_run_id, max_shrink=ANY_SHRINK)
    written = write_dates(warehouse, claimed, write)
    left = [asdict(entry) for entry in entries if entry.until]
    entered = [asdict(entry) for entry in entries if not entry.until and entry.since == str(day)]
    log.info("players_watched", day=day, listed=len(entries) - len(left), entered=len(entered), left=len(left))
    return WriteReport(written, {day: {"listed": len(entries) - len(left), "entered": entered, "left": left}})


def measure_variance(warehouse: Warehouse, claimed: ClaimedDates, request: WriteRequest) -> WriteReport:
    """Measure the spread of points and errors up to the one claimed day. Raises what ``write_dates`` raises."""
    [day] = claimed.dates
    params: Params = {"day": day, "min_games": MIN_GAMES, "grading_run_id": request.grading_run_id}
    write = Write(PLAYER_VARIANCE, load_sql("reviews/measure_variance"), params, request.grading_run_id, max_shrink=ANY_SHRINK)
    return WriteReport(write_dates(warehouse, claimed, write))


def list_players(rows: Iterable[Row], day: date) -> list[Entry]:
    """Who is listed on the day and who leaves the list, by system and player; ``rows`` are those of reviews/count_player_bets.sql."""
    entries = []
    for _, some in groupby(sorted(rows, key=itemgetter("system_id", "player_lookup")), key=itemgetter("system_id")):
        players = list(some)
        decided, won = (np.array([row[name] for row in players], dtype=float) for name in ("decided", "won"))
        rate, strength = prior(decided, won)
        wins, losses = rate * strength + won, (1 - rate) * strength + decided - won
        probabilities = betainc(wins, losses, LOSING_RATE)
        for row, shrunk, probability in zip(players, wins / (wins + losses), probabilities, strict=True):
            was_listed = row["since"] is not None
            stays = was_listed and probability >= LEAVES_UNDER
            enters = not was_listed and probability > LISTED_OVER and row["decided"] >= MIN_BETS
            if was_listed or enters:
                entries.append(_entry(row, day, bool(stays or enters), float(shrunk), float(probability)))
    return entries


def prior(decided: np.ndarray, won: np.ndarray) -> tuple[float, float]:
    """The win rate of a system and how many bets its prior is worth, by the method of moments for a beta-binomial.

    The spread of the players' win rates beyond that of binomials gives the correlation of two bets on one player (the estimator of the
    analysis of variance); a prior is worth 1 / correlation - 1 bets. Arrays of one length, a player each. Without bets the rate is 1/2.
    """
    played = decided > 0
    bets, wins = decided[played], won[played]
    total = bets.sum()
    # Neither 0 nor 1, which no beta distribution has as its mean.
    rate = min(max(float(wins.sum() / total), LEAST_RATE), 1 - LEAST_RATE) if total else 0.5
    spread = rate * (1 - rate)
    players = len(bets)
    room = total - (bets**2).sum() / total - (players - 1) if total else 0.0
    if room <= 0:
        return rate, 1 / LEAST_CORRELATION - 1
    squares = float((bets * (wins / bets - rate) ** 2).sum())
    correlation = (squares - spread * (players - 1)) / (spread * room)
    return rate, 1 / min(max(correlation, LEAST_CORRELATION), MOST_CORRELATION) - 1


def _entry(row: Row, day: date, is_listed: bool, shrunk: float, probability: float) -> Entry:
    decided, won = int(row["decided"]), int(row["won"])
    found = f"{won} of {decided} decided bets won" if decided else "no decided bet in 90 days"
    return Entry(
        system_id=row["system_id"],
        player_lookup=row["player_lookup"],
        since=str(row["since"] or day),
        until=None if is_listed else str(day),
        decided=decided,
        won=won,
        win_rate=won / decided if decided else None,
        shrunk_win_rate=shrunk,
        probability=probability,
        reason=f"{found}; shrunk towards the system {100 * shrunk:.1f} %, under {100 * LOSING_RATE:.1f} % with probability {probability:.2f}",
    )
