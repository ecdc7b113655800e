"""What a guarded write tells OpenLineage: the tables its rows were read from, the table and the dates it published, rows and tokens.

Airflow's OpenLineage provider sends the events, where a transport is configured, and asks the operator of a task for what it knows.
What that is comes from the write itself, by its log events: the tables are those that its SQL names, so no list of them can be
out of date. Where no transport is configured nothing here is called but the two lines that remember a write. See docs/lineage.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from nba_grading.events import subscribe
from nba_grading.settings import get_settings
from nba_grading.warehouse.tables import TABLES

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage
    from airflow.sdk import Context
    from openlineage.client.event_v2 import InputDataset, OutputDataset
    from openlineage.client.facet_v2 import RunFacet

    Lineage = OperatorLineage[Any, Any]

NAMESPACE = "bigquery"
FACET = "nbaGrading_guardedWrites"
FACET_SCHEMA = "urn:nba-grading:schema:GuardedWritesRunFacet:1-0-0"


@dataclass(frozen=True)
class TracedWrite:
    """One date that was published: ``dataset.table``, the date and its column, the tables read, rows written and replaced, and who wrote."""

    operation: str | None
    grading_run_id: str | None
    table: str
    date_column: str
    game_date: date
    fencing_token: int
    rows: int
    replaced_rows: int
    read: Sequence[str] = ()


@dataclass
class Trace:
    """The writes of this process since its task began, in order."""

    writes: list[TracedWrite] = field(default_factory=list)
    begun: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def note(self, event: str, facts: Mapping[str, Any]) -> None:
        """Remember a write that begins (its operation and run, by the claim's holder) and one that is published."""
        if event == "write_begun":
            self.begun[facts["holder"]] = facts
        elif event == "date_traced":
            begun = self.begun.get(facts["holder"], {})
            self.writes.append(
                TracedWrite(
                    operation=begun.get("operation"),
                    grading_run_id=begun.get("grading_run_id"),
                    table=facts["table"],
                    date_column=facts["date_column"],
                    game_date=facts["game_date"],
                    fencing_token=facts["token"],
                    rows=facts["rows"],
                    replaced_rows=facts["replaced"],
                    read=facts["read"],
                )
            )

    def forget(self) -> None:
        """Another task begins."""
        self.writes.clear()
        self.begun.clear()


trace = Trace()


def start_lineage() -> None:
    """Remember the writes of this process from now on."""
    subscribe(trace.note)


class LineageMixin:
    """What OpenLineage's listener asks of an operator of guarded writes; a mixin that stands before BaseOperator.

    The answer to each is None where there is nothing to tell. The listener turns an error into a warning of the task's log.
    """

    operation: str
    game_date: str
    date_known_at_start = True

    def pre_execute(self, context: Context) -> None:
        """The writes of a task are its own, also where one process runs several."""
        trace.forget()

    def get_openlineage_facets_on_start(self) -> Lineage | None:
        """The table and the date that are about to be written, where the task writes one date."""
        table = TABLES.get(self.operation)
        if table is None or not self.date_known_at_start:
            return None
        return _lineage([], [_output(table.full_name, table.date_column, [date.fromisoformat(self.game_date)], None)], {})

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Lineage | None:
        """The writes of the task; of one that failed, those that it published before."""
        return lineage_of(trace.writes) if trace.writes else None


def lineage_of(writes: Sequence[TracedWrite]) -> Lineage:
    """Inputs, outputs and the run facet of the writes of one task: a dataset once, with all its dates."""
    from openlineage.client.event_v2 import InputDataset

    inputs: list[InputDataset] = [
        InputDataset(namespace=NAMESPACE, name=_name(table)) for table in sorted({table for write in writes for table in write.read})
    ]
    outputs = []
    for table, date_column in sorted({(write.table, write.date_column) for write in writes}):
        own = [write for write in writes if write.table == table]
        outputs.append(_output(table, date_column, sorted({write.game_date for write in own}), sum(write.rows for write in own)))
    return _lineage(inputs, outputs, {FACET: _facet(writes)})


def _output(table: str, date_column: str, dates: Sequence[date], rows: int | None) -> OutputDataset:
    from openlineage.client.event_v2 import OutputDataset
    from openlineage.client.facet_v2 import output_statistics_output_dataset as statistics
    from openlineage.client.generated.base_subset_dataset import OutputSubsetOutputDatasetFacet, Partition, PartitionSubsetCondition

    # The partition as BigQuery names it.
    partitions = [Partition(dimensions={date_column: str(day)}, identifier=f"{day:%Y%m%d}") for day in dates]
    facets: dict[str, Any] = {"subset": OutputSubsetOutputDatasetFacet(PartitionSubsetCondition(partitions))}
    if rows is not None:
        facets["outputStatistics"] = statistics.OutputStatisticsOutputDatasetFacet(rowCount=rows)
    return OutputDataset(namespace=NAMESPACE, name=_name(table), outputFacets=facets)


def _facet(writes: Sequence[TracedWrite]) -> RunFacet:
    import attr
    from openlineage.client.facet_v2 import RunFacet

    @attr.define
    class GuardedWritesRunFacet(RunFacet):
        """The facet of include/lineage/GuardedWritesRunFacet.json."""

        writes: list[dict[str, Any]]

        @staticmethod
        def _get_schema() -> str:
            return FACET_SCHEMA

    return GuardedWritesRunFacet(
        writes=[
            {
                "operation": write.operation,
                "gradingRunId": write.grading_run_id,
                "table": _name(write.table),
                "gameDate": str(write.game_date),
                # Not "…token": Airflow masks what is called so.
                "fence": write.fencing_token,
                "rows": write.rows,
                "replacedRows": write.replaced_rows,
            }
            for write in writes
        ]
    )


def _lineage(inputs: list[InputDataset], outputs: list[OutputDataset], run_facets: dict[str, RunFacet]) -> Lineage:
    from airflow.providers.openlineage.extractors import OperatorLineage

    return OperatorLineage(inputs=inputs, outputs=outputs, run_facets=run_facets)


def _name(table: str) -> str:
    """A ``dataset.table`` of the project, by OpenLineage's naming of BigQuery."""
    return f"{get_settings().grading_project}.{table}"
