from datetime import date

import pytest

from nba_grading.settings import SettingsError, read_settings


def test_defaults_can_work() -> None:
    settings = read_settings({})
    assert settings.lease_seconds == 60
    assert settings.lease_on_unavailable == "degrade"


def test_other_variables_are_not_ours() -> None:
    assert read_settings({"PATH": "/bin", "AIRFLOW_HOME": "/x"}) == read_settings({})


def test_an_unknown_setting_is_refused_by_name() -> None:
    with pytest.raises(SettingsError, match="GRADING_MAX_SHRINKAGE"):
        read_settings({"GRADING_MAX_SHRINKAGE": "0.1"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GRADING_MAX_SHRINK", "1.5"),
        ("GRADING_MAX_SHRINK", "a fifth"),
        ("GRADING_ON_DUPLICATES", "ignore"),
        ("GRADING_PROJECT", "No Spaces"),
        ("LEASE_STORE", "redis://x"),
        ("LEASE_ON_UNAVAILABLE", "hope"),
        ("GRADING_RETRIES", "-1"),
        ("GRADING_MAX_BYTES_BILLED", "1"),
        ("GRADING_WIN_RATE", "52.4"),
        ("GRADING_MILESTONE_MAE", "0"),
    ],
)
def test_an_impossible_value_is_refused_by_name_and_value(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as refused:
        read_settings({name: value})
    assert name in str(refused.value)
    assert value in str(refused.value)


def test_a_lease_that_renewals_cannot_keep_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"LEASE_RENEW_SECONDS .*renewing every 60 s cannot keep a lease of 60 s"):
        read_settings({"LEASE_RENEW_SECONDS": "60"})


def test_a_lease_shorter_than_three_calls_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"LEASE_RPC_SECONDS .*shorter than three calls"):
        read_settings({"LEASE_SECONDS": "10", "LEASE_RPC_SECONDS": "5"})


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(Exception, match="frozen"):
        read_settings({}).lease_seconds = 1  # type: ignore[misc]


def test_milestones_are_dates_by_system() -> None:
    assert read_settings({"GRADING_MILESTONES": '{"catboost_v9": "2026-03-01"}'}).grading_milestones == {"catboost_v9": date(2026, 3, 1)}
    assert read_settings({}).grading_milestones == {}


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("catboost_v9=2026-03-01", "it is not JSON"),
        ('["catboost_v9"]', "it is not a JSON object of systems and dates"),
        ('{"CatBoost": "1 March"}', "'1 March' of CatBoost is not a date"),
        ('{"catboost_v9": 20260301}', "20260301 of catboost_v9 is not a date"),
        ('{"catboost_v9": "2026-02-30"}', "'2026-02-30' of catboost_v9 is not a date"),
    ],
)
def test_milestones_that_cannot_be_are_refused_with_what_would_do(value: str, told: str) -> None:
    with pytest.raises(SettingsError) as refused:
        read_settings({"GRADING_MILESTONES": value})
    assert told in str(refused.value)
    assert "as JSON" in str(refused.value)
