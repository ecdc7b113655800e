"""Google's own SQL engine, GoogleSQL (formerly ZetaSQL), as a second judge of our statements beside the emulator.

The package ``zetasql`` is GoogleSQL compiled to WebAssembly: its parser, its analyzer, and the reference implementation, which executes a
query over rows that come with the request. Only the package's messages are used: its client copies memory byte by byte and compiles the
module at each start, which takes ten seconds or more. Here the compiled module is kept in .local/, named after the versions that made it.

It is not BigQuery: it says nothing of quotas, conflicts, transactions, pruning or cost.
"""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import tzdata
import wasmtime
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message
from zetasql.wasi import get_wasm_path
from zetasql.wasi._pb2.zetasql.local_service import local_service_pb2 as service
from zetasql.wasi._pb2.zetasql.proto import options_pb2, simple_catalog_pb2
from zetasql.wasi._pb2.zetasql.public import options_pb2 as public_options
from zetasql.wasi._pb2.zetasql.resolved_ast import resolved_node_kind_pb2

from commands.stack_config import ROOT
from nba_grading.warehouse.sql import SQL_DIR, load_sql, render_sql
from nba_grading.warehouse.tables import GUARDED
from tests.googlesql.values import python_value, type_name_of, type_of_value, type_proto, value_proto

COMPILED = ROOT / ".local" / f"googlesql-{version('zetasql')}-wasmtime-{version('wasmtime')}.bin"
OLD_SCHEMA = ROOT / "tests" / "emulator" / "schema_97f3c64"
DATASETS = ("nba_predictions", "nba_box_scores", "nba_reference", "nba_odds")
_NAMES = re.compile(rf"\b({'|'.join(DATASETS)})\.(\w+)")
# The features of the engine that BigQuery does not have.
_NOT_IN_BIGQUERY = ("TIMESTAMP_NANOS", "TIMESTAMP_PICOS", "TIMESTAMP_PRECISION", "EXPERIMENTAL_MODULES")
# BigQuery's options of a table, a view or an export that the statements use; any other is refused.
_OPTIONS = {"description": "STRING", "expiration_timestamp": "TIMESTAMP", "require_partition_filter": "BOOL"}
# https://cloud.google.com/bigquery/docs/information-schema-tables, and -table-options, -columns, -partitions: the columns that the statements read.
_INFORMATION_SCHEMA = {
    "TABLE_OPTIONS": {"table_name": "STRING", "option_name": "STRING", "option_type": "STRING", "option_value": "STRING"},
    "TABLES": {"table_name": "STRING", "creation_time": "TIMESTAMP", "table_type": "STRING", "ddl": "STRING"},
    "COLUMNS": {"table_name": "STRING", "column_name": "STRING", "ordinal_position": "INT64", "data_type": "STRING", "is_nullable": "STRING"},
    "PARTITIONS": {"table_name": "STRING", "partition_id": "STRING", "total_rows": "INT64", "total_logical_bytes": "INT64"},
}

Columns = Mapping[str, str]
Row = Mapping[str, Any]


class RefusedError(Exception):
    """What the analyzer or the engine says of a statement that it does not take."""


def _module(engine: wasmtime.Engine) -> wasmtime.Module:
    """The compiled module; kept for the next start, whole or not at all."""
    if not COMPILED.exists():
        COMPILED.parent.mkdir(exist_ok=True)
        unfinished = COMPILED.with_suffix(f".{os.getpid()}")
        unfinished.write_bytes(wasmtime.Module.from_file(engine, get_wasm_path()).serialize())
        unfinished.rename(COMPILED)
    return wasmtime.Module.deserialize_file(engine, str(COMPILED))


def _body_of_view(text: str) -> str:
    return re.split(r"\nAS\n", text, maxsplit=1)[1].strip().removesuffix(";")


