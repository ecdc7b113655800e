"""The page "Grading" in Chromium, in Airflow, with one fault of each kind: what a person reads of it, and that it changes nothing."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import psutil
import pytest
from google.cloud import bigquery
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from commands.airflow_api import FINISHED, AirflowApi
from commands.stack import Stack
from nba_grading.game_dates import NEW_YORK
from nba_grading.leases.manager import LeaseManager
from nba_grading.leases.store import LeaseKey
from nba_grading.leases.store_firestore import FirestoreLeaseStore
from nba_grading.leases.times import LeaseTimes
from proofs.emulator import client_of
from tests.e2e.browser import DESKTOP, PHONE, SCREENSHOTS, chromium, resize, screenshot, text_of, until
from tests.e2e.conftest import LEASE_STUCK_SECONDS
from tests.e2e.page_faults import (
    BACKUP,
    BROKEN,
    DOUBLED,
    FAILED,
    FAILURE,
    GRADED,
    OLDER_BACKUPS,
    PENDING,
    RUN,
    SCRIPT,
    UNGRADED,
    faults,
    warehouse_of,
)

pytestmark = pytest.mark.timeout(900)
DAG_ID = "grade_predictions"
# They would put right what is wrong here: tell Slack, and remove the dead lease.
MENDERS = ("release_stuck_leases", "deliver_alerts")
SECTIONS = ("calendar", "findings", "leases", "waiting", "quality", "systems", "market", "runs", "orphans")


@pytest.fixture(scope="module")
def chrome() -> Iterator[webdriver.Chrome]:
    with chromium() as driver:
        yield driver


@pytest.fixture(scope="module")
def waiting_run(stack: Stack, api: AirflowApi, client: bigquery.Client) -> Iterator[str]:
    """Everything is wrong: faults in the tables, a lease that nobody renews, and one that is held and that a run waits for: its id."""
    if not stack.config.has_firestore:
        pytest.fail("this needs the Firestore emulator: gcloud and Java")
    store = FirestoreLeaseStore(client_of(stack.config.port("firestore")), rpc_seconds=10)
    for dag_id in MENDERS:
        api.set_paused(dag_id, True)
    dead = LeaseKey("grading", GRADED)
    owner = {**RUN, "task_id": "grade", "try_number": 1, "hostname": "worker-9"}
    with faults(warehouse_of(client)):
        written = store.create(dead, {**owner, "holder_id": "d" * 32, "lease_ms": 1000, "waited_ms": 0, "inflight_job": None})
        lease = LeaseManager(store, LeaseTimes(lease_s=300)).acquire(LeaseKey("grading", UNGRADED), {"dag_id": DAG_ID, "run_id": "backfill__holder"})
        run_id = api.trigger(DAG_ID, {"game_date": str(UNGRADED)})
        try:
            until(lambda: api.task_state(DAG_ID, run_id, "grade") == "deferred", "the run waits for the lease", seconds=240)
            yield run_id
        finally:
            lease.release()
            until(lambda: api.run(DAG_ID, run_id).state in FINISHED, "the waiting run is done", seconds=240)
            store.delete(dead, written.version)
            for dag_id in MENDERS:
                api.set_paused(dag_id, False)


@pytest.fixture(scope="module")
def fresh_answers(stack: Stack, chrome: webdriver.Chrome, waiting_run: str) -> None:
    """The answers that earlier tests left are shown once, and replaced."""
    open_alone(stack, chrome)
    time.sleep(8)


@pytest.fixture
def page(stack: Stack, chrome: webdriver.Chrome, waiting_run: str, fresh_answers: None) -> webdriver.Chrome:
    """The page in Airflow's frame, every panel drawn."""
    open_in_airflow(stack, chrome, "light")
    return chrome


