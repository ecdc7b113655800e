"""The vendored front-end library: what is committed is what commands/vendor.py pins."""

from __future__ import annotations

import pytest

from commands.console import CommandError
from commands.vendor import FILES, SHA256, committed, extract, verify


def test_the_committed_files_are_the_pinned_ones() -> None:
    verify(committed())
    assert set(FILES.values()) == SHA256.keys()


@pytest.mark.parametrize("name", sorted(SHA256))
def test_a_change_of_a_committed_file_is_found(name: str) -> None:
    files = committed()
    with pytest.raises(CommandError, match=rf"commands/vendor.py: {name} \(sha256 [0-9a-f]{{64}}\)\. Run `make vendor`"):
        verify({**files, name: files[name] + b" "})


def test_a_missing_and_a_foreign_file_are_found() -> None:
    files = committed()
    files["other.js"] = files.pop("uPlot.min.css")
    with pytest.raises(CommandError, match=r"other\.js \(sha256 [0-9a-f]{64}\), uPlot\.min\.css \(sha256 missing\)"):
        verify(files)


def test_another_tarball_is_refused_with_a_sentence() -> None:
    with pytest.raises(CommandError, match="not the one pinned"):
        extract(b"something else")
