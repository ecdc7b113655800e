from datetime import date

import pytest

from nba_grading.settings import SERVICE_VARIABLE, Settings, SettingsError, read_settings


def test_the_defaults_are_valid() -> None:
    settings = read_settings({})
    assert settings.lease_seconds == 60
    assert settings.lease_on_unavailable == "degrade"


def test_other_variables_are_not_ours() -> None:
    assert read_settings({"PATH": "/bin", "AIRFLOW_HOME": "/x"}) == read_settings({})


def test_an_unknown_setting_is_refused_by_name() -> None:
    with pytest.raises(SettingsError, match="GRADING_MAX_SHRINKAGE"):
        read_settings({"GRADING_MAX_SHRINKAGE": "0.1"})


@pytest.mark.parametrize(
    "name",
    [
        "GRADING_API_SERVER_SERVICE_HOST",
        "GRADING_API_SERVER_SERVICE_PORT",
        "GRADING_API_SERVER_SERVICE_PORT_HTTP",
        "GRADING_API_SERVER_PORT",
        "GRADING_API_SERVER_PORT_8080_TCP",
        "GRADING_API_SERVER_PORT_8080_TCP_ADDR",
        "LEASE_STORE_SERVICE_HOST",
    ],
)
def test_variables_that_kubernetes_injects_for_a_service_are_ignored(name: str) -> None:
    assert read_settings({name: "10.0.0.1"}) == read_settings({})


def test_no_setting_has_the_name_of_an_injected_variable() -> None:
    assert [name for name in Settings.model_fields if SERVICE_VARIABLE.fullmatch(name.upper())] == []


def test_every_bad_variable_is_named_in_one_error() -> None:
    with pytest.raises(SettingsError, match=r"GRADING_RETRIES='x' is invalid: .* LEASE_SECONDS='0' is invalid: "):
        read_settings({"GRADING_RETRIES": "x", "LEASE_SECONDS": "0"})


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
def test_an_invalid_value_is_refused_by_name_and_value(name: str, value: str) -> None:
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
    ("value", "reason"),
    [
        ("catboost_v9=2026-03-01", "Invalid JSON"),
        ('["catboost_v9"]', "Input should be a valid dictionary"),
        ('{"CatBoost": "1 March"}', "CatBoost: Input should be a valid date in the format YYYY-MM-DD"),
        ('{"catboost_v9": 20260301}', "catboost_v9: Input should be a valid date"),
        ('{"catboost_v9": 86400}', "catboost_v9: Input should be a valid date"),
        ('{"catboost_v9": "2026-02-30"}', "catboost_v9: Input should be a valid date"),
    ],
)
def test_invalid_milestones_are_refused_with_the_system_and_the_format(value: str, reason: str) -> None:
    with pytest.raises(SettingsError) as refused:
        read_settings({"GRADING_MILESTONES": value})
    assert reason in str(refused.value)
    assert value in str(refused.value)
    assert "as JSON" in str(refused.value)