def open_in_airflow(stack: Stack, chrome: webdriver.Chrome, theme: str) -> None:
    resize(chrome, DESKTOP)
    chrome.get(f"{stack.config.url('airflow')}/plugin/grading")
    chrome.execute_script("localStorage.setItem('theme', arguments[0])", theme)
    chrome.get(f"{stack.config.url('airflow')}/plugin/grading")
    frame = until(lambda: chrome.find_elements(By.CSS_SELECTOR, "iframe[title='Grading']"), "Airflow frames the page")[0]
    chrome.switch_to.frame(frame)
    until_drawn(chrome)


def open_alone(stack: Stack, chrome: webdriver.Chrome) -> None:
    chrome.switch_to.default_content()
    chrome.get(f"{stack.config.url('airflow')}/grading/")
    until_drawn(chrome)


def until_drawn(chrome: webdriver.Chrome) -> None:
    for section in ("today", *SECTIONS):
        until(
            lambda section=section: (
                chrome.find_elements(By.CSS_SELECTOR, f"#{section} .body > :not(.quiet:only-child)")
                or chrome.find_elements(By.CSS_SELECTOR, f"#{section}:not(#today) .body > .quiet")
            ),
            f"{section} is drawn: {text_of(chrome, section)}",
        )
    until(lambda: not [note for note in chrome.find_elements(By.CSS_SELECTOR, ".note") if note.is_displayed()], "nothing is stale")


def test_airflow_has_it_in_its_navigation(stack: Stack, chrome: webdriver.Chrome, waiting_run: str) -> None:
    chrome.get(stack.config.url("airflow"))
    until(lambda: chrome.find_elements(By.CSS_SELECTOR, "a[href$='/plugin/grading']"), "the navigation has the page")


def test_today_is_one_sentence_with_the_next_step(page: webdriver.Chrome) -> None:
    yesterday = datetime.now(tz=UTC).astimezone(NEW_YORK).date() - timedelta(days=1)
    shown = text_of(page, "today")
    assert f"No games on {yesterday}. The last date with games: {PENDING}: 120 of 140 gradable predictions are graded" in shown
    assert ", 20 wait for 1 game's complete box scores;" in shown
    assert re.search(r"; \d+ findings are open\.", shown)
    assert "Next step: Wait for complete box scores" in shown
    assert f'Trigger {DAG_ID} with {{"game_date":"{PENDING}"}}' in shown


@pytest.mark.parametrize(
    ("day", "letter", "shown"),
    [
        (GRADED, "G", "graded. 120 gradable: 120 graded, 0 voided, 0 pending; 1 game"),
        (DOUBLED, "D", "duplicates. 120 gradable: 120 graded, 0 voided, 0 pending, 120 surplus rows; 1 game"),
        (FAILED, "F", "failed. 120 gradable: 120 graded"),
        (UNGRADED, "U", "not graded. 120 gradable: 0 graded, 0 voided, 0 pending, 120 not graded; 1 game"),
        (PENDING, "P", "partly pending. 140 gradable: 120 graded, 0 voided, 20 pending; 2 games, of these 1 without a box score"),
    ],
)
def test_a_date_shows_its_state_by_letter_and_its_counts_on_hover(page: webdriver.Chrome, day: object, letter: str, shown: str) -> None:
    button = page.find_element(By.CSS_SELECTOR, f"button[data-date='{day}']")
    assert button.find_element(By.CLASS_NAME, "letter").text == letter
    assert shown in re.sub(
        r"\d+ voided", "0 voided", re.sub(r"\d+ graded", "120 graded" if letter != "U" else "0 graded", button.get_attribute("title") or "")
    )
    assert button.get_attribute("aria-label") == button.get_attribute("title")
    page.execute_script("arguments[0].click()", button)
    detail = page.find_element(By.CLASS_NAME, "day-detail").text
    assert f"Next step: {'Nothing to do' if letter == 'G' else ''}" in detail
    if letter == "F":
        assert FAILURE in detail
        assert "docs/runbook.md#task-failed" in detail


