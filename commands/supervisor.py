"""The files that supervisord needs: its configuration, and a socket that only its owner may use."""

from __future__ import annotations

import hashlib
import os
import shlex
import stat
import tempfile
from collections.abc import Sequence
from pathlib import Path

from commands.stack_config import Program, StackError

# Linux takes 107; supervisord adds its process id while it makes the socket.
SOCKET_PATH_BYTES = 90


def socket_path(state: Path) -> Path:
    """In the state directory, or, as a socket's path may have about 100 characters, in a directory of its own."""
    path = state / "supervisor.sock"
    if len(os.fsencode(path)) <= SOCKET_PATH_BYTES:
        return path
    digest = hashlib.sha256(str(state).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"nba-grading-{os.getuid()}-{digest}" / "supervisor.sock"


def make_private(directory: Path) -> None:
    """Make a directory that only its owner may enter; StackError if one exists that others may enter."""
    directory.mkdir(mode=0o700, exist_ok=True)
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise StackError(f"{directory} is open to others, so the stack's socket cannot be there: remove it, or set TMPDIR to another directory.")


def supervisor_config(programs: Sequence[Program], socket_path: Path, logs: Path, state: Path) -> str:
    """The text of supervisord.conf for these programs."""
    head = f"""[unix_http_server]
file={socket_path}
chmod=0700
[supervisord]
logfile={logs}/supervisord.log
pidfile={state}/supervisord.pid
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""
    # A group each, so that a stop reaches what the process itself started (gcloud's Java, Airflow's workers).
    parts = [
        f"""[program:{program.name}]
command={shlex.join(program.command).replace("%", "%%")}
autostart=false
autorestart=unexpected
startsecs=3
startretries=1
stopasgroup=true
killasgroup=true
stopwaitsecs=15
redirect_stderr=true
stdout_logfile={logs}/{program.name}.log
"""
        for program in programs
    ]
    return (head + "".join(parts)).replace(str(logs), str(logs).replace("%", "%%"))
