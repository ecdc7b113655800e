"""All tables made from the grades on Google's engine: a generated market is graded and refreshed by the project's own code, and every row of
settled bets, market figures, days, players and periods is as the second implementation has it.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import cast

import pytest

from nba_grading.settings import get_settings
from nba_grading.warehouse.client import Warehouse
from tests.emulator.small_date import refresh_all
from tests.emulator.test_market_property import DAYS, Market, a_system_whose_confidence_is_a_probability  # noqa: F401
from tests.emulator.test_refresh import Season
from tests.googlesql.database import GoogleWarehouse
from tests.sizes import examples


@pytest.mark.parametrize("seed", range(examples(1, 20)))
def test_google_settles_judges_and_sums_up_a_generated_market_as_the_reference_does(seed: int, google_warehouse: GoogleWarehouse) -> None:
    market = Market(random.Random(seed))
    market.make(DAYS)
    google_warehouse.fill("nba_predictions.player_prop_predictions", market.predictions)
    google_warehouse.fill("nba_box_scores.player_game_summary", market.box_scores)
    google_warehouse.fill("nba_reference.games", market.games)
    google_warehouse.fill("nba_odds.prop_lines", market.offers)
    warehouse = cast("Warehouse", google_warehouse)
    season = Season(warehouse, Path(), seed, predictions=market.predictions, box_scores=market.box_scores, offers=market.offers)
    season.tip_offs = {row["game_id"]: row["tip_off_at"] for row in market.games if row["tip_off_at"]}
    season.probability_systems = get_settings().grading_probability_systems
    season.grade(*DAYS)
    assert len(refresh_all(warehouse)) == 5
    season.assert_all_is_as_the_reference_has_it()