def test_the_calendar_is_walked_by_keys(page: webdriver.Chrome) -> None:
    button = page.find_element(By.CSS_SELECTOR, f"button[data-date='{DOUBLED}']")
    page.execute_script("arguments[0].click()", button)
    button.send_keys(Keys.ARROW_RIGHT)
    focused = page.switch_to.active_element
    assert focused.get_attribute("data-date") == str(FAILED)
    assert len(page.find_elements(By.CSS_SELECTOR, "button.day[tabindex='0']")) == 1


def test_findings_say_what_to_do_and_whether_slack_knows(page: webdriver.Chrome) -> None:
    shown = text_of(page, "findings")
    assert f"CRITICAL 120 duplicate keys in prediction_accuracy of {DOUBLED}" in shown.replace("‼ ", "")
    assert "Figure 120 Threshold 0" in shown
    assert f"make backfill FROM={DOUBLED} TO={DOUBLED} REGRADE=1" in shown
    assert f"The lease grading_{GRADED} is held by nobody who renews it" in shown
    undelivered = page.find_element(By.XPATH, f"//li[contains(., 'task-failed/grade_predictions/{FAILED}')]").text
    assert "not yet delivered to Slack" in undelivered
    assert FAILURE in undelivered
    assert shown.count("not yet delivered to Slack") == 1
    links = {anchor.get_attribute("href") for anchor in page.find_elements(By.CSS_SELECTOR, "#findings a")}
    assert not [link for link in links if "elsewhere.example" in str(link)]
    assert [link for link in links if str(link).endswith("/dags/grade_predictions/runs/scheduled__2026-03-05T11%3A00%3A00%2B00%3A00")]


def test_a_name_that_is_a_script_is_read_and_not_run(page: webdriver.Chrome) -> None:
    assert f"{DOUBLED} grading {SCRIPT} system1" in text_of(page, "duplicates")
    assert page.find_elements(By.CSS_SELECTOR, "#duplicates script") == []
    page.switch_to.default_content()
    assert page.title != "owned"


def test_leases_show_holder_age_and_rest_and_who_waits(page: webdriver.Chrome, waiting_run: str) -> None:
    shown = text_of(page, "leases")
    rows = page.find_elements(By.CSS_SELECTOR, "#leases tbody tr")
    [held], [dead] = ([row for row in rows if f"grading_{day}" in row.text] for day in (UNGRADED, GRADED))
    assert "backfill__holder" in held.text
    assert "live" in held.text
    assert re.search(r"\d+ s ago \d+ min", " ".join(held.text.split()))
    # Nobody renews it, so it becomes stuck while the tests before this one run.
    [(age, unit)] = re.findall(r"(\d+) (s|min) ago", " ".join(dead.text.split()))
    is_stuck = unit == "min" or int(age) > LEASE_STUCK_SECONDS
    assert ("stuck: not renewed" if is_stuck else "expired, free to take over") in dead.text
    assert "none" in dead.text
    assert f'Trigger release_stuck_leases with {{"holder_id":"{"d" * 32}"}}' in shown
    waits = text_of(page, "waiting")
    assert f"{waiting_run} {DAG_ID} grading_{UNGRADED}" in waits
    assert (
        page.find_element(By.CSS_SELECTOR, "#waiting a")
        .get_attribute("href")
        .endswith(f"/runs/{waiting_run.replace(':', '%3A').replace('+', '%2B')}")
    )  # type: ignore[union-attr]


def test_checks_show_their_figures_and_a_broken_one_is_no_zero(page: webdriver.Chrome) -> None:
    rows = [" ".join(row.text.split()) for row in page.find_elements(By.CSS_SELECTOR, "#quality tbody tr")]
    [broken] = [row for row in rows if "duplicate grades" in row]
    assert "broken: the check did not run" in broken
    assert BROKEN in broken
    [warned] = [row for row in rows if "ungraded predictions" in row]
    assert "warned" in warned
    assert "56 predictions warns above 50" in warned
    assert page.find_elements(By.CSS_SELECTOR, "#quality b") == []
    labels = [drawing.get_attribute("aria-label") for drawing in page.find_elements(By.CSS_SELECTOR, "#quality svg")]
    assert "13 results, 20 to 56" in labels


