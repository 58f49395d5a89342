"""What a server has of a study, as far as it is known here: files beside ``study.json``.

``wandb-push.json``::

    {destination: {"runs": {id: {"step", "points", "outcome", "group"}},
                   "summaries": {arm: digest}}}

``step`` is that of the last point, ``points`` how many there are at most on the run's grid, and
``outcome`` a digest of what the run's summary says. ``wandb-report.json`` maps a destination to
``{"id", "url"}``. A destination is the server, the entity and the project: what one account has
been sent says nothing of another's.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from pgx.tracking.atomic import remove_stale, replacing

PUSHED = "wandb-push.json"
REPORTED = "wandb-report.json"
WORK = ".wandb"  #: folder below the study, of the lock and the log


def destination(server: str, entity: str, project: str) -> str:
    """What a server's project is called in the files of this module."""
    return f"{server.rstrip('/')}/{entity}/{project}"


def read(path: Path) -> dict[str, Any]:
    """What was noted; nothing if there is no such file, or a damaged one: the server knows more."""
    try:
        noted = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return noted if isinstance(noted, dict) else {}


def note(path: Path, key: str, value: Any) -> None:
    """Put a destination's entry in the place of what was noted of it."""
    noted = {**read(path), key: value}
    with replacing(path) as file:
        file.write(json.dumps(noted, indent=1).encode() + b"\n")
    remove_stale(path)


def digest(value: Any) -> str:
    """16 hex digits of plain values: the same values, the same digits."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