class GoogleSql:
    """The engine with the tables of include/sql/schema, as it resolves their CREATE statements itself. A view is put in as its SELECT."""

    def __init__(self) -> None:
        config = wasmtime.Config()
        config.shared_memory = True
        wasi = wasmtime.WasiConfig()
        wasi.preopen_dir(str(Path(tzdata.__file__).parent / "zoneinfo"), "/usr/share/zoneinfo")
        engine = wasmtime.Engine(config)
        linker = wasmtime.Linker(engine)
        linker.define_wasi()
        self._store = wasmtime.Store(engine)
        self._store.set_wasi(wasi)
        self._exports: Any = linker.instantiate(self._store, _module(engine)).exports(self._store)
        self._exports["_initialize"](self._store)
        self._language = self._language_of_bigquery()
        views = SQL_DIR.glob("schema/view_*.sql")
        self._views = {f"nba_predictions.{path.stem.removeprefix('view_')}": _body_of_view(path.read_text(encoding="utf-8")) for path in views}
        self.tables: dict[str, Columns] = {}
        # The names and types that the last SELECT gave.
        self.columns_of_last: Columns = {}
        for path in sorted(SQL_DIR.glob("schema/create_*.sql")):
            self._add_table(load_sql(f"schema/{path.stem}"))
        for guarded in GUARDED.values():
            self._add_table(render_sql("guarded_write/create_fences", fences=guarded.fences))
        # The tables of an older version, which migrations read.
        for path in sorted(OLD_SCHEMA.glob("create_*.sql")):
            self._add_table(path.read_text(encoding="utf-8"))

    def _language_of_bigquery(self) -> options_pb2.LanguageOptionsProto:
        request = service.LanguageOptionsRequest(maximum_features=True)
        language: options_pb2.LanguageOptionsProto = self._call("GetLanguageOptions", request, options_pb2.LanguageOptionsProto)
        language.product_mode = public_options.PRODUCT_EXTERNAL
        unwanted = {public_options.LanguageFeature.Value(f"FEATURE_{name}") for name in _NOT_IN_BIGQUERY}
        language.enabled_language_features[:] = [each for each in language.enabled_language_features if each not in unwanted]
        kinds = resolved_node_kind_pb2.ResolvedNodeKind.DESCRIPTOR.values
        language.supported_statement_kinds[:] = [each.number for each in kinds if each.name.endswith("_STMT") and each.number > 0]
        return language

    def _add_table(self, text: str) -> None:
        made = self._resolve(text, {}, set()).resolved_create_statement_node.resolved_create_table_stmt_base_node
        base = made.resolved_create_table_stmt_node.parent
        # A table that has changed since is the new one.
        if (name := ".".join(base.parent.name_path)) in self.tables:
            return
        self.tables[name] = {each.name: type_name_of(each.type) for each in base.column_definition_list}

    def _address(self, pointer: int) -> int:
        # The memory can move when it grows, so its start is asked for each time.
        return ctypes.addressof(self._exports["memory"].data_ptr().contents) + (pointer & 0xFFFFFFFF)

    def _call(self, method: str, request: Message, response: type[Any]) -> Any:
        """One call of the engine's service; raises RefusedError with its words."""
        data, exports, store = request.SerializeToString(), self._exports, self._store
        given, size = exports["wasm_malloc"](store, max(len(data), 1)), exports["wasm_malloc"](store, 4)
        try:
            ctypes.memmove(self._address(given), data, len(data))
            got = exports[f"ZetaSqlLocalService_{method}"](store, given, len(data), size)
            if not got:
                words = ctypes.string_at(self._address(exports["wasm_get_last_error"](store)), exports["wasm_get_last_error_size"](store))
                raise RefusedError(words.decode().rstrip("\0"))
            answer = ctypes.string_at(self._address(got), int.from_bytes(ctypes.string_at(self._address(size), 4), "little"))
            exports["wasm_free"](store, got)
        finally:
            exports["wasm_free"](store, given)
            exports["wasm_free"](store, size)
        return response.FromString(answer)

    def _columns(self, table: str) -> Columns:
        """Of a table of the schema, or of one that the project makes like it: its name, or the predictions', is part of the table's own."""
        if table in self.tables:
            return self.tables[table]
        name = table.split(".")[1]
        alike = (known for known in sorted(self.tables, key=len, reverse=True) if known.split(".")[1] in name)
        return self.tables[next(alike, "nba_predictions.player_prop_predictions")]

    def _without_views(self, text: str) -> str:
        """The statement with each view replaced by its SELECT."""

        def put_in(found: re.Match[str]) -> str:
            body = self._views.get(found[0])
            if body is None or text[: found.start()].endswith("VIEW "):
                return found[0]
            is_named = re.match(r"\s+AS\s", text[found.end() :]) is not None
            return f"({self._without_views(body)})" + ("" if is_named else f" AS {found[2]}")

        return _NAMES.sub(put_in, text)

    def _catalog(self, names: set[str], *, is_flat: bool) -> simple_catalog_pb2.SimpleCatalogProto:
        """Contents of tables are looked up in the root catalog alone, so for an execution their names are flat: dataset__table."""
        made = simple_catalog_pb2.SimpleCatalogProto(name="bigquery")
        made.builtin_function_options.language_options.CopyFrom(self._language)
        if is_flat:
            for name in names:
                _add_columns(made, name.replace(".", "__"), self._columns(name))
            return made
        for dataset in DATASETS:
            tables = made.catalog.add(name=dataset)
            catalog = tables.catalog.add(name="INFORMATION_SCHEMA")
            for name, columns in _INFORMATION_SCHEMA.items():
                _add_columns(catalog, name, columns)
            for name in names:
                if name.startswith(f"{dataset}."):
                    _add_columns(tables, name.split(".")[1], self._columns(name))
        return made

    def _options(self, types: Mapping[str, str]) -> options_pb2.AnalyzerOptionsProto:
        made = options_pb2.AnalyzerOptionsProto(language_options=self._language, default_timezone="UTC")
        made.parameter_mode = public_options.PARAMETER_NAMED
        made.error_message_mode = public_options.ERROR_MESSAGE_MULTI_LINE_WITH_CARET
        made.preserve_column_aliases = True
        made.allowed_hints_and_options.disallow_unknown_options = True
        for name, type_name in _OPTIONS.items():
            made.allowed_hints_and_options.option.add(name=name, type=type_proto(type_name))
        for name, type_name in types.items():
            made.query_parameters.add(name=name.lower(), type=type_proto(type_name))
        return made

    def analyze(self, text: str, types: Mapping[str, str] | None = None) -> Any:
        """The resolved statement, with parameters of these types; raises RefusedError."""
        plain = self._without_views(text)
        names = {".".join(found) for found in _NAMES.findall(plain)} | set(self.tables)
        return self._resolve(plain, types or {}, {name for name in names if not name.endswith(".INFORMATION_SCHEMA")})

    def _resolve(self, text: str, types: Mapping[str, str], names: set[str]) -> Any:
        catalog = self._catalog(names, is_flat=False)
        request = service.AnalyzeRequest(options=self._options(types), simple_catalog=catalog, sql_statement=text)
        return self._call("Analyze", request, service.AnalyzeResponse).resolved_statement

    def rows(self, text: str, params: Mapping[str, Any], tables: Mapping[str, Sequence[Row]]) -> list[dict[str, Any]]:
        """The rows of a SELECT over ``tables``, by the reference implementation. A column that a row lacks is NULL."""
        request = self._execution(service.EvaluateQueryRequest, text, params, tables, None)
        found = self._call("EvaluateQuery", request, service.EvaluateQueryResponse)
        # What was prepared stays in the engine's memory until it is given back.
        if found.prepared.prepared_query_id:
            self._call("UnprepareQuery", service.UnprepareQueryRequest(prepared_query_id=found.prepared.prepared_query_id), Empty)
        self.columns_of_last = {each.name: type_name_of(each.type) for each in found.prepared.columns}
        return [dict(zip(self.columns_of_last, map(python_value, row.cell), strict=True)) for row in found.content.table_data.row]

    def changes(
        self, text: str, params: Mapping[str, Any], tables: Mapping[str, Sequence[Row]], key: str | None
    ) -> tuple[str, list[tuple[int, int | None, dict[str, Any]]]]:
        """The table that an INSERT, UPDATE or DELETE changes, and its changes: operation, the key of the old row, the new row.

        ``key`` is a pseudo column of every table, an INT64 that is given with the rows.
        """
        request = self._execution(service.EvaluateModifyRequest, text, params, tables, key)
        found = self._call("EvaluateModify", request, service.EvaluateModifyResponse)
        table = found.table_name.replace("__", ".", 1)
        columns = [*self._columns(table), *([key] if key else [])]
        return table, [
            (
                row.operation,
                row.old_primary_key[0].int64_value if row.old_primary_key else None,
                dict(zip(columns, map(python_value, row.cell), strict=False)),
            )
            for row in found.content
        ]

    def _execution(self, kind: type[Any], text: str, params: Mapping[str, Any], tables: Mapping[str, Sequence[Row]], key: str | None) -> Any:
        plain = self._without_views(text)
        names = {".".join(found) for found in _NAMES.findall(plain)}
        types = {name: type_of_value(value) for name, value in params.items()}
        request = kind(sql=_NAMES.sub(r"\1__\2", plain), options=self._options(types))
        request.simple_catalog.CopyFrom(self._catalog(names, is_flat=True))
        for table in request.simple_catalog.table if key else ():
            table.column.add(name=key, type=type_proto("INT64"), is_pseudo_column=True)
            table.primary_key_column_index.append(len(table.column) - 1)
        for name in names:
            columns = {**self._columns(name), **({key: "INT64"} if key else {})}
            data = request.table_content[name.replace(".", "__")].table_data
            data.SetInParent()
            for row in tables.get(name, ()):
                data.row.add(cell=[value_proto(row.get(column), type_name) for column, type_name in columns.items()])
        request.params.extend(service.Parameter(name=name.lower(), value=value_proto(value, types[name])) for name, value in params.items())
        return request


def _add_columns(catalog: simple_catalog_pb2.SimpleCatalogProto, name: str, columns: Columns) -> None:
    table = catalog.table.add(name=name)
    for column, type_name in columns.items():
        table.column.add(name=column, type=type_proto(type_name), is_writable_column=True)
