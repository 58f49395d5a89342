"""What W&B's runs and their groups are called."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

LONGEST = 128  #: characters of a group's or run's name that W&B takes
LONGEST_TAG = 64
_STUDY = "study.json"  #: what a sweep leaves beside its arms; `pgx.study` knows all of it


def group_name(study: str, arm: str, environment: str | None) -> str:
    """What the runs that W&B may average are called together.

    Args:
        study: its name.
        arm: slug.
        environment: slug, where the study has several: returns of two are not averaged.
    """
    return fitted("/".join(filter(None, (study, arm, environment))), LONGEST)


def environments(study: Path) -> int:
    """How many a study has, of the directory it was swept into; 1 if there is no study to read."""
    try:
        return len(json.loads((study / _STUDY).read_bytes())["places"])
    except (OSError, ValueError, KeyError, TypeError):
        return 1


def fitted(text: str, most: int) -> str:
    """``text``, or its beginning and a digest of it, in at most ``most`` characters."""
    if len(text) <= most:
        return text
    return f"{text[: most - 9]}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
