"""Values and types between Python and Google's SQL engine."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from zetasql.wasi._pb2.zetasql.public import type_pb2, value_pb2

_OTHER_NAME = {"FLOAT64": "DOUBLE"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def type_of_value(value: Any) -> str:
    """The type as which the warehouse sends a parameter of this value."""
    if isinstance(value, (list, tuple)):
        return f"ARRAY<{type_of_value(value[0])}>" if value else "ARRAY<DATE>"
    # A bool is an int, and a datetime a date, so the narrower comes first.
    kinds = ((bool, "BOOL"), (int, "INT64"), (datetime, "TIMESTAMP"), (date, "DATE"), (Decimal, "NUMERIC"), (str, "STRING"))
    return next(name for kind, name in kinds if isinstance(value, kind))


def type_proto(name: str) -> type_pb2.TypeProto:
    if name.startswith("ARRAY<"):
        made = type_pb2.TypeProto(type_kind=type_pb2.TYPE_ARRAY)
        made.array_type.element_type.CopyFrom(type_proto(name.removeprefix("ARRAY<").removesuffix(">")))
        return made
    return type_pb2.TypeProto(type_kind=f"TYPE_{_OTHER_NAME.get(name, name)}")


def type_name_of(made: type_pb2.TypeProto) -> str:
    name = type_pb2.TypeKind.Name(made.type_kind).removeprefix("TYPE_")
    return next((ours for ours, theirs in _OTHER_NAME.items() if theirs == name), name)


def value_proto(value: Any, type_name: str) -> value_pb2.ValueProto:
    made = value_pb2.ValueProto()
    if value is None:
        return made
    if type_name.startswith("ARRAY<"):
        inner = type_name.removeprefix("ARRAY<").removesuffix(">")
        made.array_value.SetInParent()
        made.array_value.element.extend(value_proto(each, inner) for each in value)
    elif type_name == "NUMERIC":
        # Billionths, as a little-endian two's complement of as few bytes as hold it.
        units = int((Decimal(str(value)) * 10**9).to_integral_exact())
        made.numeric_value = units.to_bytes((units + (units < 0)).bit_length() // 8 + 1, "little", signed=True)
    elif type_name == "DATE":
        made.date_value = (value - _EPOCH.date()).days
    elif type_name == "TIMESTAMP":
        micros = ((value if value.tzinfo else value.replace(tzinfo=UTC)) - _EPOCH) // timedelta(microseconds=1)
        made.timestamp_value.seconds, made.timestamp_value.nanos = micros // 10**6, micros % 10**6 * 1000
    else:
        setattr(made, {"INT64": "int64_value", "STRING": "string_value", "BOOL": "bool_value", "FLOAT64": "double_value"}[type_name], value)
    return made


def python_value(value: value_pb2.ValueProto) -> Any:
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    found = getattr(value, kind)
    if kind == "numeric_value":
        return Decimal(int.from_bytes(found, "little", signed=True)).scaleb(-9)
    if kind == "date_value":
        return _EPOCH.date() + timedelta(days=found)
    if kind == "timestamp_value":
        return _EPOCH + timedelta(seconds=found.seconds, microseconds=found.nanos // 1000)
    if kind == "array_value":
        return [python_value(each) for each in found.element]
    if kind == "struct_value":
        return tuple(python_value(each) for each in found.field)
    return found
