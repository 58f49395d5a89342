"""Baselines that learn or remember, brought to where they may be measured."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from pgx.gradients.arms import Arm, Kind
from pgx.gradients.sample import Sampler


def fit(arms: Sequence[Arm], sampler: Sampler, iterations: int) -> dict[str, float | None]:
    """Let every baseline that learns or remembers see episodes that are measured nowhere.

    θ stands still. A critic takes a step of its own optimizer on each iteration's episodes, as in
    training; a running mean takes them in. Then they stay as they are. A value that is an output of
    the policy's network is part of θ and is not fitted.

    Args:
        arms: whose baselines.
        sampler: collects the episodes of one iteration.
        iterations: how many.

    Returns:
        For each arm with such a baseline, by its label, the explained variance
        1 − Var(G − V) / Var(G) over the rows of the last iteration, None where it is not defined.
    """
    learners = {}
    for arm in arms:
        flat = arm.baseline.flat
        if flat is not None and flat is not arm.policy.flat:
            rate = arm.baseline.learning_rate
            learners[arm.label] = arm.parts.optimizer(flat.data, learning_rate=rate)
    moved = [arm for arm in arms if arm.label in learners or arm.baseline.memory()]
    found: dict[str, float | None] = {arm.label: None for arm in moved}
    first: dict[Kind, Arm] = {}
    for arm in moved:
        first.setdefault(arm.kind, arm)
    progress = torch.zeros(1, dtype=torch.float64)
    for _ in range(iterations if moved else 0):
        rollout = sampler()
        for arm in first.values():
            answer = arm.baseline(rollout)
            if arm.label in learners:
                learners[arm.label].step(answer.gradient, progress)
            explained = answer.diagnostics.get("explained_variance")
            if explained is not None and bool(explained.isfinite()):
                found[arm.label] = float(explained)
    for arm in moved:
        _copy(first[arm.kind], arm)
        found[arm.label] = found[first[arm.kind].label]
    return found


@torch.no_grad()
def _copy(fitted: Arm, other: Arm) -> None:
    for mine, theirs in zip(fitted.baseline.memory(), other.baseline.memory(), strict=True):
        theirs.copy_(mine)
    learned, kept = fitted.baseline.flat, other.baseline.flat
    if learned is not None and kept is not None and kept is not other.policy.flat:
        kept.copy_(learned)
