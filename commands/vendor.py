"""Fetch the one front-end library of the page "Grading", uPlot, from the npm registry into the page's static folder, where it is committed.

Usage: python -m commands.vendor        (needs the network; nothing else of this project does)

The tarball's sha512 is the registry's own and pinned here: another tarball is refused, and nothing is written. The sha256 of each
file is pinned here as well, for `verify`, which compares what is committed. A new version is VERSION, SHA512 and these digests.
"""

from __future__ import annotations

import base64
import hashlib
import io
import sys
import tarfile
from collections.abc import Mapping

import httpx

from commands.console import CommandError, command, console
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
SHA256 = {
    "uPlot.iife.min.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
    "uPlot.min.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
    "uPlot.LICENSE": "8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd",
}


def extract(tarball: bytes) -> dict[str, bytes]:
    """The vendored files by their names here; raises CommandError when the tarball or a file in it is not the pinned one."""
    found = base64.b64encode(hashlib.sha512(tarball).digest()).decode()
    if found != SHA512:
        raise CommandError(f"{URL} has the sha512 {found}, not the one pinned in commands/vendor.py: nothing was written.")
    with tarfile.open(fileobj=io.BytesIO(tarball)) as archive:
        members = {name: archive.extractfile(member) for member, name in FILES.items()}
        contents = {name: file.read() for name, file in members.items() if file}
    verify(contents)
    return contents


def verify(contents: Mapping[str, bytes]) -> None:
    """Compare files, given by name, with the pinned digests. Raises CommandError that names what differs, is missing or is not pinned."""
    found = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    wrong = sorted(name for name in found.keys() | SHA256.keys() if found.get(name) != SHA256.get(name))
    if wrong:
        listed = ", ".join(f"{name} (sha256 {found.get(name, 'missing')})" for name in wrong)
        raise CommandError(f"Not as pinned in commands/vendor.py: {listed}. Run `make vendor`; for a new version of uPlot pin these digests.")


def committed() -> dict[str, bytes]:
    """The files in the page's folder, by name."""
    return {path.name: path.read_bytes() for path in TARGET.iterdir()}


@command()
def main() -> None:
    """Command line; exit code 0, or 1 with a sentence."""
    try:
        answer = httpx.get(URL, follow_redirects=True, timeout=60).raise_for_status()
    except httpx.HTTPError as error:
        raise CommandError(f"{URL} could not be fetched: {error}") from error
    TARGET.mkdir(parents=True, exist_ok=True)
    for name, content in extract(answer.content).items():
        (TARGET / name).write_bytes(content)
        console.print(f"{hashlib.sha256(content).hexdigest()}  {name}", markup=False, highlight=False)


if __name__ == "__main__":
    sys.exit(main())
