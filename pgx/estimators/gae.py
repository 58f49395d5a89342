"""Generalised advantage estimation: an actor-critic that trades bias for variance with λ."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from pgx.errors import check_number
from pgx.estimators.actor_critic import ActorCritic
from pgx.returns import gae
from pgx.types import Baseline, Rollout


class GAE(ActorCritic):
    """The score weighted with λ-averaged advantages.

        A_t = Σ_l (γλ)ˡ δ_{t+l},   δ_t = r_t + γ V(s_{t+1}) − V(s_t)

    cut at the end of an episode or of the rollout.

    Source: Schulman et al. 2016, arXiv 1506.02438, eq. 16.

    Args:
        trace_decay: λ, in [0, 1]; 0 is the TD error, 1 the Monte Carlo return minus V.
        **common: the arguments of `ActorCritic`.

    Raises:
        ConfigError: λ outside its range.
    """

    def __init__(self, trace_decay: float, **common: Any) -> None:
        super().__init__(**common)
        check_number("estimator.trace_decay", trace_decay, least=0.0, most=1.0)
        self.trace_decay = trace_decay

    def advantage(self, rollout: Rollout, baseline: Baseline) -> Tensor:
        rest = self.continuation(rollout, baseline)
        return gae(
            rollout.reward, baseline.value, rest, rollout.ended, self.discount, self.trace_decay
        )
