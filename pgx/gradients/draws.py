"""From a rollout to what a variance is taken of: one estimate per trajectory, or per batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import Any

import torch
from torch import Tensor

from pgx.baselines.critic import Critic
from pgx.estimators.reinforce import Reinforce
from pgx.estimators.trajectories import trajectory_gradients
from pgx.gradients.arms import Arm, Kind
from pgx.gradients.yardsticks import ExactValue
from pgx.types import Baseline, Rollout, ScoreFunction


def draws(
    arm: Arm,
    rollout: Rollout,
    states: Sequence[Tensor],
    batch: int,
    known: dict[Kind, Baseline] | None = None,
) -> Tensor:
    """Independent estimates of the gradient, each the mean over ``batch`` trajectories.

    An arm that compares trajectories is given batches of this size, as training would give it.

    Args:
        arm: estimator and baseline.
        rollout: complete episodes ``[T, 1, M, …]``.
        states: of every decision, for a baseline that knows V.
        batch: trajectories of an estimate; divides M.
        known: what baselines have answered to this rollout, for other arms to share.

    Returns:
        float32 ``[M / batch, P]``.
    """
    if isinstance(arm.baseline, ExactValue):
        arm.baseline.states = list(states)
    before = [tensor.clone() for tensor in arm.baseline.memory()]
    seen = rollout if arm.unit == 1 else _grouped(rollout, batch)
    with torch.no_grad():
        if known is None or arm.unit > 1:
            known = {}
        if arm.kind not in known:
            known[arm.kind] = _of_batches(arm, rollout, seen)
        baseline = known[arm.kind]
        weight = arm.estimator.weight(seen, baseline).flatten(1).unsqueeze(1)  # [T, 1, M]
    found = trajectory_gradients(arm.policy, rollout, weight)
    if baseline.parameter_value is not None:
        taken = baseline.parameter_value.flatten(0, 1).unsqueeze(0)
        found = found - taken * arm.estimator.score_sum(arm.policy, rollout)
    for tensor, old in zip(arm.baseline.memory(), before, strict=True):
        tensor.copy_(old)  # what measures does not learn
    return found[0].unflatten(0, (-1, batch)).mean(1)


def _of_batches(arm: Arm, rollout: Rollout, seen: Rollout) -> Baseline:
    if arm.baseline.per_parameter and arm.unit > 1:
        arm.baseline.serve(arm.policy, _Rows(arm.estimator, rollout, seen.mask.shape[1]))
        found: Baseline = arm.baseline(seen)
        arm.baseline.serve(arm.policy, arm.estimator)
        return found
    if isinstance(arm.baseline, Critic):
        return predicted(arm.baseline, seen)
    answer: Baseline = arm.baseline(seen)
    return answer


def predicted(critic: Critic, rollout: Rollout) -> Baseline:
    """A critic's values of the rows that exist, without the gradient that it would learn by."""
    net, mask = critic.net.frozen(), rollout.mask
    value, after = torch.zeros((2, *mask.shape), dtype=rollout.reward.dtype)
    value[mask] = net(rollout.observation[mask].flatten(1).unsqueeze(0))[0, :, 0]
    after[:-1] = torch.where(rollout.ended[:-1], 0.0, value[1:])
    needed = rollout.truncated & ~rollout.terminated & mask
    if bool(needed.any()):
        after[needed] = net(rollout.next_observation[needed].flatten(1).unsqueeze(0))[0, :, 0]
    return Baseline(value, after)


class _Rows:
    """An estimator's `best_constants` of all trajectories at once, for batches of them."""

    def __init__(self, estimator: Reinforce, rollout: Rollout, batches: int) -> None:
        self._estimator, self._rollout, self._batches = estimator, rollout, batches

    def best_constants(self, policy: ScoreFunction, rollout: Rollout) -> tuple[Tensor, Tensor]:
        first, second = self._estimator.best_constants(policy, self._rollout)
        shape = (self._batches, -1)
        return first[0].unflatten(0, shape), second[0].unflatten(0, shape)


def _grouped(rollout: Rollout, batch: int) -> Rollout:
    """Batches as replicas: ``[T, 1, M, …]`` to ``[T, M / batch, batch, …]``."""
    count = rollout.mask.shape[2] // batch
    progress = None if rollout.progress is None else rollout.progress.expand(count)
    return _with(rollout, progress, lambda tensor: tensor[:, 0].unflatten(1, (-1, batch)))


def first_slots(rollout: Rollout, slots: int) -> Rollout:
    """The rollout of the first slots alone."""
    return _with(rollout, rollout.progress, lambda tensor: tensor[:, :, :slots])


def _with(rollout: Rollout, progress: Tensor | None, view: Callable[[Tensor], Tensor]) -> Rollout:
    """The rollout with every tensor of its rows seen another way."""
    rows: dict[str, Any] = {
        field.name: view(value)
        for field in fields(rollout)
        if field.name != "progress" and isinstance(value := getattr(rollout, field.name), Tensor)
    }
    return replace(rollout, progress=progress, **rows)
