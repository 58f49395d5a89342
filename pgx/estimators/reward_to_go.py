"""Reward-to-go: REINFORCE without the rewards that came before the action."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from pgx.errors import check_flag
from pgx.estimators.reinforce import Reinforce
from pgx.estimators.trajectories import squared_scores
from pgx.returns import discount_power
from pgx.types import Baseline, Rollout, ScoreFunction


class RewardToGo(Reinforce):
    """REINFORCE with the return from each decision on.

        g = 1/N Σ_n Σ_t γᵗ (G_t − b_t) ∇ log π(a_t|s_t),   G_t = Σ_{k≥t} γ^{k−t} r_k

    Source: Sutton & Barto 2018, section 13.3 (REINFORCE) and 13.4 (with baseline).

    Args:
        discount_weighting: keep γᵗ. Without it the update is the popular one, which is not the
            gradient of any objective (Nota & Thomas 2020, arXiv 1906.07073) unless γ = 1.
        **common: the arguments of `Reinforce`.
    """

    def __init__(self, discount_weighting: bool, **common: Any) -> None:
        super().__init__(**common)
        check_flag("estimator.discount_weighting", discount_weighting)
        self.discount_weighting = discount_weighting

    def advantage(self, rollout: Rollout, baseline: Baseline) -> Tensor:
        return self.reward_to_go(rollout, baseline) - baseline.value

    def row_weight(self, rollout: Rollout) -> Tensor | float:
        return discount_power(rollout.time, self.discount) if self.discount_weighting else 1.0

    def best_constants(self, policy: ScoreFunction, rollout: Rollout) -> tuple[Tensor, Tensor]:
        """What the lecture's baseline is the ratio of, in expectation.

            r_base,i = E[Σ_t ℓ_t,i² G_t] / E[Σ_t ℓ_t,i²],   ℓ_t = γᵗ ∇ log π(a_t|s_t)

        with γᵗ counted from t = 0, and left out where ``discount_weighting`` is false. It is the
        best constant for one decision's term, not for the sum over a trajectory, whose terms are
        correlated.

        Source: Kochenderfer, Wheeler & Wray 2022, "Algorithms for decision making", section 11.5.
        There γ counts from k = 1 as γᵏ⁻¹.

        Returns:
            Σ_t ℓ_t,i² G_t and Σ_t ℓ_t,i², ``[R, N, P]`` each.
        """
        factor = torch.ones_like(rollout.reward) * self.row_weight(rollout)
        square = factor * factor
        weighted = squared_scores(policy, rollout, square * self._unbased(rollout))
        return weighted, squared_scores(policy, rollout, square)
