"""What a guarded write reports to OpenLineage: the tables its rows were read from, the table and dates it published, rows and tokens.

Airflow's OpenLineage provider sends the events where a transport is configured, and asks the operator of a task for its facts. These
come from the write itself: the tables are those that its SQL names, so no separate list can be out of date. See docs/lineage.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from nba_grading.game_dates import parse_game_date
from nba_grading.settings import get_settings
from nba_grading.warehouse.tables import TABLES

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage
    from airflow.sdk import Context
    from openlineage.client.event_v2 import InputDataset, OutputDataset
    from openlineage.client.facet_v2 import RunFacet

    from nba_grading.guarded_write.write import Published

    Lineage = OperatorLineage[Any, Any]

NAMESPACE = "bigquery"
FACET = "nbaGrading_guardedWrites"
FACET_SCHEMA = "urn:nba-grading:schema:GuardedWritesRunFacet:1-0-0"


@dataclass(frozen=True)
class TracedWrite:
    """One published date, and the id of the write."""

    grading_run_id: str
    published: Published


# The writes of this process since its task began, in order.
trace: list[TracedWrite] = []


class LineageMixin:
    """Answers OpenLineage's listener for an operator of guarded writes; a mixin to be named before BaseOperator.

    Each answer is None if there is nothing to report. The listener turns an error into a warning in the task's log.
    """

    operation: str
    game_date: str

    def pre_execute(self, context: Context) -> None:
        """Start with no writes, also where one process runs several tasks."""
        trace.clear()

    def get_openlineage_facets_on_start(self) -> Lineage | None:
        """The table and the date about to be written, if the task writes one date."""
        table = TABLES.get(self.operation)
        if table is None or not self.game_date:
            return None
        return _lineage([], [_output(table.full_name, table.date_column, [parse_game_date(self.game_date)], None)], {})

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Lineage | None:
        """The writes of the task; of one that failed, those that it published before."""
        return lineage_of(trace) if trace else None


def lineage_of(writes: Sequence[TracedWrite]) -> Lineage:
    """Inputs, outputs and the run facet of the writes of one task: each dataset once, with all its dates."""
    from openlineage.client.event_v2 import InputDataset

    published = [write.published for write in writes]
    inputs = [InputDataset(namespace=NAMESPACE, name=_name(table)) for table in sorted({table for each in published for table in each.read})]
    outputs = []
    for table in sorted({each.table for each in published}, key=lambda table: table.name):
        own = [each for each in published if each.table is table]
        outputs.append(_output(table.full_name, table.date_column, sorted({each.game_date for each in own}), sum(each.written for each in own)))
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
                "operation": write.published.table.operation,
                "gradingRunId": write.grading_run_id,
                "table": _name(write.published.table.full_name),
                "gameDate": str(write.published.game_date),
                # Not "…token": Airflow masks values of that name.
                "fence": write.published.fencing_token,
                "rows": write.published.written,
                "replacedRows": write.published.replaced,
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
