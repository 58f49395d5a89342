"""Reward-to-go: REINFORCE without the rewards that came before the action."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from pgx.errors import check_flag
from pgx.estimators.reinforce import Reinforce
from pgx.returns import discount_power
from pgx.types import Baseline, Rollout


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
