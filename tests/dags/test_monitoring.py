"""monitoring/: the dashboard and the alert policies are valid for Google's client libraries, and name only metrics that are sent."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from google.cloud.monitoring_dashboard_v1 import Dashboard
from google.cloud.monitoring_v3 import AlertPolicy, ComparisonType
from google.protobuf import json_format

from commands.doctor import GRADING_TIME
from commands.stack_config import ROOT

MONITORING = ROOT / "monitoring"
POLICIES = sorted((MONITORING / "alert_policies").glob("*.json"))
METRIC_TYPE = re.compile(r'metric\.type="([^"]+)"')
CONDITIONS = {"any_timeout": ("lease_timeouts", 0), "duplicates": ("duplicates", 0), "wait_over_60_s": ("lease_wait_ms", 60_000)}
WIDGETS = ["Lease success rate", "Mean wait", "Timeouts", "Duplicates", "Grading duration", "Per operation"]


def parsed(message: Any, path: Path) -> Any:
    """The file as a message of Google's library; an unknown field or enum value is an error."""
    return message.wrap(json_format.ParseDict(json.loads(path.read_text(encoding="utf-8")), message.pb(message()), ignore_unknown_fields=False))


def exported() -> dict[str, str]:
    """Metric type in Cloud Monitoring → our name."""
    from nba_grading.airflow.metrics import METRICS

    return {metric.exported_type: metric.name for metric in METRICS}


def metrics_of(path: Path) -> set[str]:
    # The quotes of a filter are escaped in a JSON file.
    return set(METRIC_TYPE.findall(path.read_text(encoding="utf-8").replace('\\"', '"')))


def headings() -> set[str]:
    return {line.removeprefix("## ") for line in (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8").splitlines() if line.startswith("## ")}


def test_an_unknown_field_is_an_error(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.json"
    wrong.write_text('{"displayName": "a", "mosaicLayuot": {}}', encoding="utf-8")
    with pytest.raises(json_format.ParseError, match="mosaicLayuot"):
        parsed(Dashboard, wrong)


def test_the_dashboard_is_valid_and_has_its_six_widgets_by_operation() -> None:
    dashboard = parsed(Dashboard, MONITORING / "dashboard.json")
    tiles = dashboard.mosaic_layout.tiles
    assert [tile.widget.title.split(":")[0].removesuffix(" for a lease") for tile in tiles] == WIDGETS
    corners = {(tile.x_pos, tile.y_pos) for tile in tiles}
    assert len(corners) == len(tiles)
    assert all(tile.x_pos + tile.width <= dashboard.mosaic_layout.columns for tile in tiles)
    for tile in tiles:
        data_sets = tile.widget.xy_chart.data_sets or tile.widget.time_series_table.data_sets
        assert data_sets
        for query in [data_set.time_series_query for data_set in data_sets]:
            ratio = query.time_series_filter_ratio
            parts = [ratio.numerator, ratio.denominator] if ratio.numerator.filter else [query.time_series_filter]
            assert [list(part.aggregation.group_by_fields) for part in parts] == [["metric.label.operation"]] * len(parts)


ABSENCE = MONITORING / "alert_policies" / "no_grading_for_30_h.json"


def test_the_absence_policy_is_valid_listens_for_a_metric_that_is_sent_and_is_quiet_in_summer() -> None:
    policy = parsed(AlertPolicy, ABSENCE)
    [condition] = policy.conditions
    query = condition.condition_prometheus_query_language.query
    # Cloud Monitoring's rule for names in PromQL: the first slash becomes a colon, every other special character an underscore.
    domain, _, rest = next(name for name, ours in exported().items() if ours == "day_graded").partition("/")
    assert f"absent_over_time({domain.replace('.', '_')}:{rest.replace('/', '_')}{{" in query
    assert "[30h]" in query
    # A run that has waited for box scores as long as it may ends 30 hours after the one of the day before, and has still to grade.
    assert condition.condition_prometheus_query_language.duration.total_seconds() == GRADING_TIME.total_seconds()
    assert "month() < 7 or month() > 9" in query
    assert "docs/runbook.md#no-grading" in policy.documentation.content
    assert "no-grading" in headings()


@pytest.mark.parametrize("path", [path for path in POLICIES if path != ABSENCE], ids=lambda path: path.stem)
def test_a_policy_is_valid_and_leads_to_the_runbook(path: Path) -> None:
    policy = parsed(AlertPolicy, path)
    [condition] = policy.conditions
    threshold = condition.condition_threshold
    metric, value = CONDITIONS[path.stem]
    assert [exported()[name] for name in METRIC_TYPE.findall(threshold.filter)] == [metric]
    assert "resource.type=" in threshold.filter
    assert (threshold.comparison, threshold.threshold_value) == (ComparisonType.COMPARISON_GT, value)
    assert list(threshold.aggregations[0].group_by_fields) == ["metric.label.operation"]
    [anchor] = re.findall(r"docs/runbook\.md#([a-z-]+)", policy.documentation.content)
    assert anchor in headings()
    assert policy.severity != AlertPolicy.Severity.SEVERITY_UNSPECIFIED


def test_the_policies_are_there() -> None:
    assert [path.stem for path in POLICIES] == sorted([*CONDITIONS, ABSENCE.stem])


def test_every_metric_that_is_named_is_one_that_is_sent() -> None:
    used = metrics_of(MONITORING / "dashboard.json").union(*map(metrics_of, POLICIES))
    assert used
    assert used - exported().keys() == set()


def test_the_collectors_configuration_gives_each_metric_its_exported_name() -> None:
    from nba_grading.airflow.metrics import EXPORTED_PREFIX, METRICS, PREFIX

    text = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    renamed = re.findall(r"include: airflow\.(\S+), action: update, new_name: (\w+)", text)
    assert dict(renamed) == {f"{PREFIX}.{metric.name}": metric.exported for metric in METRICS}
    assert len(renamed) == len(METRICS)
    assert f"prefix: {EXPORTED_PREFIX.rstrip('/')}" in text
