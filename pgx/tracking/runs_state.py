"""What is known of a part's W&B runs without wandb: ``wandb/runs.json``, which the mirror writes.

::

    {"mode": "offline" or "online", "project", "entity", "points", "closed": bool,
     "runs": {seed: {"id", "url", "directory", "step", "decisions"}}}

``step`` and ``decisions`` are of the last point sent, -1 and 0 before the first.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pgx.tracking.atomic import remove_stale, replacing

FOLDER = "wandb"  #: below the part's directory
STATE = "runs.json"


def write_state(folder: Path, state: dict[str, Any]) -> None:
    """Replace what is known; for the holder of the folder's lock."""
    with replacing(folder / STATE) as file:
        file.write(json.dumps(state, indent=2).encode() + b"\n")
    remove_stale(folder / STATE)


def read_state(folder: Path) -> dict[str, Any] | None:
    """What a mirror process noted in a part's ``wandb/``, if it did."""
    try:
        state = json.loads((folder / STATE).read_bytes())
    except (OSError, ValueError):
        return None
    return state if isinstance(state, dict) and isinstance(state.get("runs"), dict) else None
