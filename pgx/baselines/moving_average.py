"""The running mean of past returns as a baseline."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from pgx.baselines.base import BaselineModel, constant
from pgx.errors import check_number
from pgx.returns import discounted_return
from pgx.types import Baseline, EnvSpec, Rollout


class MovingAverage(BaselineModel):
    """One number per replica: the mean return of the iterations before, old ones fading.

        b_i = m_i / (1 − βⁱ),   m_{i+1} = β m_i + (1 − β) · 1/N Σ_n G_0,n,   b_0 = 0

    It does not see the rollout at hand, so the gradient stays unbiased, with N = 1 as well. The
    division makes an early mean a mean of what has been seen, as in Adam.

    Source: Williams 1992, section 6, the reinforcement comparison; the form with a bias correction
    is Kingma & Ba's, arXiv 1412.6980.

    Args:
        spec: the environment's sizes.
        seeds: one seed per replica.
        discount: γ, the estimator's.
        decay: β, per iteration, in [0, 1).

    Raises:
        ConfigError: β outside [0, 1).
    """

    needs_episodes = True

    def __init__(self, spec: EnvSpec, seeds: Sequence[int], discount: float, decay: float) -> None:
        super().__init__(spec, seeds)
        check_number("baseline.decay", decay, least=0.0, below=1.0)
        check_number("baseline.discount", discount, least=0.0, most=1.0)
        self.discount, self.decay = discount, decay
        self.register_buffer("mean", torch.zeros(self.replicas, 1))
        self.register_buffer("power", torch.ones(self.replicas, 1))  # βⁱ

    def forward(self, rollout: Rollout) -> Baseline:
        unbias = 1.0 - self.power
        value = torch.where(unbias > 0, self.mean / unbias.where(unbias > 0, 1.0), 0.0)
        to_go = discounted_return(rollout.reward, rollout.ended, self.discount)
        self.mean.mul_(self.decay).add_(to_go[0].mean(-1, keepdim=True) * (1.0 - self.decay))
        self.power.mul_(self.decay)
        return constant(value.expand_as(to_go))
