"""n-step returns: the actor-critic between the TD error and Monte Carlo."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from pgx.errors import check_number
from pgx.estimators.actor_critic import ActorCritic
from pgx.returns import n_step
from pgx.types import Baseline, Rollout


class NStep(ActorCritic):
    """The score weighted with the n-step advantage.

        A_t = Σ_{k<n} γᵏ r_{t+k} + γⁿ V(s_{t+n}) − V(s_t) = Σ_{k<n} γᵏ δ_{t+k}

    cut at the end of an episode or of the rollout, whichever comes first: the last rows look fewer
    steps ahead, as in A3C (Mnih et al. 2016, algorithm S3), where n is the whole rollout.

    Source: Sutton & Barto 2018, eq. 7.1 and section 13.5.

    Args:
        steps: n, in decisions; 1 is the TD error, at least the horizon is A3C's.
        **common: the arguments of `ActorCritic`.

    Raises:
        ConfigError: n below 1.
    """

    def __init__(self, steps: int, **common: Any) -> None:
        super().__init__(**common)
        check_number("estimator.steps", steps, least=1, whole=True)
        self.steps = steps

    def advantage(self, rollout: Rollout, baseline: Baseline) -> Tensor:
        rest = self.continuation(rollout, baseline)
        return n_step(
            rollout.reward, baseline.value, rest, rollout.ended, self.discount, self.steps
        )
