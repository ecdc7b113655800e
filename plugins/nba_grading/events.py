"""Structured log events: a name and the facts a person on call asks for, as ``name key=value …`` in one line.

An event is told to the log and to whoever subscribed: the metrics are made of the same events, so the two cannot disagree.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

Observer = Callable[[str, Mapping[str, Any]], None]

_observers: list[Observer] = []


def log_event(log: logging.Logger, event: str, *, level: int = logging.INFO, **facts: Any) -> None:
    """Log ``event`` with its facts in the given order; None is left out, and the facts are on the record as well (``facts``)."""
    told = {name: value for name, value in facts.items() if value is not None}
    line = " ".join([event, *(f"{name}={value}" for name, value in told.items())])
    log.log(level, line, extra={"event_name": event, "facts": told})
    for observer in _observers:
        try:
            observer(event, told)
        except Exception:
            log.exception("an observer of the event %s failed", event)


def subscribe(observer: Observer) -> None:
    """Tell ``observer`` every event of this process from now on, whatever the log's level; once, however often it is asked."""
    if observer not in _observers:
        _observers.append(observer)


def unsubscribe(observer: Observer) -> None:
    """Tell it no more."""
    if observer in _observers:
        _observers.remove(observer)
