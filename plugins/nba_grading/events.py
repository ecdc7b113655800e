"""Structured log events: a name and the facts a person on call asks for, as ``name key=value …`` in one line."""

from __future__ import annotations

import logging
from typing import Any


def log_event(log: logging.Logger, event: str, *, level: int = logging.INFO, **facts: Any) -> None:
    """Log ``event`` with its facts in the given order; None is left out, and the facts are on the record as well (``facts``)."""
    told = {name: value for name, value in facts.items() if value is not None}
    line = " ".join([event, *(f"{name}={value}" for name, value in told.items())])
    log.log(level, line, extra={"event_name": event, "facts": told})
