"""The gradient by finite differences: no likelihood, one parameter after another."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from pgx.errors import check_choice, check_flag, check_number
from pgx.estimators.utility import Utility
from pgx.types import Baseline, Estimate, Rollout, ScoreFunction


class FiniteDifference(Utility):
    """Differences of utilities measured at steps along the parameters.

        central:  g_i = (U(θ + δ e_i) − U(θ − δ e_i)) / 2δ
        forward:  g_i = (U(θ + δ e_i) − U(θ)) / δ

    U is that of `Utility`. One estimate takes 2F or F + 1 points, each measured by N episodes, with
    F the number of parameters. Its bias is O(δ²) or O(δ); the variance of U is divided by δ², which
    is why the points should meet the same episodes. Deterministic policies have such a gradient as
    well, where U is smooth because the start is random.

    Source: Kochenderfer et al., *Algorithms for Decision Making*, section 11.1.

    Args:
        discount: γ, in [0, 1].
        step: δ, in units of θ.
        difference: ``central`` or ``forward``.
        common_noise: whether all points of a replica meet the same resets, dynamics and noise of
            the policy.

    Raises:
        ConfigError: a value out of range.
    """

    def __init__(
        self,
        discount: float,
        step: float,
        difference: Literal["central", "forward"],
        common_noise: bool,
    ) -> None:
        super().__init__(discount)
        check_number("estimator.step", step, least=1e-6)
        check_choice("estimator.difference", difference, ("central", "forward"))
        check_flag("estimator.common_noise", common_noise)
        self.step, self.central, self.common_noise = step, difference == "central", common_noise

    def population(self, policy: ScoreFunction) -> int:
        """M, how many points an estimate takes."""
        count = int(policy.free.sum())
        return 2 * count if self.central else count + 1

    @torch.no_grad()
    def ask(self, policy: ScoreFunction) -> Tensor:
        """The points ``[R, M, P]``: all steps forth, then all steps back or θ itself."""
        with torch.inference_mode(False):
            forth = self.step * torch.eye(policy.flat.shape[1], device=policy.flat.device)
            forth = forth[policy.free]
            back = -forth if self.central else torch.zeros_like(forth[:1])
            return policy.flat.detach().unsqueeze(1) + torch.cat([forth, back])

    @torch.no_grad()
    def __call__(self, policy: ScoreFunction, rollout: Rollout, baseline: Baseline) -> Estimate:
        """The estimate of ∇U for every replica.

        Args:
            policy: at whose parameters θ.
            rollout: ``[T, R, M·N, …]``, of the points that `ask` gave.
            baseline: none; zeros.

        Returns:
            The gradient ``[R, P]``, and the mean utility of the points ``[R]``.
        """
        utility = self.utilities(rollout, baseline, self.population(policy))
        points, free = self.ask(policy)[:, :, policy.free].double(), policy.free
        count = points.shape[2]
        forth = points[:, :count].diagonal(dim1=1, dim2=2)
        if self.central:
            back, before = points[:, count:].diagonal(dim1=1, dim2=2), utility[:, count:]
        else:
            back, before = points[:, count], utility[:, count:]
        gradient = torch.zeros_like(policy.flat)
        gradient[:, free] = ((utility[:, :count] - before) / (forth - back)).float()
        return Estimate(gradient, self.about(utility))
