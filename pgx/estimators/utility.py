"""The utilities of a population, for optimizers that know nothing else."""

from __future__ import annotations

import torch
from torch import Tensor

from pgx.estimators.reinforce import Reinforce
from pgx.types import Baseline, Estimate, Rollout, ScoreFunction


class Utility(Reinforce):
    """U(θ_m) of every member of a population: no gradient, and nothing asked of the policy.

        U_m = 1/N Σ_n Σ_t γᵗ r_t

    over the N complete episodes that member m has played. A time limit ends an episode. Rewards are
    those the learner sees: with ``normalization.rewards`` the scaled ones. A member that has seen a
    number that is none has the utility NaN.

    Source: Kochenderfer et al., *Algorithms for Decision Making*, section 10.1.

    Args:
        discount: γ, in [0, 1].

    Raises:
        ConfigError: γ outside [0, 1].
    """

    scores = False
    per_parameter = False
    likelihood = False
    members = 1  #: M; the search's, once an arm is built

    def __init__(self, discount: float) -> None:
        super().__init__(discount, "end", 0.0, "analytic", False)

    def utilities(self, rollout: Rollout, baseline: Baseline, members: int) -> Tensor:
        """U, float64 ``[R, M]``, of a rollout whose M·N slots hold M members one after another."""
        nothing = torch.where(rollout.mask, (rollout.observation * 0.0).flatten(3).sum(-1), 0.0)
        returns = self.reward_to_go(rollout, baseline)[0] + nothing.sum(0)
        apart = returns.double().unflatten(1, (members, -1))
        total = torch.zeros_like(apart[:, :, 0])
        for slot in apart.unbind(2):
            total = total + slot
        return total / apart.shape[2]

    def __call__(self, policy: ScoreFunction, rollout: Rollout, baseline: Baseline) -> Estimate:
        """The utilities ``[R, M]`` in place of a gradient.

        Args:
            policy: the incumbent, which is not measured.
            rollout: ``[T, R, M·N, …]``.
            baseline: none; zeros.

        Returns:
            ``Estimate.utility``, no gradient, and the mean and the best utility ``[R]``.
        """
        utility = self.utilities(rollout, baseline, self.members)
        return Estimate(torch.zeros_like(policy.flat), self.about(utility), utility)

    def about(self, utility: Tensor) -> dict[str, Tensor]:
        """The mean and the best of the utilities ``[R, M]``, ``[R]`` each."""
        total = torch.zeros_like(utility[:, 0])
        for member in utility.unbind(1):
            total = total + member
        mean = total / utility.shape[1]
        return {"utility": mean.float(), "utility_best": utility.amax(1).float()}
