"""A small date to write, and writers in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import date

import pytest
from google.cloud import bigquery

from commands.stack_config import ROOT, StackConfig
from tests.emulator.kills import ForkServers, Run
from tests.emulator.small_date import Writer

GAME_DATE = date(2026, 1, 10)
PLAYERS = 40
SHORT_LEASE = {"LEASE_SECONDS": "2", "LEASE_GRACE_SECONDS": "0.2", "LEASE_RPC_SECONDS": "0.6", "LEASE_MAX_WAIT_SECONDS": "60"}

PREDICTIONS = f"""
INSERT INTO nba_predictions.player_prop_predictions
    (prediction_id, system_id, player_lookup, game_id, game_date, predicted_points, confidence_score, recommendation, current_points_line, created_at)
SELECT
    CONCAT('p', CAST(n AS STRING)), CONCAT('system', CAST(MOD(n, 3) AS STRING)),
    CONCAT('player', CAST(DIV(n, 3) AS STRING)), 'game1',
    DATE '{GAME_DATE}', CAST(20 + MOD(n, 7) AS NUMERIC), NUMERIC '0.6', 'OVER',
    IF(MOD(n, 5) = 0, NULL, NUMERIC '20.5'), TIMESTAMP '2026-01-10 12:00:00'
FROM UNNEST(GENERATE_ARRAY(0, {3 * PLAYERS - 1})) AS n
"""
BOX_SCORES = f"""
INSERT INTO nba_box_scores.player_game_summary (player_lookup, game_id, game_date, team_abbr, points, minutes_played)
SELECT CONCAT('player', CAST(n AS STRING)), 'game1', DATE '{GAME_DATE}', IF(MOD(n, 2) = 0, 'DET', 'LAC'), 20 + MOD(n, 5), NUMERIC '30'
FROM UNNEST(GENERATE_ARRAY(0, {PLAYERS - 5})) AS n
"""


@pytest.fixture
def small_date(bigquery_client: bigquery.Client) -> date:
    """120 predictions, of which 12 of players who did not play."""
    for statement in (PREDICTIONS, BOX_SCORES):
        bigquery_client.query(statement).result(timeout=60)
    return GAME_DATE


@pytest.fixture
def start_writer(emulators: StackConfig) -> Writer:
    """Start proofs/writer.py with arguments; leases are on Firestore where it runs, else in SQLite."""

    def start(*arguments: str) -> subprocess.Popen[str]:
        paths = os.pathsep.join([str(ROOT), str(ROOT / "plugins")])
        environment = {**os.environ, **emulators.client_environment(), **SHORT_LEASE, "PYTHONPATH": paths}
        command = [sys.executable, "-m", "proofs.writer", *arguments]
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    return start


@pytest.fixture(scope="session")
def run(emulators: StackConfig, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Runs a task of tests/emulator/tasks.py in a process of its own, which may be killed; from several threads."""
    nurseries = ForkServers(emulators, tmp_path_factory.mktemp("leases") / "leases.db")
    yield nurseries.run
    nurseries.close()
