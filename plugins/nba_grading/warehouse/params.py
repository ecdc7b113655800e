"""Typed parameters of statements: a Python value shows its type, NULL needs ``TypedParam``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from google.cloud import bigquery

Value = date | datetime | int | str | bool | Decimal | None


@dataclass(frozen=True)
class TypedParam:
    """A parameter whose value does not show its type, such as NULL."""

    type_: str
    value: Value


Param = Value | TypedParam | list[str] | list[date]
Params = Mapping[str, Param]

# In this order: a bool is an int, and a datetime is a date.
_TYPES: tuple[tuple[type, str], ...] = (
    (bool, "BOOL"),
    (int, "INT64"),
    (datetime, "TIMESTAMP"),
    (date, "DATE"),
    (Decimal, "NUMERIC"),
    (str, "STRING"),
)


def query_parameter(name: str, value: Param) -> bigquery.ScalarQueryParameter | bigquery.ArrayQueryParameter:
    """BigQuery's parameter of a value; TypeError for one whose type does not show. An empty list is of strings."""
    if isinstance(value, list):
        return bigquery.ArrayQueryParameter(name, "DATE" if value and isinstance(value[0], date) else "STRING", value)
    if isinstance(value, TypedParam):
        return bigquery.ScalarQueryParameter(name, value.type_, value.value)
    for python_type, type_ in _TYPES:
        if isinstance(value, python_type):
            return bigquery.ScalarQueryParameter(name, type_, value)
    raise TypeError(f"parameter {name}: {value!r} needs TypedParam(type, value)")
