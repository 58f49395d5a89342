"""Reward-weighted regression: imitate what the previous policy did, the more the better it went."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor

from pgx.axes import replica_rows, time_rows
from pgx.errors import check_number
from pgx.estimators.likelihood import log_likelihood
from pgx.estimators.reinforce import Reinforce
from pgx.estimators.score import masked_mean, standardise
from pgx.types import Baseline, Estimate, Rollout, ScoreFunction, TimeLimit


class RewardWeighted(Reinforce):
    """The gradient of a log-likelihood weighted with the returns of the policy that acted.

        g = 1/N Σ_n Σ_t w_t ∇ log π_θ(a_t|s_t),   w_t ∝ exp((G_t − b_t) / (τ · std(G − b)))

    with std over the replica's own rows, and w scaled to a mean of 1 over them.

    A weight is never negative: w takes the part of a probability, so that by Jensen's inequality
    the weighted log-likelihood bounds the log of the expected reward from below, and a maximum
    exists. A negative weight would reward making log π as small as one likes.

    The rollout is the previous policy's: ``rollouts_reused`` gradient steps on each make π_θ fit
    it. With 1 they are the policy-gradient steps of a transformed reward.

    Source: Peters & Schaal 2007, "Reinforcement learning by reward-weighted regression for
    operational space control", section 2. There the reward is immediate, τ is adapted, and the
    fit is a weighted regression in closed form; here the return from each decision on takes the
    reward's place, τ is fixed, and the fit is by gradient steps. With ``baseline=value`` it is
    advantage-weighted regression (Peng et al. 2019, arXiv 1910.00177).

    Args:
        temperature: τ, in standard deviations of the return; small imitates the best rows alone.
        discount: γ, in [0, 1].
        time_limit: as in `Reinforce`.
        entropy_coefficient: as in `Reinforce`, in nats beside a mean weight of 1.
        entropy: as in `Reinforce`.

    Raises:
        ConfigError: a value outside its range.
    """

    per_parameter = False
    separable = False

    def __init__(
        self,
        temperature: float,
        discount: float,
        time_limit: TimeLimit,
        entropy_coefficient: float | Mapping[str, Any],
        entropy: Literal["analytic", "monte_carlo"],
    ) -> None:
        super().__init__(discount, time_limit, entropy_coefficient, entropy, False)
        check_number("estimator.temperature", temperature, least=1e-3)
        self.temperature = temperature

    def advantage(self, rollout: Rollout, baseline: Baseline) -> Tensor:
        """w_t ``[T, R, N]``: at least 0, and 1 on average over a replica's rows."""
        value = self.reward_to_go(rollout, baseline) - baseline.value
        score = standardise(value, rollout) / self.temperature
        best = torch.where(rollout.mask, score, -torch.inf).amax((0, 2))  # exp cannot overflow
        weight = time_rows(replica_rows(score - best.unsqueeze(-1)).exp(), *rollout.mask.shape[::2])
        return weight / masked_mean(weight, rollout).unsqueeze(-1)

    def __call__(self, policy: ScoreFunction, rollout: Rollout, baseline: Baseline) -> Estimate:
        """As in `Reinforce`, with two more diagnostics ``[R]``.

        ``effective_samples`` is the fraction (Σw)² / (n Σw²) of the rows, 1 if all weigh alike;
        ``log_likelihood`` is the mean of w log π, in nats.
        """
        estimate = super().__call__(policy, rollout, baseline)
        weight = self.advantage(rollout, baseline)
        fit = masked_mean(weight * log_likelihood(policy, rollout), rollout)
        spread = 1.0 / masked_mean(weight * weight, rollout)
        more = {"effective_samples": spread, "log_likelihood": fit}
        return Estimate(estimate.gradient, {**estimate.diagnostics, **more})
