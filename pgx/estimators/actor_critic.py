"""What estimators with a critic share: rollouts of any length, and a V to go with them."""

from __future__ import annotations

from typing import Any

from pgx.errors import check_number
from pgx.estimators.reward_to_go import RewardToGo


class ActorCritic(RewardToGo):
    """The score weighted with an advantage that a critic V helps to estimate.

        g = 1/(T·N) Σ_{n,t} A_t ∇ log π(a_t|s_t)

    over T decisions of every slot that may cross episode ends. With ``horizon`` null the rollout
    holds complete episodes, and g sums over t and takes the mean over N. γᵗ multiplies a row,
    counted from its episode's start, if ``discount_weighting`` is true.

    Args:
        horizon: T, decisions per slot and iteration; null collects complete episodes.
        **common: the arguments of `RewardToGo`.

    Raises:
        ConfigError: a horizon below 1.
    """

    needs_value = True
    per_parameter = False

    def __init__(self, horizon: int | None, **common: Any) -> None:
        super().__init__(**common)
        if horizon is not None:
            check_number("estimator.horizon", horizon, least=1, most=10**6, whole=True)
        self.horizon = horizon
