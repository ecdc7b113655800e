"""Fetch the one front-end library of the page "Grading", uPlot, from the npm registry into the page's static folder, where it is committed.

Usage: python -m commands.vendor        (needs the network; nothing else of this project does)

The tarball's sha512 is the registry's own and pinned here: another tarball is refused, and nothing is written. A new version is three
lines of this file, and the digests of the committed files in tests/unit/test_vendored.py.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import io
import sys
import tarfile
from collections.abc import Sequence

import httpx

from commands.console import CommandError, console, sentences
from commands.stack_config import ROOT

VERSION = "1.6.32"
URL = f"https://registry.npmjs.org/uplot/-/uplot-{VERSION}.tgz"
SHA512 = "KIMVnG68zvu5XXUbC4LQEPnhwOxBuLyW1AHtpm6IKTXImkbLgkMy+jabjLgSLMasNuGGzQm/ep3tOkyTxpiQIw=="
TARGET = ROOT / "plugins" / "nba_grading" / "page" / "static" / "vendor"
FILES = {
    "package/dist/uPlot.iife.min.js": "uPlot.iife.min.js",
    "package/dist/uPlot.min.css": "uPlot.min.css",
    "package/LICENSE": "uPlot.LICENSE",
}


def extract(tarball: bytes) -> dict[str, bytes]:
    """The vendored files by their names here; CommandError when the tarball is another one than the pinned."""
    found = base64.b64encode(hashlib.sha512(tarball).digest()).decode()
    if found != SHA512:
        raise CommandError(f"{URL} has the sha512 {found}, not the one pinned in commands/vendor.py: nothing was written.")
    with tarfile.open(fileobj=io.BytesIO(tarball)) as archive:
        members = {name: archive.extractfile(member) for member, name in FILES.items()}
        return {name: file.read() for name, file in members.items() if file}


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; exit code 0, or 1 with a sentence."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args(arguments)
    with sentences() as outcome:
        try:
            answer = httpx.get(URL, follow_redirects=True, timeout=60).raise_for_status()
        except httpx.HTTPError as error:
            raise CommandError(f"{URL} could not be had: {error}") from error
        TARGET.mkdir(parents=True, exist_ok=True)
        for name, content in extract(answer.content).items():
            (TARGET / name).write_bytes(content)
            console.print(f"{hashlib.sha256(content).hexdigest()}  {name}", markup=False, highlight=False)
    return outcome.code


if __name__ == "__main__":
    sys.exit(main())
