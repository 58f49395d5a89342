"""One θ measured: the truth, then every arm on the same episodes."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch
from omegaconf import DictConfig
from torch import Tensor

from pgx.baselines.base import constant
from pgx.build import build_environment
from pgx.environments.base import Environment
from pgx.environments.tabular import Tabular
from pgx.errors import ConfigError
from pgx.estimators.reward_to_go import RewardToGo
from pgx.gradients.arms import Arm, Kind, combine, discount_of, move
from pgx.gradients.asked import Asked
from pgx.gradients.draws import draws, first_slots
from pgx.gradients.fit import fit
from pgx.gradients.moments import GROUPS, Batches, Moments
from pgx.gradients.plan import LEAST, Plan, at_once
from pgx.gradients.sample import Sampler
from pgx.gradients.statistics import Figures, describe
from pgx.gradients.theta import Theta
from pgx.gradients.truth import Truth, exact
from pgx.gradients.yardsticks import YARDSTICKS
from pgx.normalization import Normalization
from pgx.policies.base import Policy
from pgx.types import Baseline, Rollout

MOST_NUMBERS = 2**29  #: that the moments of all arms may hold: 4 GiB
TIMED = 256  #: episodes, at most, on which an estimator's own time is taken
REPEATS = 3  #: of which the fastest counts
LARGEST_BATCH = 1024  #: of the curve of variance against batch size


@dataclass(frozen=True)
class Row:
    """An arm's figures.

    Attributes:
        estimator: as named.
        baseline: as named.
        unit: trajectories of a draw.
        figures: what was measured.
        sizes: of batches, trajectories; empty without a curve.
        spread: variance of a batch's estimate, one for each size.
        explained: variance that a fitted baseline explains, None without one.
    """

    estimator: str
    baseline: str
    unit: int
    figures: Figures
    sizes: tuple[int, ...]
    spread: np.ndarray
    explained: float | None


@dataclass(frozen=True)
class Measured:
    """One seed's θ, measured.

    Attributes:
        theta: which.
        truth: ∇J there.
        rows: one for each arm.
        episodes: of every arm, the same ones.
        reference: episodes of the reference run; 0 where the truth is exact.
        notes: what was left out.
    """

    theta: Theta
    truth: Truth
    rows: tuple[Row, ...]
    episodes: int
    reference: int
    notes: tuple[str, ...]


def measure(config: DictConfig, asked: Asked, theta: Theta) -> Measured:
    """Measure every arm at one θ.

    Args:
        config: of the run, or as composed.
        asked: which arms, how many episodes.
        theta: parameters, whose, and what they see through.

    Raises:
        ConfigError: an arm that cannot be measured.
    """
    probe, normalization = _probe(config, theta), theta.normalization
    arms, notes = check(config, asked, theta)
    move(arms, theta.flat)
    policy = arms[0].policy
    limit = at_once(config, probe.spec, theta.flat.shape[1], _longest(config, theta, policy))
    found = exact(probe, policy, discount_of(config), config.normalization.observations)
    planned = Plan.of(asked.reference_episodes, 1, limit)
    if isinstance(found, str):
        sampler = Sampler(config, policy, theta.seed, "reference", planned.slots, normalization)
        found, reference = _reference(config, sampler, policy, planned, found), planned.episodes
    else:
        reference = 0
    explained = _fitted(config, asked, theta, arms, normalization)
    plan = Plan.of(asked.samples, max(arm.unit for arm in arms), limit)
    watched = any(arm.baseline_label == "exact_value" for arm in arms)
    sampler = Sampler(config, policy, theta.seed, "gradients", plan.slots, normalization, watched)
    try:
        rows = _rows(arms, sampler, plan, found, explained, asked.output is not None)
    finally:
        sampler.close()
    return Measured(theta, found, rows, plan.episodes, reference, tuple(notes))


def check(config: DictConfig, asked: Asked, theta: Theta) -> tuple[list[Arm], list[str]]:
    """The arms that are asked for, and a line about each combination that does not fit.

    Raises:
        ConfigError: an arm that cannot be measured, or more numbers than memory is meant to hold.
    """
    arms, notes = combine(config, asked, theta.seed, isinstance(_probe(config, theta), Tabular))
    kept = GROUPS * 2 * (len(arms) + 1)  # sums and sums of squares, and the reference run's
    if theta.flat.shape[1] * kept > MOST_NUMBERS:
        raise ConfigError(
            f"policy: has {theta.flat.shape[1]:,} parameters, at most {MOST_NUMBERS // kept:,} can "
            f"be measured with {len(arms)} arms: choose a smaller network, or fewer of "
            "--estimators and --baselines"
        )
    return arms, notes


def _longest(config: DictConfig, theta: Theta, policy: Policy) -> int:
    """Decisions of the longest of a few episodes, in whole blocks, which are measured nowhere."""
    slots = config.environment.slots if "vectorization" in config.environment else LEAST
    sampler = Sampler(config, policy, theta.seed, "fitting", slots, theta.normalization)
    try:
        return len(sampler().mask)
    finally:
        sampler.close()


def _probe(config: DictConfig, theta: Theta) -> Environment:
    """The environment, closed: to be asked, not played."""
    env = build_environment(config, [theta.seed], 1)
    env.close()
    return env


def _fitted(
    config: DictConfig,
    asked: Asked,
    theta: Theta,
    arms: list[Arm],
    normalization: Normalization | None,
) -> dict[str, float | None]:
    slots = int(config.environment.slots)
    sampler = Sampler(config, arms[0].policy, theta.seed, "fitting", slots, normalization)
    try:
        return fit(arms, sampler, asked.fit)
    finally:
        sampler.close()


def _reference(config: DictConfig, sampler: Sampler, policy: Policy, plan: Plan, why: str) -> Truth:
    """The mean of reward-to-go without a baseline over a run of its own."""
    estimator = RewardToGo(
        discount_weighting=True,
        discount=discount_of(config),
        time_limit="end",
        entropy_coefficient=0.0,
        entropy="analytic",
        normalize_advantage=False,
    )
    moments = Moments(policy.flat.shape[1])
    try:
        for index in range(plan.rollouts):
            rollout = sampler()
            nothing = constant(torch.zeros_like(rollout.reward))
            found = estimator.trajectories(policy, rollout, nothing)[0]
            moments.add(plan.first(index), found, plan.groups_at_once)
    finally:
        sampler.close()
    mean = moments.total.sum(0) / moments.count.sum()
    return Truth(mean, moments, None, why)


def _rows(
    arms: list[Arm],
    sampler: Sampler,
    plan: Plan,
    truth: Truth,
    explained: dict[str, float | None],
    curve: bool,
) -> tuple[Row, ...]:
    """Collect the episodes, let every arm estimate from each rollout, and describe what it did."""
    width = len(truth.gradient)
    moments = [Moments(width) for _ in arms]
    sizes = _sizes(plan) if curve else ()
    batches = [Batches.empty(len(sizes), width) for _ in arms]
    seconds, decisions = np.zeros(len(arms)), np.zeros(GROUPS)
    for index in range(plan.rollouts):
        rollout, first = sampler(), plan.first(index)
        lengths = rollout.mask.sum(0)[0].unflatten(0, (plan.groups_at_once, -1)).sum(1)
        decisions[first : first + plan.groups_at_once] += lengths.numpy(force=True)
        known: dict[Kind, Baseline] = {}
        for place, arm in enumerate(arms):
            found = draws(arm, rollout, sampler.states, arm.unit, known)
            moments[place].add(first, found, plan.groups_at_once)
            _curve(batches[place], arm, rollout, sampler, found, sizes)
            if index == 0:
                seconds[place] = _seconds(arm, rollout)
    collecting = sampler.seconds / sampler.episodes
    return tuple(
        Row(
            arm.estimator_label,
            arm.baseline_label,
            arm.unit,
            describe(moments[place], truth, arm.unit, decisions, collecting + seconds[place]),
            sizes,
            batches[place].variance,
            explained.get(arm.label),
        )
        for place, arm in enumerate(arms)
    )


def _sizes(plan: Plan) -> tuple[int, ...]:
    """1, 2, 4, … trajectories, as far as there are twenty batches or more."""
    most = min(plan.slots, plan.episodes // 20, LARGEST_BATCH)
    return tuple(2**power for power in range(most.bit_length()))


def _curve(
    batches: Batches,
    arm: Arm,
    rollout: Rollout,
    sampler: Sampler,
    found: Tensor,
    sizes: tuple[int, ...],
) -> None:
    """Take in the estimates over batches of every size."""
    for place, size in enumerate(sizes):
        if arm.unit > 1 and size > 1:
            whole = rollout.mask.shape[2] // size * size
            some = first_slots(rollout, whole)
            batches.add(place, draws(arm, some, sampler.states, size))
        elif arm.unit == 1:
            batches.add(place, found)
            found = found[: len(found) // 2 * 2].unflatten(0, (-1, 2)).mean(1)


def _seconds(arm: Arm, rollout: Rollout) -> float:
    """What the arm's own estimate takes for a trajectory, as training would make it.

    NaN for yardsticks, which no training has.
    """
    if arm.baseline_label.split(":")[0] in YARDSTICKS:
        return float("nan")
    some = first_slots(rollout, min(TIMED, rollout.mask.shape[2]))
    before, taken = [tensor.clone() for tensor in arm.baseline.memory()], []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        arm.estimator(arm.policy, some, arm.baseline(some))
        taken.append(time.perf_counter() - begun)
    for tensor, old in zip(arm.baseline.memory(), before, strict=True):
        tensor.copy_(old)
    return min(taken) / some.mask.shape[2]
