"""The exact policy gradient as an estimator: ascent without sampling."""

from __future__ import annotations

import torch
from torch import Tensor

from pgx.errors import ConfigError
from pgx.estimators.reinforce import Reinforce
from pgx.types import Baseline, Estimate, Rollout, ScoreFunction, Solvable, TimeLimit


class Exact(Reinforce):
    """The gradient of the objective itself, where the environment knows it.

        g = ∇J(θ),   J(θ) = E_θ[Σ_t γᵗ r_t]

    in float64, by autograd through the linear equations of a tabular environment, or through a
    closed form. Rollouts are collected all the same: they measure the return, and count as
    decisions, so that ascent and stochastic ascent stand on one axis. The gradient does not depend
    on them.

    Source: the policy gradient theorem, Sutton, McAllester, Singh & Mansour 2000, theorem 1.

    Args:
        discount: γ, in [0, 1].
        time_limit: ``end``, nothing else is known: what comes after a truncation counts nothing.

    Raises:
        ConfigError: a value outside its range.
    """

    scores = False
    per_parameter = False

    def __init__(self, discount: float, time_limit: TimeLimit) -> None:
        super().__init__(discount, time_limit, 0.0, "analytic", False)
        if time_limit != "end":
            raise ConfigError(f"estimator.time_limit={time_limit}: estimator=exact knows only end")
        self._env: Solvable | None = None

    def attach(self, policy: ScoreFunction, env: Solvable) -> None:
        """Ask for the truth from now on."""
        env.objective(policy, self.discount)
        self._env = env

    def advantage(self, rollout: Rollout, baseline: Baseline) -> Tensor:
        """No score is weighted: 0."""
        return torch.zeros_like(rollout.reward)

    def __call__(self, policy: ScoreFunction, rollout: Rollout, baseline: Baseline) -> Estimate:
        """As in `Reinforce`; the diagnostics are the mean entropy and ``objective``, J ``[R]``."""
        if self._env is None:
            raise RuntimeError("attach the estimator to an environment first")
        entropy = super().__call__(policy, rollout, baseline).diagnostics["entropy"]
        with torch.enable_grad():
            value = self._env.objective(policy, self.discount)
            (gradient,) = torch.autograd.grad(value.sum(), policy.flat)
        known = value.detach().to(gradient.device)
        return Estimate(gradient, {"entropy": entropy, "objective": known})
