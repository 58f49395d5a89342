"""REINFORCE with the total return: the estimator all others are short differences from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor

from pgx.errors import check_choice, check_flag, check_number
from pgx.estimators.score import masked_mean, score_gradient, standardise
from pgx.estimators.trajectories import trajectory_gradients
from pgx.returns import bootstrap, discounted_return
from pgx.schedules import Schedule
from pgx.types import Baseline, Estimate, Rollout, ScoreFunction, Solvable, TimeLimit


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
    scores = True  #: whether its gradient is a mean over trajectories of weighted scores
    per_parameter = True  #: whether a baseline may be another number for each parameter
    likelihood = True  #: whether it asks for log π, which deterministic policies lack
    separable = True  #: whether what a decision weighs does not depend on what others weigh
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
        self.separable = self.separable and not normalize_advantage

    def attach(self, policy: ScoreFunction, env: Solvable) -> None:
        """Called once, before training: most estimators know the environment by rollouts alone.

        Raises:
            ConfigError: the environment or the policy lacks what is needed.
        """

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

    def weight(self, rollout: Rollout, baseline: Baseline) -> Tensor:
        """What the score of row t is multiplied with in the end, ``[T, R, N]``."""
        weight = self.advantage(rollout, baseline)
        if self.normalize_advantage:
            weight = standardise(weight, rollout)
        return weight * self.row_weight(rollout)

    def score_sum(self, policy: ScoreFunction, rollout: Rollout) -> Tensor:
        """S ``[R, N, P]``, the sum of a trajectory's scores, each with its factor `row_weight`."""
        ones = torch.ones_like(rollout.reward)
        return trajectory_gradients(policy, rollout, ones * self.row_weight(rollout))

    def trajectories(self, policy: ScoreFunction, rollout: Rollout, baseline: Baseline) -> Tensor:
        """The estimate from every single trajectory, without an entropy bonus, ``[R, N, P]``.

        Its mean over N is what a call returns if there is no bonus.
        """
        found = trajectory_gradients(policy, rollout, self.weight(rollout, baseline))
        if baseline.parameter_value is None:
            return found
        return found - baseline.parameter_value * self.score_sum(policy, rollout)

    def best_constants(self, policy: ScoreFunction, rollout: Rollout) -> tuple[Tensor, Tensor]:
        """What the baseline of the smallest variance is the ratio of, in expectation.

            b*_i = E[S_i² G_0] / E[S_i²],   S = Σ_t ∇ log π(a_t|s_t)

        As E[S] = 0, b* is where the parabola Var((G_0 − b) S_i) has its minimum: this is the
        optimum of the whole trajectory's estimate.

        Source: Greensmith, Bartlett & Baxter 2004, "Variance reduction techniques for gradient
        estimates in reinforcement learning"; per parameter as in Peters & Schaal 2008,
        "Reinforcement learning of motor skills with policy gradients".

        Returns:
            S_i² G_0 and S_i², ``[R, N, P]`` each.
        """
        square = self.score_sum(policy, rollout).square()
        return square * self._unbased(rollout)[0].unsqueeze(-1), square

    def _unbased(self, rollout: Rollout) -> Tensor:
        """Ψ_t ``[T, R, N]`` without a baseline."""
        zeros = torch.zeros_like(rollout.reward)
        return self.advantage(rollout, Baseline(value=zeros, next_value=zeros))

    def __call__(self, policy: ScoreFunction, rollout: Rollout, baseline: Baseline) -> Estimate:
        """The estimate of ∇J for every replica.

        Args:
            policy: the policy that collected the rollout.
            rollout: ``[T, R, N, …]``.
            baseline: ``[T, R, N]`` values, constants to the policy; ``[R, N, P]`` ones as well.

        Returns:
            The gradient ``[R, P]`` and the mean entropy ``[R]``, in nats.
        """
        weight = self.weight(rollout, baseline)
        bonus = self.entropy_coefficient(rollout.progress)
        gradient, entropy = score_gradient(policy, rollout, weight, bonus, self.sampled_entropy)
        if baseline.parameter_value is not None:
            offset = baseline.parameter_value * self.score_sum(policy, rollout)
            gradient = gradient - offset.mean(1)
        return Estimate(gradient, {"entropy": masked_mean(entropy, rollout)})
