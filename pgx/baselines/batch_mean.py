"""The batch mean of the return as a baseline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pgx.baselines.base import BaselineModel, constant
from pgx.errors import check_choice
from pgx.returns import discounted_return
from pgx.types import Baseline, EnvSpec, Rollout


class BatchMean(BaselineModel):
    """The mean over a replica's N trajectories, the one at hand included.

        scope time:        b_t = 1/N Σ_n G_t,n      scope trajectory:  b = 1/N Σ_n G_0,n

    An ended trajectory counts as 0. Including the trajectory at hand shrinks the mean gradient of a
    constant baseline by 1 − 1/N (Greensmith et al. 2004 discuss held-out baselines).

    Args:
        spec: the environment's sizes.
        seeds: one seed per replica.
        discount: γ, the estimator's.
        scope: ``time``: one number per decision since the start; ``trajectory``: one in all.

    Raises:
        ConfigError: an unknown scope.
    """

    least_slots = 2

    def __init__(
        self,
        spec: EnvSpec,
        seeds: Sequence[int],
        discount: float,
        scope: Literal["time", "trajectory"],
    ) -> None:
        super().__init__(spec, seeds)
        check_choice("baseline.scope", scope, ("time", "trajectory"))
        self.discount, self.scope = discount, scope

    def forward(self, rollout: Rollout) -> Baseline:
        to_go = discounted_return(rollout.reward, rollout.ended, self.discount)
        mean = to_go.mean(-1, keepdim=True)
        if self.scope == "trajectory":
            mean = mean[:1]
        return constant(mean.expand_as(to_go))
