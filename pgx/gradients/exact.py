"""Mean and variance of an estimator with a baseline, without sampling, where a process is small."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from pgx.baselines.batch_mean import BatchMean
from pgx.baselines.leave_one_out import LeaveOneOut
from pgx.baselines.none import NoBaseline
from pgx.environments.base import Environment
from pgx.environments.exact import chain, probabilities
from pgx.environments.mdp import MDP
from pgx.environments.tabular import Tabular
from pgx.estimators.reinforce import Reinforce
from pgx.estimators.reward_to_go import RewardToGo
from pgx.estimators.trajectories import trajectory_gradients
from pgx.gradients.arms import Arm
from pgx.gradients.chain import Polynomial, TooLarge, expectations
from pgx.gradients.draws import draws
from pgx.gradients.enumerate import MOST, Listing, TooMany, every_trajectory
from pgx.gradients.quantities import NoRecursion, System, Tables, best_constant_of, system_of
from pgx.gradients.yardsticks import ExactValue
from pgx.types import Rollout

NEVER = 1e-12  #: probability of reaching a time limit below which there is none


@dataclass(frozen=True)
class ExactMoments:
    """What an estimate of one trajectory is on average, and how far from it.

    Attributes:
        mean: float64 ``[P]``.
        variance: float64 ``[P]``; of an estimate that compares N trajectories, N times its own.
        batch: N, 1 where trajectories are not compared.
        how: in a few words, by which method.
    """

    mean: Tensor
    variance: Tensor
    batch: int
    how: str


def exact_moments(env: Environment, arm: Arm) -> ExactMoments | str:
    """Mean and variance of an arm's estimate, or in a few words why they are not known.

    Every trajectory is listed where there are few, and given to the estimator and its baseline as
    they are; every pair of them where they are compared. Where there are many or no end of them,
    linear equations give the moments of the estimators whose formula is known; `Optimal` is then
    what it tends to with more and more trajectories.

    Args:
        env: where; only a tabular one is small enough.
        arm: what is measured, at its policy's parameters.
    """
    if not isinstance(env, Tabular):
        return f"{env.spec.id} is not tabular"
    if arm.estimator.entropy_coefficient(None) != 0.0:
        return "the entropy bonus is no part of it"
    mdp, noise = env.mdp, env.reward_noise
    if noise:
        mdp = _two_rewards(mdp, noise)
    wide = _in_float64(arm)
    chosen = probabilities(mdp, arm.policy)[0].detach()
    limit = env.spec.time_limit
    try:
        listing = every_trajectory(mdp, chosen, limit)
        if noise and _uneven(arm):
            return "rewards are Gaussian, and their part in the estimate is not linear"
        return _enumerated(wide, listing)
    except TooMany as error:
        reason = str(error)
    if limit is not None and _lasts(mdp, chosen, limit) < NEVER:
        limit = None
    try:
        if arm.unit > 1 and not arm.baseline.per_parameter:
            return _pairs_by_equations(mdp, wide, chosen, limit)
        return _by_equations(mdp, wide, chosen, limit)
    except (NoRecursion, TooLarge) as error:
        return f"{reason}, and {error}"


def _in_float64(arm: Arm) -> Arm:
    """The arm on its own, in double precision."""
    policy, baseline = copy.deepcopy(arm.policy).double(), copy.deepcopy(arm.baseline).double()
    if baseline.per_parameter:
        kept = [tensor.clone() for tensor in baseline.memory()]
        baseline.serve(policy, arm.estimator)
        for tensor, old in zip(baseline.memory(), kept, strict=True):
            tensor.data = old
    return replace(arm, policy=policy, baseline=baseline)


def _two_rewards(mdp: MDP, noise: float) -> MDP:
    """Every successor twice, with rewards that are ``noise`` higher and lower.

    A number with the mean and the variance of a Gaussian one: all that the mean and the variance of
    an estimate see of it, if the estimate is linear in each reward.
    """
    reward = (
        mdp.reward if mdp.reward.ndim == 3 else mdp.reward[:, :, None].expand_as(mdp.transition)
    )
    reward = torch.cat([reward + noise, reward - noise], dim=2)
    transition = torch.cat([mdp.transition, mdp.transition], dim=2) / 2
    start = torch.cat([mdp.start, torch.zeros_like(mdp.start)])
    transition, reward = transition.repeat(2, 1, 1), reward.repeat(2, 1, 1)
    return MDP(transition, reward, start, mdp.terminal.repeat(2), mdp.features.repeat(2, 1))


def _uneven(arm: Arm) -> bool:
    """Whether an estimate is not linear in a reward."""
    return not arm.estimator.separable or arm.baseline.per_parameter


def _enumerated(arm: Arm, listing: Listing) -> ExactMoments:
    """From every trajectory, or from every pair."""
    rollout, states, weight = listing.rollout, listing.states, listing.probability
    count, batch, how = len(weight), 1, f"all {len(weight):,} trajectories"
    if arm.unit > 1:
        if count**2 > MOST:
            raise TooMany(f"there are more than {MOST:,} pairs of trajectories")
        pairs = torch.cartesian_prod(torch.arange(count), torch.arange(count))
        rollout, states = _slots(rollout, pairs.flatten()), states[:, :, pairs.flatten()]
        weight, batch, how = weight[pairs].prod(1), 2, f"all {count**2:,} pairs of trajectories"
    found = draws(arm, rollout, list(states), batch)
    mean = weight @ found
    variance = weight @ (found - mean).square()
    return ExactMoments(mean, variance * batch, batch, how)


def _slots(rollout: Rollout, which: Tensor) -> Rollout:
    """A rollout of these slots, again and again."""
    tensors: dict[str, Any] = {
        name: value[:, :, which]
        for name, value in vars(rollout).items()
        if isinstance(value, Tensor)
    }
    return replace(rollout, **tensors)


def _by_equations(mdp: MDP, arm: Arm, chosen: Tensor, limit: int | None) -> ExactMoments:
    """From the recursions of the estimator's formula."""
    if limit is not None and isinstance(arm.baseline, ExactValue):
        raise NoRecursion("V depends on the time that is left")
    if limit is not None and arm.estimator.time_limit == "bootstrap":
        raise NoRecursion("time_limit=bootstrap is not part of the equations")
    live = (~mdp.terminal).double()
    weight = chosen[:, :, None] * mdp.transition * live[:, None, None]
    moves = (weight, mdp.start, limit)
    tables = _tables(mdp, arm, chosen, limit is not None)
    if arm.baseline.per_parameter:
        over, under = (
            _expected(part, [part.estimate], *moves)[0]
            for part in best_constant_of(arm.estimator, tables)
        )
        best = torch.where(under > 0, over / under.where(under > 0, 1.0), 0.0)
        tables = replace(tables, value=best.reshape(-1, 1, 1, 1))
    system = system_of(arm.estimator, tables)
    return _known(arm, *_expected(system, [system.estimate, system.square], *moves))


