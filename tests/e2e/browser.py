"""Debian's Chromium, headless, for the page's tests: it asks nothing of the outside, and keeps its screenshots in out/screenshots."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from selenium import webdriver
from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

from commands.stack_config import ROOT

SCREENSHOTS = ROOT / "out" / "screenshots"
FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars"),
)
DESKTOP, PHONE = (1400, 1000), (390, 844)


@contextmanager
def chromium() -> Iterator[webdriver.Chrome]:
    """A browser with a fresh profile; without Chromium the test is skipped aloud, and fails in CI."""
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not browser or not driver:
        reason = "Debian's packages chromium and chromium-driver are needed for the page's tests"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        for flag in (*FLAGS, f"--user-data-dir={profile}", f"--window-size={DESKTOP[0]},{DESKTOP[1]}"):
            options.add_argument(flag)
        chrome = webdriver.Chrome(options=options, service=Service(driver))
        try:
            chrome.set_page_load_timeout(120)
            yield chrome
        finally:
            chrome.quit()


def resize(chrome: webdriver.Chrome, size: tuple[int, int]) -> None:
    """Show the page as on a screen of this size; Chromium's windows have a least width, which a phone's is below."""
    width, height = size
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": size == PHONE}
    chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def screenshot(chrome: webdriver.Chrome, name: str, size: tuple[int, int]) -> None:
    """The whole page, as high as it is, in out/screenshots/<name>.png."""
    height = chrome.execute_script("return Math.min(6000, document.documentElement.scrollHeight)")
    resize(chrome, (size[0], max(size[1], height)))
    time.sleep(0.5)
    chrome.save_screenshot(str(SCREENSHOTS / f"{name}.png"))
    resize(chrome, size)


def text_of(chrome: webdriver.Chrome, section: str) -> str:
    """What a person reads in a section of the page; empty while it is drawn."""
    try:
        return " ".join(chrome.find_element(By.ID, section).text.split())
    except (NoSuchElementException, StaleElementReferenceException):
        return ""


def until(incident: Callable[[], Any], what: str, seconds: float = 120) -> Any:
    """The condition's first value that is true; fails with ``what`` was awaited."""
    deadline = time.monotonic() + seconds
    while not (value := incident()):
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.3)
    return value
