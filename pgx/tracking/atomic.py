"""Files that appear whole or not at all, and what their writers leave behind when killed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write to that takes the place of ``path`` when the block ends well.

    It lies beside ``path`` as ``.<name>.<process>.tmp``. If writing fails, on a full disk for
    example, it is removed and ``path`` stays what it was.

    Args:
        path: the file to replace; its directory exists.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def remove_stale(path: Path) -> None:
    """Remove what killed processes left of replacing ``path``; for its only writer."""
    for other in list(path.parent.iterdir()):
        if other.name.startswith(f".{path.name}.") and other.name.endswith(".tmp"):
            other.unlink(missing_ok=True)
