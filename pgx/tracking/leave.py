"""How a process that imported wandb ends: at once, for wandb's own ending may wait for days."""

from __future__ import annotations

import gc
import os
import sys
import tempfile
from contextlib import suppress
from typing import NoReturn


def leave(code: int) -> NoReturn:
    """End this process without anybody's last words, but leave no temporary folder behind.

    Args:
        code: its exit status.
    """
    sys.stderr.flush()
    clear()
    os._exit(code)


def clear() -> None:
    """Remove the temporary folders of this process: wandb makes two when it is imported."""
    for thing in gc.get_objects():
        if type(thing) is tempfile.TemporaryDirectory:  # and ask no proxy what it is
            with suppress(OSError):
                thing.cleanup()
