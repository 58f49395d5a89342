"""A process whose sweep was killed: it has been told to end, and is worth waiting for."""

from __future__ import annotations

import re
import socket
from pathlib import Path

from pgx.tracking.manifest import LOCK, is_live

PROC = Path("/proc")
_OWNER = re.compile(r"process (\d+) on (.+)")
_WORKER = b"pgx.sweep.worker"  # its parent's number is the next word


def owner(directory: Path) -> int | None:
    """The process on this machine that writes to a part now, if there is one.

    Args:
        directory: of the part.
    """
    try:
        noted = _OWNER.match((Path(directory) / LOCK).read_text(errors="replace").strip())
    except OSError:
        return None
    here = noted is not None and noted[2] == socket.gethostname()
    return int(noted[1]) if noted is not None and here and is_live(directory) else None


def is_orphaned(directory: Path) -> bool:
    """Whether a part is still being written by a process of a sweep that is no more.

    Such a process received SIGTERM when its sweep died, and ends after the iteration at hand.

    Args:
        directory: of the part.
    """
    pid = owner(directory)
    if pid is None:
        return False
    try:
        words = (PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
        status = (PROC / str(pid) / "status").read_text()
    except OSError:  # it has ended in between
        return False
    told = words[words.index(_WORKER) + 1] if _WORKER in words[:-1] else b""
    parent = re.search(r"^PPid:\s*(\d+)$", status, re.MULTILINE)
    return told.isdigit() and parent is not None and int(told) != int(parent[1])
