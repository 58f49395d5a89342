"""Everything that was measured, as plain values for ``--json`` and for files."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from omegaconf import DictConfig

from pgx.gradients.arms import discount_of
from pgx.gradients.asked import Asked
from pgx.gradients.measure import Measured, Row
from pgx.gradients.moments import GROUPS
from pgx.gradients.statistics import LEVEL, Figure, reference_norm
from pgx.gradients.verdicts import Verdict
from pgx.gradients.words import config_name, heading, notes, truth_line

FIGURES = ("bias", "variance", "signal_to_noise", "cosine", "per_decision", "per_second")


def record(
    config: DictConfig,
    asked: Asked,
    measured: Sequence[Measured],
    verdicts: Sequence[Sequence[Verdict]],
) -> dict[str, Any]:
    """All of it. Returns are in the environment's own reward, parameters have no unit.

    ``bias`` is in return per parameter, ``variance`` in its square, ``per_decision`` in its square
    times decisions, ``per_second`` in its square times seconds; ``signal_to_noise`` and ``cosine``
    have no unit. A figure is ``{value, low, high}``; null is not defined.
    """
    return {
        "environment": config_name(config, "environment"),
        "policy": config_name(config, "policy"),
        "discount": discount_of(config),
        "level": LEVEL,
        "groups": GROUPS,
        "fit_iterations": asked.fit,
        "batch": int(config.environment.slots),
        "points": [_point(config, *both) for both in zip(measured, verdicts, strict=True)],
        "notes": notes(config, asked, measured),
    }


def _point(config: DictConfig, one: Measured, verdicts: Sequence[Verdict]) -> dict[str, Any]:
    kept = shown_parameters(one)
    rows = zip(one.rows, verdicts, strict=True)
    return {
        "seed": one.theta.seed,
        "theta": one.theta.origin,
        "decisions_trained": one.theta.decisions,
        "heading": heading(config, one),
        "episodes": one.episodes,
        "truth": _truth(one, kept),
        "parameters": [one.theta.names[place] for place in kept],
        "rows": [_row(row, verdict, kept) for row, verdict in rows],
    }


def _truth(one: Measured, kept: Sequence[int]) -> dict[str, Any]:
    truth = one.truth
    squared = float(truth.gradient @ truth.gradient)
    norm = Figure(squared, squared, squared) if truth.exact else reference_norm(truth)
    return {
        "kind": "exact" if truth.exact else "reference",
        "said": truth_line(one),
        "objective": truth.objective,
        "reference_episodes": one.reference,
        "norm_squared": figure(norm),
        "gradient": [float(truth.gradient[place]) for place in kept],
    }


def _row(row: Row, verdict: Verdict, kept: Sequence[int]) -> dict[str, Any]:
    figures, each = row.figures, row.figures.parameters
    columns = zip(
        each.bias, each.bias_low, each.bias_high, *_of_variance(row), each.mean, strict=True
    )
    every = list(columns)
    return {
        "estimator": row.estimator,
        "baseline": row.baseline,
        "verdict": verdict.word,
        "within": verdict.within,
        "p_adjusted": verdict.p,
        "p": figures.p,
        **{name: figure(getattr(figures, name)) for name in FIGURES},
        "decisions_per_trajectory": figures.decisions,
        "seconds_per_trajectory": _finite(figures.seconds),
        "trajectories_per_draw": row.unit,
        "draws": figures.draws,
        "explained_variance": row.explained,
        "batch_sizes": list(row.sizes),
        "batch_variance": [_finite(float(value)) for value in row.spread],
        "parameters": [
            {
                "mean": float(every[place][6]),
                "bias": figure(Figure(*map(float, every[place][:3]))),
                "variance": figure(Figure(*map(float, every[place][3:6]))),
            }
            for place in kept
        ],
    }


def _of_variance(row: Row) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    each = row.figures.parameters
    return each.variance, each.variance_low, each.variance_high


def shown_parameters(one: Measured) -> list[int]:
    """The places of θ that are parameters, and that anything depends on."""
    moves = one.truth.gradient != 0
    for row in one.rows:
        moves = moves | (row.figures.parameters.variance != 0) | (row.figures.parameters.mean != 0)
    return [place for place, name in enumerate(one.theta.names) if name and moves[place]]


def figure(found: Figure) -> dict[str, float | None]:
    """As JSON has it."""
    ends = (("value", found.value), ("low", found.low), ("high", found.high))
    return {name: None if value is None else _finite(value) for name, value in ends}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
