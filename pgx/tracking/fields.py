"""What a manifest has to say, so that its readers need not look twice."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime
from typing import Any

STATUSES = ("running", "finished", "failed", "interrupted")

_MOST = 2**63  #: seeds are int64 in the files of rows


def complaint(fields: Any) -> str | None:
    """The first thing that is wrong with the content of a manifest; ``None`` if nothing is.

    Args:
        fields: whatever the file held.
    """
    if not isinstance(fields, dict):
        return "it holds no fields"
    for name, (fits, expected) in _FIELDS.items():
        if name not in fields:
            return f"it has no '{name}'"
        if not fits(fields[name]):
            return f"'{name}' is not {expected}"
    for name, (fits, expected) in _LATER.items():
        if name in fields and not fits(fields[name]):
            return f"'{name}' is not {expected}"
    for seed in fields["seeds"]:
        if not _is_entry(fields["seed_status"].get(str(seed))):
            return f"'seed_status' does not say how seed {seed} stands"
    return None


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MOST


def _is_status(value: Any) -> bool:
    return isinstance(value, str) and value in STATUSES


def _is_seconds(value: Any) -> bool:
    plain = isinstance(value, (int, float)) and not isinstance(value, bool)
    return plain and math.isfinite(value) and value >= 0


def _is_line(value: Any) -> bool:
    return value is None or isinstance(value, str)


def _are_seeds(value: Any) -> bool:
    if not isinstance(value, list) or not value or not all(map(_is_count, value)):
        return False
    return len(set(value)) == len(value)


def _is_time(value: Any) -> bool:
    try:
        datetime.fromisoformat(value).timestamp()
    except (TypeError, ValueError, OverflowError):
        return False
    return True


def _is_entry(value: Any) -> bool:
    """Whether it says how one seed stands: ``status, reason, decisions``."""
    return (
        isinstance(value, dict)
        and _is_status(value.get("status"))
        and _is_line(value.get("reason", 0))
        and _is_count(value.get("decisions"))
    )


#: Every field that is read: what it must satisfy, and how to say so.
_FIELDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "status": (_is_status, f"one of {', '.join(STATUSES)}"),
    "seeds": (_are_seeds, "a list of different seeds"),
    "seed_status": (lambda value: isinstance(value, dict), "a table of seeds"),
    "budget": (_is_count, "a number of decisions"),
    "config_hash": (lambda value: isinstance(value, str), "a text"),
    "started": (_is_time, "a time"),
    "elapsed_s": (_is_seconds, "a number of seconds"),
    "error": (_is_line, "a line or null"),
    "attempts": (lambda value: isinstance(value, list), "a list"),
}

#: The same of fields that manifests of earlier versions do not have.
_LATER: dict[str, tuple[Callable[[Any], bool], str]] = {
    "prediction_sha256": (_is_line, "a hash or null"),
}
