"""Evidence with scores known by hand: every return of a run is its level, so its scores are too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pgx.analysis.model import Evidence, Run
from pgx.study import Place, Study

STEP = 100  #: decisions of an episode
EPISODES = 10  #: of a run
BUDGET = STEP * EPISODES

#: environment → arm → a run per seed from 0: its level, or a status such as "missing"
Levels = Mapping[str, Mapping[str, Sequence[float | str]]]


def level_run(
    arm: str, environment: str, seed: int, level: float | str, episodes: int = EPISODES
) -> Run:
    """A finished run all of whose returns are its level; "diverged" stopped after 3 episodes of 0.

    ``"failed"`` and the like took 3 episodes as well; ``"missing"`` took none.
    """
    status = level if isinstance(level, str) else "finished"
    count = {"finished": episodes, "missing": 0}.get(status, 3)
    returns = np.full(count, 0.0 if isinstance(level, str) else float(level))
    decisions = STEP * np.arange(1, count + 1)
    reason = "diverged at iteration 3" if status == "diverged" else None
    return Run(arm, environment, seed, status, reason, STEP * count, decisions, returns)


def level_study(levels: Levels, **changes: Any) -> Study:
    """The study that asked for these runs; the first arm is the reference."""
    arms = dict.fromkeys(arm for here in levels.values() for arm in here)
    most = max(len(runs) for here in levels.values() for runs in here.values())
    fields: dict[str, Any] = {
        "name": "lectures",
        "question": "Which is better?",
        "prediction": "The second.",
        "reference": next(iter(arms)),
        "metric": "area",
        "last": 4,
        "seeds": tuple(range(most)),
        "places": {place: Place(place, place, BUDGET) for place in levels},
        "arms": dict.fromkeys(arms, ()),
    }
    return Study(**fields | changes)


def level_evidence(levels: Levels, **changes: Any) -> Evidence:
    """Evidence of such runs, one part per arm and environment, made under the study's prediction.

    Args:
        levels: environment → arm → levels or statuses.
        changes: fields of the study that are not as `level_study` has them.
    """
    study = level_study(levels, **changes)
    runs = tuple(
        level_run(arm, place, seed, level)
        for place, arms in levels.items()
        for arm, here in arms.items()
        for seed, level in enumerate(here)
    )
    parts = tuple(level_part(study, place, arm) for place in levels for arm in levels[place])
    configs = {
        arm: {place: {"policy.hidden": [64], "decisions": BUDGET} for place in study.places}
        for arm in study.arms
    }
    return Evidence(study, runs, parts, configs)


def level_part(study: Study, place: str, arm: str, **changes: Any) -> dict[str, Any]:
    """What the manifest of such a part says."""
    fields = {
        "arm": arm,
        "environment": place,
        "seeds": list(study.seeds),
        "status": "finished",
        "config_hash": f"hash-of-{arm}",
        "prediction_sha256": study.prediction_hash,
        "started": "2026-11-01T12:00:00+00:00",
        "ended": "2026-11-01T12:01:00+00:00",
        "elapsed_s": 60.0,
        "versions": {"python": "3.11.9", "pgx": "0.1"},
        "hardware": {"cpu": "a processor", "cores": 2},
        "git": {"root": "/somewhere", "commit": "0" * 40, "dirty": False},
        "command": ["pgx", "train"],
    }
    return fields | changes
