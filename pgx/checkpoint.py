"""Checkpoints: everything a part depends on, written between iterations, replaced at once."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import torch

from pgx.errors import RunFailed

FORMAT = 1
LAST = Path("checkpoints") / "last.ckpt"


def save_checkpoint(directory: Path, state: dict[str, Any]) -> Path:
    """Write ``state`` (tensors and plain values) as the part's last checkpoint.

    A reader finds the checkpoint before or the one after, never half of one.

    Returns:
        Where it is.
    """
    path = directory / LAST
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    with temporary.open("wb") as file:
        torch.save({"format": FORMAT, **state}, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    return path


def load_checkpoint(directory: Path) -> dict[str, Any] | None:
    """The part's last checkpoint, or None if none was written.

    Raises:
        RunFailed: it cannot be read, or is of another format.
    """
    path = directory / LAST
    if not path.exists():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise RunFailed(f"{path}: cannot be read ({error}); replace=true starts over") from error
    if state.pop("format") != FORMAT:
        raise RunFailed(f"{path}: was written by another version; replace=true starts over")
    return state
