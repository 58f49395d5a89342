"""What a job's process said, ``launch.log`` in its part's directory, and why it ended as it did."""

from __future__ import annotations

import re
import signal
from pathlib import Path

from pgx.errors import ConfigError
from pgx.tracking.manifest import read_manifest

#: Exit statuses of a job that was stopped and can go on: Ctrl-C, SIGTERM, kill -9.
STOPPED = tuple(128 + number for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL))

_ESCAPE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")  # colours, and whatever else moves a terminal
_TAIL = 65_536  # bytes of a log in which its last line is looked for
_LONGEST = 500  # characters of a line that are kept


def last_line(path: Path, start: int = 0) -> str | None:
    """The last line of a log that says anything, in printable characters.

    Args:
        path: the file; it need not exist.
        start: byte at which this attempt began to write.
    """
    try:
        with path.open("rb") as file:
            end = file.seek(0, 2)
            file.seek(max(start, end - _TAIL))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return None
    said = [line for line in map(plain, lines) if line]
    return said[-1] if said else None


def plain(text: str) -> str:
    """One line without control characters, and not endless."""
    bare = _ESCAPE.sub("", text)
    line = " ".join("".join(c if c.isprintable() else " " for c in bare).split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"


def state_of(exit: int) -> str:
    """What an exit status makes of a job: ``finished``, ``failed`` or ``interrupted``."""
    return "finished" if exit == 0 else "interrupted" if exit in STOPPED else "failed"


def why(directory: Path, pid: int, exit: int, said: str | None) -> str | None:
    """One line about why a job did not end well; None if it did.

    Args:
        directory: of its part.
        pid: of its process, whose manifest is believed.
        exit: status, 128 + signal for one that was killed.
        said: the last line of its log.
    """
    if exit == 0:
        return None
    if exit in (128 + signal.SIGINT, 128 + signal.SIGTERM):
        return f"interrupted by {signal.Signals(exit - 128).name}"
    if exit > 128:
        name = _name(exit - 128)
        return f"killed by {name}; it last said: {said}" if said else f"killed by {name}"
    noted = _noted(directory, pid) if exit == 1 else None
    said = said.removeprefix("error: ").removeprefix("failed: ") if said else None
    return plain(noted) if noted else said or f"ended with status {exit} and said nothing"


def _noted(directory: Path, pid: int) -> str | None:
    """The error in the part's manifest, if this process wrote it."""
    try:
        manifest = read_manifest(directory)
    except ConfigError:
        return None
    return manifest["error"] if manifest.get("pid") == pid else None


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
