"""REINFORCE with the total return: the estimator all others are short differences from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor

from pgx.errors import check_choice, check_flag, check_number
from pgx.estimators.score import masked_mean, score_gradient, standardise
from pgx.returns import bootstrap, discounted_return
from pgx.schedules import Schedule
from pgx.types import Baseline, Estimate, Rollout, ScoreFunction, TimeLimit


class Reinforce:
    """The likelihood-ratio gradient with the return of the whole episode.

        g = 1/N Σ_n Σ_t (G_0 − b_t) ∇ log π(a_t|s_t),   G_0 = Σ_k γᵏ r_k

    Source: Williams 1992, "Simple statistical gradient-following algorithms", the episodic form. It
    needs complete episodes, sums over t and takes the mean over the N trajectories.

    Args:
        discount: γ, in [0, 1].
        time_limit: ``end``: a truncated episode is over; ``bootstrap``: its return goes on with
            γ V(s').
        entropy_coefficient: ρ of the bonus ρ H(π(·|s)) per row, in units of reward per nat; a
            number or a `Schedule`, as in ``{start: 0.01, end: 0.0}``.
        entropy: ``analytic``: ∇H in closed form; ``monte_carlo``: −log π(a|s) of the action taken
            takes the place of H, the same gradient on average.
        normalize_advantage: standardise the weights of each replica's rows.

    Raises:
        ConfigError: a value outside its range.
    """

    needs_value = False  #: whether it needs a baseline that predicts V(s')
    horizon: int | None = None  #: decisions per slot and iteration; None: complete episodes

    def __init__(
        self,
        discount: float,
        time_limit: TimeLimit,
        entropy_coefficient: float | Mapping[str, Any],
        entropy: Literal["analytic", "monte_carlo"],
        normalize_advantage: bool,
    ) -> None:
        check_number("estimator.discount", discount, least=0.0, most=1.0)
        check_choice("estimator.entropy", entropy, ("analytic", "monte_carlo"))
        check_flag("estimator.normalize_advantage", normalize_advantage)
        check_choice("estimator.time_limit", time_limit, ("bootstrap", "end"))
        self.discount, self.time_limit = discount, time_limit
        self.entropy_coefficient = Schedule("estimator.entropy_coefficient", entropy_coefficient)
        self.sampled_entropy = entropy == "monte_carlo"
        self.normalize_advantage = normalize_advantage

    def continuation(self, rollout: Rollout, baseline: Baseline) -> Tensor:
        """V(s_{t+1}), or 0 where nothing follows, ``[T, R, N]``."""
        return bootstrap(
            baseline.next_value, rollout.terminated, rollout.truncated, self.time_limit
        )

    def reward_to_go(self, rollout: Rollout, baseline: Baseline) -> Tensor:
        """G_t ``[T, R, N]``, continued with γ V(s') where the time limit says so."""
        rest = self.continuation(rollout, baseline)
        reward = rollout.reward + self.discount * torch.where(rollout.ended, rest, 0.0)
        return discounted_return(reward, rollout.ended, self.discount)

    def advantage(self, rollout: Rollout, baseline: Baseline) -> Tensor:
        """Ψ_t ``[T, R, N]``, what multiplies the score of row t."""
        total = self.reward_to_go(rollout, baseline)[0]
        return total - baseline.value

    def row_weight(self, rollout: Rollout) -> Tensor | float:
        """A factor of every row's weight, after standardisation: 1 here."""
        return 1.0

    def __call__(self, policy: ScoreFunction, rollout: Rollout, baseline: Baseline) -> Estimate:
        """The estimate of ∇J for every replica.

        Args:
            policy: the policy that collected the rollout.
            rollout: ``[T, R, N, …]``.
            baseline: ``[T, R, N]`` values, constants to the policy.

        Returns:
            The gradient ``[R, P]`` and the mean entropy ``[R]``, in nats.
        """
        weight = self.advantage(rollout, baseline)
        if self.normalize_advantage:
            weight = standardise(weight, rollout)
        weight = weight * self.row_weight(rollout)
        bonus = self.entropy_coefficient(rollout.progress)
        gradient, entropy = score_gradient(policy, rollout, weight, bonus, self.sampled_entropy)
        return Estimate(gradient, {"entropy": masked_mean(entropy, rollout)})
