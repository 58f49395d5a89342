"""Evidence with scores known by hand: every return of a run is its level, so its scores are too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from omegaconf import OmegaConf

from pgx.analysis.model import Evidence, Run
from pgx.config import compose_config
from pgx.names import config_hash, part_name
from pgx.study import Place, Study
from pgx.tracking.manifest import Manifest

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


def write_part(
    root: Path,
    arm: str,
    seeds: Sequence[int],
    levels: Sequence[float],
    environment: str = "corridor",
    study: str = "lectures",
    **changes: Any,
) -> Path:
    """A finished part on disk with runs as `level_run` makes them; its directory.

    Args:
        root: the output directory.
        arm: slug.
        seeds: of the part.
        levels: per seed.
        environment: slug.
        study: its name.
        changes: fields of the manifest that are not as training writes them, and
            ``overrides``, what the config was composed from.
    """
    path = root / study / arm / environment / part_name(seeds)
    config = compose_config([f"arm={arm}", *changes.pop("overrides", ())])
    names = {"study": study, "arm": arm, "environment": environment}
    manifest = Manifest.begin(
        path,
        **names,
        seeds=seeds,
        budget=BUDGET,
        config_hash=config_hash(config),
        environment_class="pgx.environments.corridor.Corridor",
        command=["pgx", "train"],
    )
    OmegaConf.save(config, path / "config.yaml", resolve=True)
    runs = [level_run(arm, environment, s, level) for s, level in zip(seeds, levels, strict=True)]
    columns: dict[str, Any] = {
        "seed": np.repeat(np.array(seeds, dtype=np.int64), EPISODES),
        "episode": np.tile(np.arange(EPISODES), len(seeds)),
        "decisions": np.concatenate([run.decisions for run in runs]),
        "return_raw": np.concatenate([run.returns for run in runs]),
    }
    more = {"return_train": columns["return_raw"], "wall_s": columns["return_raw"]}
    length = np.full(len(columns["seed"]), STEP)
    pl.DataFrame({**columns, **more, "length": length}).write_parquet(path / "episodes.parquet")
    for seed in seeds:
        manifest.end_seed(seed, "finished", None, BUDGET)
    manifest.end(exit=0)
    if changes:
        manifest.fields |= changes
        manifest.write()
    return path
