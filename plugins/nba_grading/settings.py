"""Every setting of the project: read from the environment once, checked, frozen.

A laptop and Google Cloud differ by these variables (and Airflow's own) alone; docs/settings.md is generated from this module.
A variable that starts with GRADING_ or LEASE_ and is not listed here is refused by name, so a typo cannot be a silent default.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, Json, ValidationError, field_validator, model_validator

from nba_grading.leases.times import LeaseTimes

Severity = Literal["CRITICAL", "ERROR", "WARNING", "INFO"]
SEVERITIES: tuple[Severity, ...] = ("INFO", "WARNING", "ERROR", "CRITICAL")
Limit = Literal["warn_below", "warn_above", "fail_below", "fail_above"]
PREFIXES = ("GRADING_", "LEASE_")


class SettingsError(ValueError):
    """A setting is unknown or cannot work; the message names it and says what would."""


class Settings(BaseModel):
    """The settings, one field per environment variable (the field's name in capitals)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    grading_project: str = Field("nba-local", pattern=r"^[a-z][a-z0-9:.-]{4,}$", description="Google Cloud project that holds the tables.")
    grading_location: str = Field("US", min_length=2, description="BigQuery location of the datasets and jobs.")
    grading_gcp_conn_id: str = Field("google_cloud_default", min_length=1, description="Airflow connection for BigQuery and Firestore.")
    grading_max_bytes_billed: int = Field(
        20_000_000_000, ge=10_485_760, description="Cap on the bytes one query may bill (BigQuery's least is 10 MiB)."
    )
    grading_max_shrink: float = Field(0.20, ge=0, le=1, description="Share of its keys a date may lose in a re-grade before the write stops.")
    grading_on_duplicates: Literal["alert", "fail"] = Field(
        "alert", description="Duplicates found after a write: tell people, or fail the run as well."
    )
    grading_quality_thresholds: Json[dict[str, dict[Limit, Decimal]]] = Field(
        "{}", validate_default=True, description='Other thresholds of the daily checks, as JSON: {"predictions_of_day": {"warn_above": 1000}}.'
    )
    grading_auto_repair_rows: int = Field(
        0,
        ge=0,
        le=1000,
        description="Duplicate rows on a date, found after a write, that remove_duplicates removes without a person's approval; 0 for none.",
    )
    grading_box_score_wait_seconds: int = Field(
        21_600, ge=0, description="How long a scheduled run waits, deferred, for the first box score of its date."
    )
    grading_box_score_poll_seconds: int = Field(600, ge=1, description="How often a waiting run looks for the box score.")
    grading_retries: int = Field(3, ge=0, le=10, description="Task retries after a transient error.")
    grading_retry_seconds: float = Field(30, ge=0, description="Delay before the first task retry; doubled for each further one.")
    grading_conflict_seconds: float = Field(300, gt=0, description="How long a publish that conflicts with another transaction is tried again.")
    grading_breaker_failures: int = Field(
        3, ge=0, description="Failed runs of an operation in a row that open its circuit breaker; 0 never opens it."
    )
    grading_breaker_seconds: int = Field(300, ge=1, description="How long an open circuit breaker refuses runs before it lets one try.")
    grading_use_lease: bool = Field(
        True, description="Off, for emergencies: write without leases, behind the fence alone. The run's parameter use_lease wins over it."
    )
    grading_heal_days: int = Field(60, ge=1, description="How far back heal_grading looks for ungraded dates and outdated grades.")
    grading_heal_dates: int = Field(5, ge=0, description="How many dates heal_grading has graded again in one run; the others are listed.")
    grading_approval_hours: float = Field(24, gt=0, description="How long a repair waits for a person's approval before it is rejected.")
    grading_milestones: dict[str, date] = Field(
        {}, description='On which day Slack gets a system\'s milestone check, as JSON: `{"catboost_v9": "2026-03-01"}`.'
    )
    grading_milestone_mae: Decimal = Field(Decimal("4.5"), gt=0, description="Mean absolute error, in points, that a milestone asks for at most.")
    grading_milestone_baseline_mae: Decimal = Field(
        Decimal("3.98"), gt=0, description="Mean absolute error of the baseline, with which a milestone compares a system."
    )
    grading_win_rate: Decimal = Field(
        Decimal("0.524"), gt=0, lt=1, description="Win rate that a milestone asks for, and under which a system is named in the weekly review."
    )
    grading_slack_conn_id: str = Field("slack_default", min_length=1, description="Airflow connection of type slack: a bot token with chat:write.")
    grading_slack_channel: str = Field("#grading", min_length=2, description="Slack channel of the alerts.")
    grading_slack_channels: Json[dict[Severity, str]] = Field(
        "{}", validate_default=True, description='Other channels by severity, as JSON: {"CRITICAL": "#on-call"}.'
    )
    grading_slack_mention: str = Field("<!here>", description="Who is called when an alert escalates, as Slack writes it: <!here>, <!subteam^S123>.")
    grading_slack_timeout_seconds: int = Field(
        5, ge=1, le=5, description="Time for one attempt to post to Slack; at most three are made, where Slack is busy or the connection breaks."
    )
    grading_alert_repeat_minutes: float = Field(60, ge=0, description="How often a thread reports further occurrences, at most.")
    grading_alert_escalate_hours: float = Field(4, gt=0, description="After how long an error that lasts is escalated, once.")
    grading_alert_keep_days: float = Field(90, gt=0, description="How long the incidents table keeps resolved incidents.")
    grading_runbook_url: str = Field("docs/runbook.md", min_length=1, description="The runbook that alerts link to; each alert adds its own anchor.")
    grading_page_max_bytes_billed: int = Field(
        2_000_000_000, ge=10_485_760, description="Cap on the bytes one query of the page Grading may bill (BigQuery's least is 10 MiB)."
    )
    grading_page_cache_seconds: float = Field(45, ge=1, description="How long the page Grading shows an answer before it asks again.")
    grading_page_wait_seconds: float = Field(
        4, gt=0, le=30, description="How long the page Grading waits for BigQuery or Firestore before it shows the last answer, called stale."
    )

    lease_store: str = Field("firestore", pattern=r"^(firestore|sqlite:///.+)$", description="Where leases live: firestore, or sqlite:///path.")
    lease_firestore_database: str = Field("(default)", min_length=1, description="Firestore database of the leases.")
    lease_seconds: float = Field(60, gt=0, description="How long a lease lives without renewal.")
    lease_renew_seconds: float | None = Field(None, gt=0, description="Renewal period; a third of the lease when not set.")
    lease_grace_seconds: float = Field(2, ge=0, description="Added to the lease before another run takes it over.")
    lease_rpc_seconds: float = Field(5, gt=0, description="Timeout of one call to the lease store.")
    lease_max_wait_seconds: float = Field(300, ge=0, description="How long a run waits, deferred, for a held lease.")
    lease_stuck_seconds: float = Field(600, gt=0, description="A lease without renewal for so long is told to people as stuck.")
    lease_long_held_seconds: float = Field(3600, gt=0, description="A lease held for so long is told to people, although it is renewed.")
    lease_on_unavailable: Literal["degrade", "fail"] = Field(
        "degrade", description="Lease store down: write without a lease (CRITICAL alert, the fence keeps it safe), or fail."
    )

    @property
    def lease_times(self) -> LeaseTimes:
        """The durations of a lease."""
        return LeaseTimes(
            lease_s=self.lease_seconds,
            renew_every_s=self.lease_renew_seconds,
            grace_s=self.lease_grace_seconds,
            rpc_s=self.lease_rpc_seconds,
            max_wait_s=self.lease_max_wait_seconds,
        )

    @field_validator("grading_milestones", mode="before")
    @classmethod
    def _milestones_are_dates_by_system(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        try:
            milestones = json.loads(value)
        except json.JSONDecodeError as error:
            raise ValueError(f"it is not JSON ({error})") from None
        if not isinstance(milestones, dict):
            raise ValueError("it is not a JSON object of systems and dates")
        return {system: _milestone_date(system, day) for system, day in milestones.items()}

    @model_validator(mode="after")
    def _durations_can_work(self) -> Settings:
        try:
            self.lease_times  # noqa: B018 - it refuses durations that cannot work
        except ValueError as error:
            raise ValueError(f"LEASE_SECONDS, LEASE_RENEW_SECONDS and LEASE_RPC_SECONDS do not go together: {error}") from None
        return self


def _milestone_date(system: str, day: Any) -> date:
    try:
        return date.fromisoformat(day)
    except (TypeError, ValueError):
        raise ValueError(f"{day!r} of {system} is not a date (YYYY-MM-DD)") from None


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Settings from a mapping of environment variables; raises SettingsError that names every bad one."""
    ours = {name: value for name, value in environment.items() if name.startswith(PREFIXES)}
    unknown = sorted(name for name in ours if name.lower() not in Settings.model_fields)
    if unknown:
        known = ", ".join(name.upper() for name in Settings.model_fields)
        raise SettingsError(f"Unknown setting {', '.join(unknown)}: remove it or correct its name. Known settings: {known}.")
    try:
        return Settings.model_validate({name.lower(): value for name, value in ours.items()})
    except ValidationError as error:
        raise SettingsError(_in_sentences(error, ours)) from None


def _in_sentences(error: ValidationError, given: Mapping[str, str]) -> str:
    sentences = []
    for problem in error.errors():
        if problem["loc"]:
            name = str(problem["loc"][0]).upper()
            sentences.append(f"{name}={given.get(name, '')!r} cannot be used: {_reason(problem)}. {_describe(name)}")
        else:
            sentences.append(problem["msg"].removeprefix("Value error, ") + ".")
    return " ".join(sentences)


def _reason(problem: Mapping[str, Any]) -> str:
    # A reason of this module is a sentence already, with names whose case matters.
    message = str(problem["msg"])
    return message.removeprefix("Value error, ") if problem["type"] == "value_error" else message.lower()


def _describe(name: str) -> str:
    return Settings.model_fields[name.lower()].description or ""


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """The settings of this process, read from os.environ at the first call."""
    return read_settings(os.environ)
