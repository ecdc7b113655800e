"""How much of everything the tests try: quick by default, all of it with FULL_TESTS=1 in the environment (`make test-full`)."""

from __future__ import annotations

import os

FULL = os.environ.get("FULL_TESTS") == "1"


def examples(quick: int, full: int) -> int:
    """The number of examples of a property."""
    return full if FULL else quick
