"""Reward-to-go as a prioritised sampler would see it, on average over its draws."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from pgx.axes import replica_rows, time_rows
from pgx.errors import check_number
from pgx.estimators.reward_to_go import RewardToGo
from pgx.types import Baseline, Rollout


class Prioritized(RewardToGo):
    """Reward-to-go whose decisions weigh as if they were drawn by their advantage.

        g = 1/N Σ_n Σ_t (M_n P_t)^(1−β) γᵗ (G_t − b_t) ∇ log π(a_t|s_t)
        P_t = (1 − u) p_t^α / Σ_k p_k^α + u / M_n,   p_t = |G_t − b_t|

    with M_n the decisions of trajectory n, over which the sum of P is 1. A sampler that draws
    decisions with probability P and multiplies what it drew with (M P)^−β has this mean: β = 1
    undoes the priorities and leaves `RewardToGo`, whatever α; β = 0 does nothing about them, and
    the estimate is biased. Nothing is drawn here: what is left is the bias alone, which
    ``pgx gradients`` measures, exactly with ``--exact``.

    Source: Schaul, Quan, Antonoglou & Silver 2016, "Prioritized experience replay", section 3.3 and
    3.4, for a replay memory and TD errors. Here the memory is one trajectory, and the share u of
    uniform draws takes the place of their ε.

    Args:
        priority_exponent: α, at least 0; 0 is uniform.
        uniform_share: u, in [0, 1].
        importance_exponent: β, in [0, 1].
        **common: the arguments of `RewardToGo`.

    Raises:
        ConfigError: a value outside its range.
    """

    per_parameter = False
    separable = False

    def __init__(
        self,
        priority_exponent: float,
        uniform_share: float,
        importance_exponent: float,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        check_number("estimator.priority_exponent", priority_exponent, least=0.0)
        check_number("estimator.uniform_share", uniform_share, least=0.0, most=1.0)
        check_number("estimator.importance_exponent", importance_exponent, least=0.0, most=1.0)
        self.priority_exponent, self.uniform_share = priority_exponent, uniform_share
        self.importance_exponent = importance_exponent

    def weight(self, rollout: Rollout, baseline: Baseline) -> Tensor:
        chance = self.probability(self.advantage(rollout, baseline), rollout)
        count = _over_time(rollout.mask.to(chance.dtype))
        factor = power(count * chance, 1.0 - self.importance_exponent)
        return super().weight(rollout, baseline) * factor

    def probability(self, advantage: Tensor, rollout: Rollout) -> Tensor:
        """P ``[T, R, N]``: 0 where no row is, and uniform where every advantage is 0."""
        exists = rollout.mask.to(advantage.dtype)
        priority = power(advantage.abs(), self.priority_exponent) * exists
        total, count = _over_time(priority), _over_time(exists).clamp(min=1.0)
        share = torch.where(total > 0.0, priority / total, exists / count)
        return (1.0 - self.uniform_share) * share + self.uniform_share * exists / count


def power(base: Tensor, exponent: float) -> Tensor:
    """``base ** exponent``, ``[T, R, N]``; padded rows, so that a replica keeps its bits."""
    steps, _, slots = base.shape
    return time_rows(replica_rows(base) ** exponent, steps, slots)


def _over_time(tensor: Tensor) -> Tensor:
    """Sum over time, ``[T, R, N]`` to ``[1, R, N]``; rows of zeros at the end change no bit."""
    return tensor.cumsum(0)[-1:]
