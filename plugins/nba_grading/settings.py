"""Every setting of the project: read from the environment once, validated, frozen.

Only these variables and Airflow's own differ between a laptop and Google Cloud; docs/settings.md is generated from this module.
A variable that starts with GRADING_ or LEASE_ and is not listed here is refused by name, so a typo cannot become a silent default.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, Json, Strict, ValidationError, model_validator

from nba_grading.leases.times import LeaseTimes

Severity = Literal["CRITICAL", "ERROR", "WARNING", "INFO"]
SEVERITIES: tuple[Severity, ...] = ("INFO", "WARNING", "ERROR", "CRITICAL")
Limit = Literal["warn_below", "warn_above", "fail_below", "fail_above"]
PREFIXES = ("GRADING_", "LEASE_")
# Kubernetes describes each service of a namespace in such variables: those of a service grading-api are no settings.
SERVICE_VARIABLE = re.compile(r"\w+_(SERVICE_HOST|(SERVICE_)?PORT(_\w+)?)")


class SettingsError(ValueError):
    """A setting is unknown or invalid; the message names it and says what is valid."""


class Settings(BaseModel):
    """The settings, one field per environment variable (the field's name in capitals)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    grading_project: str = Field("nba-local", pattern=r"^[a-z][a-z0-9:.-]{4,}$", description="Google Cloud project that holds the tables.")
    grading_location: str = Field("US", min_length=2, description="BigQuery location of the datasets and jobs.")
    grading_gcp_conn_id: str = Field("google_cloud_default", min_length=1, description="Airflow connection for BigQuery and Firestore.")
    grading_max_bytes_billed: int = Field(
        20_000_000_000, ge=10_485_760, description="Most bytes that one query may bill (BigQuery's minimum is 10 MiB)."
    )
    grading_max_shrink: float = Field(
        0.20,
        ge=0,
        le=1,
        description="Largest share of its keys that a date may lose when it is graded again; a write that would lose more is refused.",
    )
    grading_on_duplicates: Literal["alert", "fail"] = Field(
        "alert", description="When duplicates are found after a write: send an alert, or also fail the run."
    )
    grading_quality_thresholds: Json[dict[str, dict[Limit, Decimal]]] = Field(
        "{}",
        validate_default=True,
        description='Thresholds of the daily checks that replace those of their files, as JSON: {"predictions_per_game": {"warn_above": 1000}}.',
    )
    grading_auto_repair_rows: int = Field(
        0,
        ge=0,
        le=1000,
        description="Up to this many duplicate rows of a date are removed by remove_duplicates without approval; 0 always asks for approval.",
    )
    grading_complete_minutes: int = Field(
        235,
        ge=0,
        le=240,
        description="A game is graded once the minutes of each of its two teams add up to this (a team plays 240); 0 grades any box score.",
    )
    grading_box_score_wait_seconds: int = Field(
        21_600, ge=0, description="Longest time that a scheduled run waits, deferred, until every predicted game of its date is complete."
    )
    grading_box_score_poll_seconds: int = Field(600, ge=1, description="Seconds between two checks for complete box scores.")
    grading_retries: int = Field(3, ge=0, le=10, description="Task retries after a transient error.")
    grading_retry_seconds: float = Field(30, ge=0, description="Delay before the first task retry; it doubles with each further one.")
    grading_conflict_seconds: float = Field(300, gt=0, description="How long a publish is retried while it conflicts with another transaction.")
    grading_breaker_failures: int = Field(
        3, ge=0, description="Consecutive failed runs of an operation that open its circuit breaker; 0 never opens it."
    )
    grading_breaker_seconds: int = Field(300, ge=1, description="How long an open circuit breaker refuses runs before it lets one through.")
    grading_use_lease: bool = Field(
        True,
        description="Whether writes take a lease; turn it off in emergencies only: the fence alone then protects writes. A run's use_lease wins.",
    )
    grading_heal_days: int = Field(60, ge=1, description="How far back heal_grading looks for ungraded dates and outdated grades.")
    grading_heal_dates: int = Field(5, ge=0, description="How many dates one run of heal_grading grades again; the others are listed.")
    grading_backup_days: int = Field(30, ge=1, description="How many days a backup is kept: the daily ones, and those that repairs take.")
    grading_approval_hours: float = Field(24, gt=0, description="How long a repair waits for approval before it is rejected.")
    grading_milestones: Json[dict[str, Annotated[date, Strict()]]] = Field(
        "{}", validate_default=True, description='Day of each system\'s milestone check, as JSON: `{"catboost_v9": "2026-03-01"}`.'
    )
    grading_milestone_mae: Decimal = Field(Decimal("4.5"), gt=0, description="Highest mean absolute error, in points, that passes a milestone.")
    grading_milestone_baseline_mae: Decimal = Field(
        Decimal("3.98"), gt=0, description="Mean absolute error of the baseline, in points; a milestone compares a system with it."
    )
    grading_win_rate: Decimal = Field(
        Decimal("0.524"), gt=0, lt=1, description="Lowest win rate that passes a milestone; the weekly review names the systems below it."
    )
    grading_probability_systems: Json[tuple[str, ...]] = Field(
        "[]",
        validate_default=True,
        description='Systems whose confidence is a probability of winning, as JSON: `["catboost_v8"]`; only those are recalibrated.',
    )
    grading_pubsub_subscription: str = Field(
        "", pattern=r"^[A-Za-z0-9._~+%-]*$", description="Pub/Sub subscription whose messages start gradings; empty: none is read."
    )
    grading_pubsub_dead_letter_topic: str = Field(
        "", pattern=r"^[A-Za-z0-9._~+%-]*$", description="Pub/Sub topic for messages that name no date that can be graded; empty: only an alert."
    )
    grading_pubsub_complete_topic: str = Field(
        "", pattern=r"^[A-Za-z0-9._~+%-]*$", description="Pub/Sub topic for a message about each date that is graded; empty: none is published."
    )
    grading_slack_conn_id: str = Field("slack_default", min_length=1, description="Airflow connection of type slack: a bot token with chat:write.")
    grading_slack_channel: str = Field("#grading", min_length=2, description="Slack channel of the alerts.")
    grading_slack_channels: Json[dict[Severity, str]] = Field(
        "{}", validate_default=True, description='Channels for single severities, as JSON: {"CRITICAL": "#on-call"}.'
    )
    grading_slack_mention: str = Field("<!here>", description="Whom an escalated alert mentions, in Slack's syntax: <!here>, <!subteam^S123>.")
    grading_slack_timeout_seconds: int = Field(5, ge=1, le=5, description="Timeout of one attempt to post to Slack; there are up to three attempts.")
    grading_alert_repeat_minutes: float = Field(
        60, ge=0, description="Shortest time between two replies that report repeats of an incident in its thread."
    )
    grading_alert_escalate_hours: float = Field(4, gt=0, description="An ERROR or CRITICAL incident that is open for this long is escalated, once.")
    grading_alert_keep_days: float = Field(90, gt=0, description="How long the table incidents keeps resolved incidents.")
    grading_runbook_url: str = Field("docs/runbook.md", min_length=1, description="Runbook that alerts link to; each alert adds its own anchor.")
    grading_page_max_bytes_billed: int = Field(
        2_000_000_000, ge=10_485_760, description="Most bytes that one query of the Grading page may bill (BigQuery's minimum is 10 MiB)."
    )
    grading_page_cache_seconds: float = Field(45, ge=1, description="How long the Grading page shows an answer before it queries again.")
    grading_page_wait_seconds: float = Field(
        4, gt=0, le=30, description="How long the Grading page waits for BigQuery or Firestore before it shows the last answer, marked as stale."
    )

    lease_store: str = Field("firestore", pattern=r"^(firestore|sqlite:///.+)$", description="Where leases are stored: firestore, or sqlite:///path.")
    lease_firestore_database: str = Field("(default)", min_length=1, description="Firestore database of the leases.")
    lease_seconds: float = Field(60, gt=0, description="How long a lease is valid without renewal.")
    lease_renew_seconds: float | None = Field(None, gt=0, description="Time between two renewals; a third of LEASE_SECONDS when not set.")
    lease_grace_seconds: float = Field(2, ge=0, description="How long after its expiry another run may take a lease over.")
    lease_rpc_seconds: float = Field(5, gt=0, description="Timeout of one call to the lease store.")
    lease_max_wait_seconds: float = Field(300, ge=0, description="Longest time that a run waits, deferred, for a held lease.")
    lease_stuck_seconds: float = Field(600, gt=0, description="A lease that was not renewed is reported as stuck after this many seconds.")
    lease_long_held_seconds: float = Field(
        3600, gt=0, description="A lease that is still renewed is reported as held too long after this many seconds."
    )
    lease_on_unavailable: Literal["degrade", "fail"] = Field(
        "degrade",
        description="When the lease store is down: write without a lease (a CRITICAL alert is sent; the fence protects the write), or fail.",
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

    @model_validator(mode="after")
    def _durations_can_work(self) -> Settings:
        try:
            self.lease_times  # noqa: B018 - raises for durations that cannot work
        except ValueError as error:
            raise ValueError(f"LEASE_SECONDS, LEASE_RENEW_SECONDS and LEASE_RPC_SECONDS do not fit together: {error}") from None
        return self


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Settings from a mapping of environment variables; raises a SettingsError that names every bad one."""
    ours = {name: value for name, value in environment.items() if name.startswith(PREFIXES) and not SERVICE_VARIABLE.fullmatch(name)}
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
            name, *keys = map(str, problem["loc"])
            where = f"{'.'.join(keys)}: " if keys else ""
            description = Settings.model_fields[name].description
            sentences.append(f"{name.upper()}={given.get(name.upper(), '')!r} is invalid: {where}{problem['msg']}. {description}")
        else:
            sentences.append(problem["msg"].removeprefix("Value error, ") + ".")
    return " ".join(sentences)


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """The settings of this process, read from os.environ at the first call."""
    return read_settings(os.environ)
