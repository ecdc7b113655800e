"""The second implementation of the trends against figures by hand, so that both cannot be wrong alike."""

from __future__ import annotations

import pytest

from tests.reference_reviews import percentile


def test_percentiles_are_interpolated() -> None:
    assert (percentile([1, 2, 4], 0.5), percentile([10, 20], 0.95), percentile([], 0.5)) == (2, pytest.approx(19.5), None)
