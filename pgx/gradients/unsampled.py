"""``pgx gradients --exact``: every arm's mean and variance with no sampling, as a record."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig

from pgx.build import build_environment
from pgx.environments.exact import probabilities, visits
from pgx.environments.tabular import Tabular
from pgx.errors import ConfigError
from pgx.gradients.arms import Arm, combine, discount_of, move
from pgx.gradients.asked import Asked
from pgx.gradients.exact import ExactMoments, exact_moments
from pgx.gradients.fit import fit
from pgx.gradients.sample import Sampler
from pgx.gradients.theta import Theta
from pgx.gradients.truth import Truth, exact
from pgx.gradients.words import config_name, short, truth_words
from pgx.policies.base import Policy

ROUNDING = 1e-6  #: of the truth's norm: a bias below it is rounding, and called 0


def record(config: DictConfig, asked: Asked, thetas: Sequence[Theta]) -> dict[str, Any]:
    """All that there is to say, as plain values.

    Units as in `pgx.gradients.record.record`; nothing has an interval. ``how`` says by which method
    a row was found; a row that could not be has ``unknown`` in place of numbers.

    Raises:
        ConfigError: the environment is not tabular, or an arm cannot be measured.
    """
    points = [_point(config, asked, theta) for theta in thetas]
    return {
        "environment": config_name(config, "environment"),
        "policy": config_name(config, "policy"),
        "discount": discount_of(config),
        "exact": True,
        "fit_iterations": asked.fit,
        "points": points,
        "notes": _notes(config, asked, points),
    }


def _point(config: DictConfig, asked: Asked, theta: Theta) -> dict[str, Any]:
    env = build_environment(config, [theta.seed], 1)
    env.close()
    if not isinstance(env, Tabular):
        raise ConfigError(
            f"--exact: {env.spec.id} is not tabular; leave --exact out, or choose a tabular one, "
            "such as environment=corridor"
        )
    arms, notes = combine(config, asked, theta.seed, True)
    move(arms, theta.flat)
    normalized = bool(config.normalization.observations)
    truth = exact(env, arms[0].policy, discount_of(config), normalized)
    if isinstance(truth, str):
        raise ConfigError(f"--exact: {truth}; leave --exact out")
    slots = int(config.environment.slots)
    sampler = Sampler(config, arms[0].policy, theta.seed, "fitting", slots)
    try:
        fit(arms, sampler, asked.fit)
    finally:
        sampler.close()
    length = _length(env, arms[0].policy)
    found = [exact_moments(env, arm) for arm in arms]
    kept = _shown(theta, truth, found)
    rows = [_row(*both, truth, length, kept) for both in zip(arms, found, strict=True)]
    return {
        "seed": theta.seed,
        "theta": theta.origin,
        "decisions_trained": theta.decisions,
        "decisions_per_trajectory": length,
        "truth": {
            "kind": "exact",
            "said": truth_words(truth),
            "objective": truth.objective,
            "norm_squared": float(truth.gradient @ truth.gradient),
            "gradient": [float(truth.gradient[place]) for place in kept],
        },
        "parameters": [theta.names[place] for place in kept],
        "rows": rows,
        "left_out": notes,
    }


def _length(env: Tabular, policy: Policy) -> float:
    """Mean decisions of a trajectory."""
    with torch.no_grad():
        seen = visits(env.mdp, probabilities(env.mdp, policy), 1.0, env.spec.time_limit)
    return float(seen.sum())


def _shown(theta: Theta, truth: Truth, found: Sequence[ExactMoments | str]) -> list[int]:
    """The places of θ that are parameters, and that anything depends on."""
    moves = truth.gradient != 0
    for one in found:
        if isinstance(one, ExactMoments):
            moves = moves | ((one.mean != 0) | (one.variance != 0)).numpy()
    return [place for place, name in enumerate(theta.names) if name and moves[place]]


def _row(
    arm: Arm, found: ExactMoments | str, truth: Truth, length: float, kept: Sequence[int]
) -> dict[str, Any]:
    names = {"estimator": arm.estimator_label, "baseline": arm.baseline_label}
    if isinstance(found, str):
        return {**names, "how": None, "unknown": found}
    mean, variance, target = found.mean.numpy(), found.variance.numpy(), truth.gradient
    size, total = float(np.linalg.norm(target)), float(variance.sum())
    bias, own = float(np.linalg.norm(mean - target)), float(np.linalg.norm(mean))
    return {
        **names,
        "how": found.how,
        "unknown": None,
        "bias": 0.0 if bias <= ROUNDING * max(size, own) else bias,
        "variance": total,
        "signal_to_noise": size**2 / total if total > 0 else None,
        "cosine": float(mean @ target) / (size * own) if size * own > 0 else None,
        "per_decision": total * length,
        "trajectories_per_draw": found.batch,
        "parameters": [
            {
                "mean": float(mean[place]),
                "bias": float(mean[place] - target[place]),
                "variance": float(variance[place]),
            }
            for place in kept
        ],
    }


def _notes(config: DictConfig, asked: Asked, points: Sequence[dict[str, Any]]) -> list[str]:
    """What holds for every row."""
    rows = [row for point in points for row in point["rows"]]
    pairs = any(row["unknown"] is None and row["trajectories_per_draw"] > 1 for row in rows)
    learned = [row for row in rows if row["baseline"].split(":")[0] in ("value", "moving_average")]
    optimal = [row for row in rows if row["baseline"].split(":")[0] == "optimal"]
    found = [
        f"γ = {discount_of(config):g}; nothing is sampled: these are expectations over all "
        "trajectories, up to rounding; estimators are set to estimate ∇J: complete episodes, γᵗ "
        "kept, no entropy bonus, nothing standardised, unless a row says otherwise",
        "bias: ‖mean − ∇J‖; variance: trace of the covariance of one trajectory's estimate; "
        "signal-to-noise: ‖∇J‖² / variance; per decision: variance × mean decisions",
    ]
    if pairs:
        found.append("pairs: what compares trajectories is given two, the variance of both × 2")
    if any(row["how"] == "linear equations" for row in optimal):
        found.append("optimal by linear equations: the constants that ever more rollouts give")
    if learned and asked.fit:
        found.append(
            f"what learns or remembers was fitted for {asked.fit:,} iterations of "
            f"{config.environment.slots} sampled episodes before; --fit 0 leaves it as it starts"
        )
    return [*found, *dict.fromkeys(line for point in points for line in point["left_out"])]


def cells(row: dict[str, Any]) -> list[Any]:
    """A row for people."""
    names = [row["estimator"], row["baseline"]]
    if row["unknown"] is not None:
        return [*names, *["–"] * 5, f"not known: {row['unknown']}"]
    figures = ("bias", "variance", "signal_to_noise", "cosine", "per_decision")
    return [*names, *(short(row[name]) for name in figures), row["how"]]
