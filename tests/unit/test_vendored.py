"""The vendored front-end library: what is committed is what the pinned tarball holds."""

from __future__ import annotations

import hashlib

import pytest

from commands.console import CommandError
from commands.vendor import FILES, TARGET, extract

SHA256 = {
    "uPlot.iife.min.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
    "uPlot.min.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
    "uPlot.LICENSE": "8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd",
}


def test_the_committed_files_are_the_pinned_ones() -> None:
    assert {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in TARGET.iterdir()} == SHA256
    assert set(FILES.values()) == SHA256.keys()


def test_another_tarball_is_refused_with_a_sentence() -> None:
    with pytest.raises(CommandError, match="not the one pinned"):
        extract(b"something else")
