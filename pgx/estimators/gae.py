"""Generalised advantage estimation: an actor-critic that trades bias for variance with λ."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from pgx.errors import check_number
from pgx.estimators.reward_to_go import RewardToGo
from pgx.returns import bootstrap, gae
from pgx.types import Baseline, Rollout


class GAE(RewardToGo):
    """The score weighted with λ-averaged advantages of a value baseline.

        g = 1/(T·N) Σ_{n,t} A_t ∇ log π(a_t|s_t),   A_t = Σ_l (γλ)ˡ δ_{t+l},
        δ_t = r_t + γ V(s_{t+1}) − V(s_t)

    over T decisions of every slot that may cross episode ends. With ``horizon`` null the rollout
    holds complete episodes, and g sums over t and takes the mean over N. γᵗ multiplies a row,
    counted from its episode's start, if ``discount_weighting`` is true.

    Source: Schulman et al. 2016, arXiv 1506.02438, eq. 16.

    Args:
        trace_decay: λ, in [0, 1]; 0 is the TD error, 1 the Monte Carlo return minus V.
        horizon: T, decisions per slot and iteration; null collects complete episodes.
        **common: the arguments of `RewardToGo`.

    Raises:
        ConfigError: a value outside its range.
    """

    needs_value = True

    def __init__(self, trace_decay: float, horizon: int | None, **common: Any) -> None:
        super().__init__(**common)
        check_number("estimator.trace_decay", trace_decay, least=0.0, most=1.0)
        if horizon is not None:
            check_number("estimator.horizon", horizon, least=1, whole=True)
        self.trace_decay, self.horizon = trace_decay, horizon

    def advantage(self, rollout: Rollout, baseline: Baseline) -> Tensor:
        rest = bootstrap(
            baseline.next_value, rollout.terminated, rollout.truncated, self.time_limit
        )
        return gae(
            rollout.reward, baseline.value, rest, rollout.ended, self.discount, self.trace_decay
        )
