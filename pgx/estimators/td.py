"""The one-step actor-critic."""

from __future__ import annotations

from torch import Tensor

from pgx.estimators.actor_critic import ActorCritic
from pgx.returns import td_error
from pgx.types import Baseline, Rollout


class TD(ActorCritic):
    """The score weighted with the one-step TD error.

        A_t = δ_t = r_t + γ V(s_{t+1}) − V(s_t)

    Source: Sutton & Barto 2018, section 13.5. This is the batch form: the update comes after the
    rollout, and γᵗ is kept only if ``discount_weighting`` is true. Unbiased where V is the true
    value; little variance and all of the critic's error elsewhere.
    """

    def advantage(self, rollout: Rollout, baseline: Baseline) -> Tensor:
        rest = self.continuation(rollout, baseline)
        return td_error(rollout.reward, baseline.value, rest, self.discount)
