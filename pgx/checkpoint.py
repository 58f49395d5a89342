"""Checkpoints: everything a part depends on, written between iterations, replaced at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from pgx.errors import RunFailed
from pgx.tracking.atomic import remove_stale, replacing

FORMAT = 1
LAST = Path("checkpoints") / "last.ckpt"

_UNREADABLE = "cannot be read: damaged or not a checkpoint; replace=true starts over"


def save_checkpoint(directory: Path, state: dict[str, Any]) -> Path:
    """Write ``state`` (tensors and plain values) as the part's last checkpoint.

    A reader finds the checkpoint before or the one after, never half of one.

    Returns:
        Where it is.
    """
    path = directory / LAST
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        torch.save({"format": FORMAT, **state}, file)
    remove_stale(path)
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
    except Exception as error:  # damage may raise anything, and torch advises the unsafe
        raise RunFailed(f"{path}: {_UNREADABLE}") from error
    if not isinstance(state, dict) or "format" not in state:
        raise RunFailed(f"{path}: {_UNREADABLE}")
    if state.pop("format") != FORMAT:
        raise RunFailed(f"{path}: was written by another version; replace=true starts over")
    return state
