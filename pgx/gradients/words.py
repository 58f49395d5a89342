"""The sentences around the numbers: what was measured, how, and against what."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from omegaconf import DictConfig

from pgx.build import option
from pgx.gradients.arms import discount_of
from pgx.gradients.asked import Asked
from pgx.gradients.measure import Measured
from pgx.gradients.moments import GROUPS
from pgx.gradients.statistics import reference_norm
from pgx.gradients.truth import Truth
from pgx.gradients.yardsticks import YARDSTICKS


def short(value: float | None) -> str:
    """Three digits that say something; a dash for none."""
    if value is None or not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    if not 1e-3 <= abs(value) < 1e6:
        return f"{value:.2e}"
    return f"{value:,.{max(0, 2 - math.floor(math.log10(abs(value))))}f}"


def heading(config: DictConfig, one: Measured) -> str:
    """Which θ this is."""
    names = sum(1 for name in one.theta.names if name)
    where = f"{config_name(config, 'environment')}, {config_name(config, 'policy')}"
    return f"{where}: seed {one.theta.seed}, {one.theta.origin}, {names:,} parameters"


def truth_line(one: Measured) -> str:
    """What estimates are held against."""
    truth = one.truth
    if truth.exact:
        return truth_words(truth)
    norm = reference_norm(truth)
    ends = f" [{short(norm.low)}, {short(norm.high)}]" if norm.low is not None else ""
    return (
        f"truth: {truth.why}, so the mean of reward_to_go × none over {one.reference:,} further "
        f"episodes; ‖∇J‖² = {short(norm.value)}{ends}; bias and cosine allow for its error"
    )


def truth_words(truth: Truth) -> str:
    """The truth where it is exact."""
    length = float(np.linalg.norm(truth.gradient))
    value = "" if truth.objective is None else f"J = {short(truth.objective)}, "
    return f"truth: exact, {value}‖∇J‖ = {short(length)}"


def notes(config: DictConfig, asked: Asked, measured: Sequence[Measured]) -> list[str]:
    """What holds for every row."""
    tests = sum(len(one.rows) for one in measured)
    freedom = GROUPS // 2 - 1
    return [
        f"γ = {discount_of(config):g}; {measured[0].episodes:,} episodes at each θ, the same for "
        "every row, from streams of their own; estimators are set to estimate ∇J: complete "
        "episodes, γᵗ kept, no entropy bonus, nothing standardised, unless a row says otherwise",
        "bias: distance of the mean to ∇J along the direction that half of the sample shows, "
        f"measured in the other half; 95% Student t, {freedom} degrees of freedom; "
        f"{tests} test{'s' * (tests > 1)}, Holm-adjusted at 5%; none seen within ±x: any bias in "
        "that direction is smaller than x",
        "variance: trace of the covariance of one trajectory's estimate; signal-to-noise: "
        f"‖∇J‖² / variance; 95% jackknife leaving out one of {GROUPS} groups, on the logarithm",
        "per decision: variance × mean decisions of a trajectory; per second: variance × mean "
        "seconds of a trajectory, collecting and estimating on this machine, one thread",
        *_coupled(measured),
        *_fitted(config, asked, measured),
        *dict.fromkeys(line for one in measured for line in one.notes),
    ]


def _coupled(measured: Sequence[Measured]) -> Iterator[str]:
    found = {row.baseline: row.unit for one in measured for row in one.rows if row.unit > 1}
    for name, unit in found.items():
        yield (
            f"{name} compares trajectories: measured on batches of N = {unit} "
            f"(environment.slots), the variance of a batch's estimate × {unit}"
        )


def _fitted(config: DictConfig, asked: Asked, measured: Sequence[Measured]) -> Iterator[str]:
    seen: dict[str, list[int]] = {}
    for row in (row for one in measured for row in one.rows if row.explained is not None):
        seen.setdefault(row.baseline, []).append(round(100 * (row.explained or 0.0)))
    for name, explained in seen.items():
        span = " to ".join(str(end) for end in dict.fromkeys((min(explained), max(explained))))
        yield (
            f"{name}: fitted at θ for {asked.fit:,} iterations of {config.environment.slots} "
            f"episodes that are measured nowhere; explains {span}% of the variance of the return"
        )
    yardsticks = {row.baseline.split(":")[0] for one in measured for row in one.rows}
    if named := sorted(yardsticks & set(YARDSTICKS)):
        yield f"{', '.join(named)}: to measure with only; no training knows it, so no time is shown"


def config_name(config: DictConfig, group: str) -> str:
    """``cartpole`` of ``environment=cartpole``."""
    return option(config, group).partition("=")[2]