def _pairs_by_equations(mdp: MDP, arm: Arm, chosen: Tensor, limit: int | None) -> ExactMoments:
    """Two trajectories side by side, as one chain over pairs of states.

        total return, one number in all:    g = ½ (G_1 − G_2) (S_1 − S_2)
        reward-to-go, a number per time:    g = ½ Σ_t γᵗ (G_t,1 − G_t,2) (x_t,1 − x_t,2)

    if each is the other's baseline, and half of it if their mean is that of both: the estimator's
    own recursion, with differences for rewards and scores.
    """
    scope = {Reinforce: "trajectory", RewardToGo: "time"}.get(type(arm.estimator))
    share = {LeaveOneOut: 0.5, BatchMean: 0.25}.get(type(arm.baseline))
    if share is None or arm.estimator.normalize_advantage or arm.baseline.scope != scope:
        raise NoRecursion("it compares trajectories by a formula of its own")
    live = ~mdp.terminal
    alone = _tables(mdp, replace(arm, baseline=NoBaseline(arm.policy.spec, (0,))), chosen, False)
    stays = torch.zeros_like(mdp.transition)
    stays[:, 0] = torch.eye(mdp.states, dtype=torch.float64)
    move = torch.where(live[:, None, None], chosen[:, :, None] * mdp.transition, stays)
    weight = torch.einsum("iak,jbl->ijabkl", move, move)
    weight[~live[:, None] & ~live] = 0.0
    reward = alone.reward[0] * live[:, None, None]
    reward = reward[:, None, :, None, :, None] - reward[None, :, None, :, None, :]
    score = alone.score[..., 0] * live[:, None]
    score = score[:, :, None, :, None] - score[:, None, :, None, :]
    states, actions = mdp.states**2, mdp.actions**2
    nothing = torch.zeros(1, 1, 1, 1, dtype=torch.float64)
    tables = Tables(
        reward.reshape(1, states, actions, states),
        score.reshape(-1, states, actions, 1),
        nothing,
        nothing,
        False,
    )
    system, start = system_of(arm.estimator, tables), torch.outer(mdp.start, mdp.start).flatten()
    moves = (weight.reshape(states, actions, states), start, limit)
    first, second = _expected(system, [system.estimate, system.square], *moves)
    return _known(arm, share * first, share**2 * second, 2)


