"""Structured log events: a name and the facts that a person on call asks for, as ``name key=value …`` in one line.

An event goes to the log and to whoever subscribed: the metrics are made of the same events, so the two cannot disagree. Values are
quoted and escaped where they need it, so no value can forge another line or another key.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

import structlog
from structlog.typing import EventDict, WrappedLogger

Observer = Callable[[str, Mapping[str, Any]], None]

_observers: list[Observer] = []
_as_logfmt = structlog.processors.LogfmtRenderer(bool_as_flag=False)


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """The logger of a module: ``log.info("lease_acquired", token=7)`` logs ``lease_acquired token=7``. Facts that are None are left out.

    The record of the standard library's logger, which writes the line, has ``event_name`` and ``facts`` as attributes.
    """
    logger: structlog.stdlib.BoundLogger = structlog.wrap_logger(
        logging.getLogger(name),
        processors=[_leave_out_none, _notify_observers, structlog.stdlib.filter_by_level, _as_line],
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    return logger


def subscribe(observer: Observer) -> None:
    """Call ``observer`` with every event of this process from now on, whatever the log's level; once, however often this is called."""
    if observer not in _observers:
        _observers.append(observer)


def unsubscribe(observer: Observer) -> None:
    """Call it no more."""
    if observer in _observers:
        _observers.remove(observer)


def _leave_out_none(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return {name: value for name, value in event.items() if value is not None}


def _notify_observers(logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    facts = {name: value for name, value in event.items() if name not in ("event", "exc_info")}
    for observer in _observers:
        try:
            observer(event["event"], facts)
        except Exception:
            logger.exception("an observer of the event %s failed", event["event"])
    return event


def _as_line(logger: WrappedLogger, method: str, event: EventDict) -> tuple[tuple[str], dict[str, Any]]:
    facts = dict(event)
    name, exc_info = facts.pop("event"), facts.pop("exc_info", None)
    line = f"{name} {_as_logfmt(logger, method, dict(facts))}".rstrip()
    return (line,), {"exc_info": exc_info, "extra": {"event_name": name, "facts": facts}}
