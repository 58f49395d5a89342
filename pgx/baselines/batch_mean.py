"""The batch mean of the return as a baseline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from torch import Tensor

from pgx.baselines.base import BaselineModel, constant
from pgx.errors import check_choice, check_number
from pgx.returns import discounted_return
from pgx.types import Baseline, EnvSpec, Rollout


class BatchMean(BaselineModel):
    """The mean over a replica's N trajectories, the one at hand included.

        scope time:        b_t = 1/N Σ_n G_t,n      scope trajectory:  b = 1/N Σ_n G_0,n

    An ended trajectory counts as 0, and time counts from the episode's start. Including the
    trajectory at hand shrinks the mean gradient: with a constant baseline by 1 − 1/N
    (`LeaveOneOut` does not).

    Args:
        spec: the environment's sizes.
        seeds: one seed per replica.
        discount: γ, the estimator's.
        scope: ``time``: one number per decision since the start; ``trajectory``: one in all.

    Raises:
        ConfigError: an unknown scope.
    """

    least_slots = 2
    needs_episodes = True

    def __init__(
        self,
        spec: EnvSpec,
        seeds: Sequence[int],
        discount: float,
        scope: Literal["time", "trajectory"],
    ) -> None:
        super().__init__(spec, seeds)
        check_choice("baseline.scope", scope, ("time", "trajectory"))
        check_number("baseline.discount", discount, least=0.0, most=1.0)
        self.discount, self.scope = discount, scope

    def average(self, to_go: Tensor) -> Tensor:
        """What is subtracted from returns ``[T, R, N]``, one number per row or per slot of it."""
        return to_go.mean(-1, keepdim=True)

    def forward(self, rollout: Rollout) -> Baseline:
        to_go = discounted_return(rollout.reward, rollout.ended, self.discount)
        averaged = self.average(to_go[:1] if self.scope == "trajectory" else to_go)
        return constant(averaged.expand_as(to_go))
