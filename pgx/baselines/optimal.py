"""The constant that makes the gradient's variance smallest, another one for each parameter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor

from pgx.baselines.base import BaselineModel
from pgx.errors import check_choice
from pgx.policies.base import Policy
from pgx.types import Baseline, EnvSpec, Rollout, ScoreFunction, TrajectoryScores


class Optimal(BaselineModel):
    """The variance-minimising constant of every policy parameter, from other trajectories.

        reward_to_go:  b_i = Σ_m Σ_t ℓ²_m,t,i G_m,t / Σ_m Σ_t ℓ²_m,t,i,   ℓ_t = γᵗ ∇ log π(a_t|s_t)
        reinforce:     b_i = Σ_m S²_m,i G_m,0 / Σ_m S²_m,i,               S = Σ_t ∇ log π(a_t|s_t)

    The estimator says which, as its ``best_constants`` documents: with the total return it is the
    optimum of a trajectory's whole estimate, with the return from each decision on that of one
    decision's term. γᵗ counts from t = 0 and is left out where the estimator leaves it out.

    m runs over the replica's other trajectories of this iteration, or over all of the iteration
    before, never over the one whose gradient it is subtracted in: the ratio would depend on it, and
    bias the gradient. (With one trajectory that is its own baseline the gradient is exactly 0.)

    Source: Kochenderfer, Wheeler & Wray 2022, "Algorithms for decision making", section 11.5. There
    the expectations are taken over the rollouts at hand.

    Args:
        spec: the environment's sizes.
        seeds: one seed per replica.
        source: ``leave_one_out``: another b for each trajectory, from the N − 1 others;
            ``held_out``: one b for all, from the iteration before and its policy; 0 in the first.

    Raises:
        ConfigError: an unknown source.
    """

    least_slots = 2
    needs_episodes = True
    per_parameter = True
    weighted: Tensor  #: of what is held out, ``[R, P]``
    square: Tensor

    def __init__(
        self, spec: EnvSpec, seeds: Sequence[int], source: Literal["leave_one_out", "held_out"]
    ) -> None:
        super().__init__(spec, seeds)
        check_choice("baseline.source", source, ("leave_one_out", "held_out"))
        self.source = source
        self._sums: Callable[[Rollout], tuple[Tensor, Tensor]] | None = None

    def serve(self, policy: Policy, estimator: TrajectoryScores) -> None:
        """Take the squares of this policy's scores as this estimator weighs them."""
        scores: ScoreFunction = policy

        def sums(rollout: Rollout) -> tuple[Tensor, Tensor]:
            return estimator.best_constants(scores, rollout)

        self._sums = sums  # not the policy itself: its parameters are not the baseline's
        if self.source == "held_out":
            self.register_buffer("weighted", torch.zeros_like(policy.flat.data))
            self.register_buffer("square", torch.zeros_like(policy.flat.data))

    @torch.no_grad()
    def forward(self, rollout: Rollout) -> Baseline:
        if self._sums is None:
            raise RuntimeError("the baseline serves no estimator yet")
        weighted, square = self._sums(rollout)
        if self.source == "leave_one_out":
            best = _ratio(_of_others(weighted), _of_others(square))
        else:
            best = _ratio(self.weighted, self.square).unsqueeze(1).expand_as(square)
            self.weighted.copy_(weighted.sum(1))
            self.square.copy_(square.sum(1))
        zeros = torch.zeros_like(rollout.reward)
        return Baseline(value=zeros, next_value=zeros, parameter_value=best)


def _of_others(terms: Tensor) -> Tensor:
    """The sum over the other trajectories, ``[R, N, P]``: added up, so that nothing cancels."""
    none = torch.zeros_like(terms[:, :1])
    before = torch.cat([none, terms[:, :-1].cumsum(1)], dim=1)
    after = torch.cat([terms[:, 1:].flip(1).cumsum(1).flip(1), none], dim=1)
    return before + after


def _ratio(weighted: Tensor, square: Tensor) -> Tensor:
    """weighted / square; 0 for a parameter that no score has moved."""
    return torch.where(square > 0, weighted / square.where(square > 0, 1.0), 0.0)
