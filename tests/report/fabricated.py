"""Studies made up for reports: runs with known curves, and everything that can go wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pgx.analysis.model import Evidence, Run
from pgx.study import Place, Study

PLACES = {
    "cartpole-v1": Place("cartpole-v1", "cartpole", 20_000, 9.0, 475.0),
    "acrobot-v1": Place("acrobot-v1", "acrobot", 30_000, -500.0, -100.0),
}
LABELS = {"total_return": "total return", "reward_to_go": "reward-to-go", "gae": "GAE"}


def run(arm: str, environment: str, seed: int, gain: float, episodes: int = 40) -> Run:
    """A run whose returns rise to ``gain`` of the way from low to high, with its seed's noise."""
    place = PLACES[environment]
    low, high = float(place.low or 0), float(place.high or 1)
    draws = np.random.default_rng([seed, *arm.encode(), *environment.encode()])
    when = np.linspace(1 / episodes, 1, episodes)
    share = gain * (1 - np.exp(-4 * when)) + 0.08 * draws.standard_normal() * when
    noise = 0.05 * draws.standard_normal(episodes)
    returns = np.clip(np.round(low + (high - low) * (share + noise)), low, 500)
    decisions = np.round(place.decisions * when).astype(np.int64)
    return Run(arm, environment, seed, "finished", None, place.decisions, decisions, returns)


def lost(arm: str, environment: str, seed: int, status: str, reason: str | None = None) -> Run:
    """A run that ended badly, or was never made: no rows."""
    nothing = np.zeros(0, np.int64), np.zeros(0, np.float64)
    return Run(arm, environment, seed, status, reason, 0, *nothing)


def study(arms: Sequence[str], seeds: int, places: Sequence[str], **changes: Any) -> Study:
    """A study of these arms; the first is its reference."""
    fields: dict[str, Any] = {
        "name": "001_made_up",
        "question": "Which part of the credit does an action deserve?",
        "prediction": "Reward-to-go is better than the total return, GAE better still.",
        "reference": arms[0],
        "metric": "area",
        "last": 10,
        "seeds": tuple(range(seeds)),
        "places": {place: PLACES[place] for place in places},
        "arms": {arm: (f"estimator={arm}",) for arm in arms},
        "labels": {arm: LABELS[arm] for arm in arms if arm in LABELS},
    }
    return Study(**{**fields, **changes})


def part(made: Study, arm: str, environment: str, **changes: Any) -> dict[str, Any]:
    """A part as `pgx.analysis.gather` tells of it."""
    return {
        "arm": arm,
        "environment": environment,
        "seeds": list(made.seeds),
        "status": "finished",
        "config_hash": f"{len(arm):016x}",
        "prediction_sha256": made.prediction_hash,
        "started": "2026-03-01T10:00:00+00:00",
        "ended": "2026-03-01T10:02:30+00:00",
        "elapsed_s": 150.0,
        "versions": {"python": "3.11.9", "pgx": "0.1.0", "torch": "2.9.1", "ale": None},
        "hardware": {"cpu": "A Processor", "cores": 2, "cores_machine": 8, "memory": 2**34},
        "git": {"root": "/home/mallory/pgx", "commit": "c0ffee" * 6 + "cafe", "dirty": False},
        "command": ["/home/mallory/bin/pgx", "sweep", "study=001_made_up"],
        **changes,
    }


def evidence(
    arms: Sequence[str] = ("total_return", "reward_to_go", "gae"),
    seeds: int = 6,
    places: Sequence[str] = ("cartpole-v1", "acrobot-v1"),
    replaced: Mapping[tuple[str, str, int], Run] | None = None,
    notes: tuple[str, ...] = (),
    episodes: int = 40,
    **changes: Any,
) -> Evidence:
    """Runs of every arm, each arm a little better than the one before; some replaced."""
    made = study(arms, seeds, places, **changes)
    gains = np.linspace(0.35, 0.95, len(arms))
    runs = [
        (replaced or {}).get((arm, place, seed)) or run(arm, place, seed, float(gain), episodes)
        for place in places
        for arm, gain in zip(arms, gains, strict=True)
        for seed in made.seeds
    ]
    configs = {
        arm: {
            place: {
                "estimator._target_": f"pgx.estimators.{arm}",
                "estimator.discount": 0.99,
                "optimizer.learning_rate": 0.01 if arm == arms[0] else 0.003,
                "decisions": PLACES[place].decisions,
            }
            for place in places
        }
        for arm in arms
    }
    parts = tuple(part(made, arm, place) for place in places for arm in arms)
    return Evidence(made, tuple(runs), parts, configs, notes)