def test_runs_staging_tables_and_backups_are_listed_with_their_next_step(page: webdriver.Chrome) -> None:
    shown = text_of(page, "runs")
    assert f"grading {FAILED} ✕failed {FAILURE}" in shown.replace("✕ failed", "✕failed")
    assert f'{{"game_date":"{FAILED}"}}' in shown
    shown = text_of(page, "orphans")
    assert "batch pagetest" in shown
    assert "_staging_batch_pagetest_w01 copy" not in shown
    assert BACKUP in shown
    assert f'"backup":"{BACKUP}"' in shown
    assert "never" in shown, "the emulator keeps no expiry"
    assert OLDER_BACKUPS[0] not in shown, "behind a click"
    assert re.search(r"\d older backup", shown), "as many as the stack's own daily ones make"
    page.find_element(By.CSS_SELECTOR, "#orphans summary").click()
    assert OLDER_BACKUPS[0] in text_of(page, "orphans")


def test_a_link_leads_out_of_the_frame(stack: Stack, page: webdriver.Chrome, waiting_run: str) -> None:
    page.execute_script("document.querySelector('#waiting a').click()")
    page.switch_to.default_content()
    until(lambda: page.current_url.startswith(f"{stack.config.url('airflow')}/dags/{DAG_ID}/runs/"), "Airflow shows the run")


def test_nothing_is_loaded_from_outside_and_nothing_is_refused(stack: Stack, chrome: webdriver.Chrome, waiting_run: str) -> None:
    chrome.get_log("browser")
    open_alone(stack, chrome)
    loaded = chrome.execute_script("return performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert loaded
    assert [name for name in loaded if not name.startswith(f"{stack.config.url('airflow')}/grading/")] == []
    assert [entry for entry in chrome.get_log("browser") if entry["level"] == "SEVERE"] == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_is_light_or_dark_as_airflow_is(stack: Stack, chrome: webdriver.Chrome, waiting_run: str, theme: str) -> None:
    open_in_airflow(stack, chrome, theme)
    assert chrome.execute_script("return document.documentElement.dataset.theme") == theme
    chrome.switch_to.default_content()
    chrome.save_screenshot(str(SCREENSHOTS / f"in-airflow-{theme}.png"))
    open_alone(stack, chrome)
    assert chrome.execute_script("return document.documentElement.dataset.theme") == theme
    screenshot(chrome, theme, DESKTOP)


def test_a_phone_does_not_scroll_sideways(stack: Stack, chrome: webdriver.Chrome, waiting_run: str) -> None:
    open_alone(stack, chrome)
    resize(chrome, PHONE)
    widths = chrome.execute_script("return [document.documentElement.scrollWidth, innerWidth]")
    assert widths[0] <= widths[1] == PHONE[0]
    screenshot(chrome, "phone", PHONE)
    resize(chrome, DESKTOP)


def test_what_does_not_answer_is_named_beside_what_was_known(stack: Stack, chrome: webdriver.Chrome, waiting_run: str) -> None:
    open_alone(stack, chrome)
    with frozen(stack, "firestore"):
        shown = until(lambda: "Stale since" in text_of(chrome, "leases") and text_of(chrome, "leases"), "the leases are called stale", seconds=180)
        assert "because the lease store does not answer" in shown
        assert f"grading_{UNGRADED}" in shown
        assert "Stale since" not in text_of(chrome, "waiting")
        screenshot(chrome, "stale", DESKTOP)
    until(lambda: "Stale since" not in text_of(chrome, "leases"), "the lease store answers again", seconds=180)


@contextmanager
def frozen(stack: Stack, name: str) -> Iterator[None]:
    """A process of the stack, and what it started, that no longer answers; stopping it for good would lose its documents."""
    first = psutil.Process(stack.pid(name))
    processes = [first, *first.children(recursive=True)]
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            process.resume()