def _expected(
    system: System,
    polynomials: Sequence[Polynomial],
    weight: Tensor,
    start: Tensor,
    limit: int | None,
) -> list[Tensor]:
    """The expectation of each polynomial in the system's quantities, ``[F]`` of F parameters."""
    wanted = [powers for one in polynomials for powers in one]
    found = expectations(system.updates, wanted, weight, start, limit)
    return [
        sum((x.reshape(-1) * found[powers] for powers, x in one.items()), torch.zeros(1))
        for one in polynomials
    ]


def _known(arm: Arm, first: Tensor, second: Tensor, batch: int = 1) -> ExactMoments:
    """From E[g] and E[g²] of the policy's parameters; padding has none."""
    found = torch.zeros(2, len(arm.policy.free), dtype=torch.float64)
    variance = (second - first.square()).clamp(min=0.0) * batch
    found[:, arm.policy.free] = torch.stack([first, variance])
    how = "linear equations" if batch == 1 else "linear equations for pairs of trajectories"
    return ExactMoments(found[0], found[1], batch, how)


def _lasts(mdp: MDP, chosen: Tensor, limit: int) -> float:
    """Probability that an episode is still going on when the limit ends it."""
    between, _ = chain(mdp, chosen)
    return float(mdp.start @ torch.linalg.matrix_power(between, limit).sum(-1))


def _tables(mdp: MDP, arm: Arm, chosen: Tensor, truncates: bool) -> Tables:
    """What every decision brings, and what the baseline says of every state."""
    every = _decisions(mdp)
    score = trajectory_gradients(arm.policy, every, torch.ones_like(every.reward))[0]
    score = score[:, arm.policy.free].where(chosen.reshape(-1, 1) > 0, 0.0)  # not of what is not
    score = score.unflatten(0, (mdp.states, mdp.actions)).movedim(-1, 0).unsqueeze(-1)
    if arm.baseline.per_parameter:
        value = torch.zeros(mdp.states, dtype=torch.float64)
    else:
        if isinstance(arm.baseline, ExactValue):
            arm.baseline.states = [torch.arange(mdp.states).repeat_interleave(mdp.actions)[None]]
        value = arm.baseline(every).value[0, 0, :: mdp.actions].double()
    value = torch.where(mdp.terminal, 0.0, value)
    reward = (
        mdp.reward if mdp.reward.ndim == 3 else mdp.reward[:, :, None].expand_as(mdp.transition)
    )
    return Tables(reward[None], score, value.view(1, -1, 1, 1), value.view(1, 1, 1, -1), truncates)


def _decisions(mdp: MDP) -> Rollout:
    """A rollout of one row in which every action is taken in every state, ``[1, 1, S·A]``."""
    state = torch.arange(mdp.states).repeat_interleave(mdp.actions)[None, None]
    action = torch.arange(mdp.actions).repeat(mdp.states)[None, None]
    seen, nothing = mdp.features[state], torch.zeros(state.shape, dtype=torch.float64)
    never = torch.zeros(state.shape, dtype=torch.bool)
    return Rollout(
        observation=seen,
        action=action,
        reward=nothing,
        terminated=~never,
        truncated=never,
        next_observation=torch.zeros_like(seen),
        mask=~never,
        time=torch.zeros_like(state),
        log_prob=nothing,
        complete=True,
    )
