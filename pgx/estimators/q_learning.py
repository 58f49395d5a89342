"""Q-learning: a value-based method, to hold policy gradients against."""

from __future__ import annotations

import torch
from torch import Tensor

from pgx.axes import join_time, replica_rows, time_blocks, time_rows
from pgx.errors import ConfigError, check_number
from pgx.estimators.reinforce import Reinforce
from pgx.estimators.score import masked_mean, row_scale
from pgx.returns import bootstrap
from pgx.types import Baseline, Estimate, Rollout, ScoreFunction, Solvable, TimeLimit


class QLearning(Reinforce):
    """The step of Q towards the reward and the best value after it.

        g = 1/(T·N) Σ_{n,t} δ_t ∇Q(s_t, a_t),   δ_t = r_t + γ max_a Q(s_{t+1}, a) − Q(s_t, a_t)

    over T decisions of every slot that may cross episode ends; with ``horizon`` null over complete
    episodes, summed over t and averaged over N. The target counts as a constant, so g is the
    gradient of no function. With ``horizon: 1``, one slot and ``optimizer=sgd`` it is the update as
    published, one decision at a time.

    Source: Watkins 1989, "Learning from delayed rewards"; Sutton & Barto 2018, eq. 6.8.

    Args:
        discount: γ, in [0, 1].
        time_limit: ``end``: after a truncation nothing follows; ``bootstrap``: max Q(s') does.
        horizon: T, decisions per slot and iteration; null collects complete episodes.

    Raises:
        ConfigError: a value out of range.
    """

    scores = False
    per_parameter = False
    likelihood = False

    def __init__(self, discount: float, time_limit: TimeLimit, horizon: int | None) -> None:
        super().__init__(discount, time_limit, 0.0, "analytic", False)
        if horizon is not None:
            check_number("estimator.horizon", horizon, least=1, most=10**6, whole=True)
        self.horizon = horizon

    def attach(self, policy: ScoreFunction, env: Solvable) -> None:
        if not getattr(policy, "action_values", False):
            raise ConfigError(
                "estimator=q_learning: it learns action values, which this policy does not have; "
                "use policy=action_value"
            )

    def error(self, policy: ScoreFunction, rollout: Rollout) -> Tensor:
        """δ ``[T, R, N]``, a constant."""
        here, after = [], []
        with torch.no_grad():
            for block in time_blocks(len(rollout.mask), rollout.complete):
                shape = rollout.mask[block].shape[::2]
                values = policy(replica_rows(rollout.observation[block]))
                action = replica_rows(rollout.action[block]).unsqueeze(2)
                here.append(time_rows(values.gather(2, action).squeeze(2), *shape))
                values = policy(replica_rows(rollout.next_observation[block]))
                after.append(time_rows(values.amax(2), *shape))
        rest = bootstrap(join_time(after), rollout.terminated, rollout.truncated, self.time_limit)
        return rollout.reward + self.discount * rest - join_time(here)

    def __call__(self, policy: ScoreFunction, rollout: Rollout, baseline: Baseline) -> Estimate:
        """The step for every replica.

        Args:
            policy: the policy that collected the rollout; its outputs are Q.
            rollout: ``[T, R, N, …]``.
            baseline: none; zeros.

        Returns:
            The gradient ``[R, P]``, and the mean of |δ| ``[R]``, in units of reward.
        """
        error = self.error(policy, rollout)
        weight = torch.where(rollout.mask, error * row_scale(rollout), 0.0)
        total = torch.zeros_like(policy.flat)
        for block in time_blocks(len(weight), rollout.complete):
            with torch.enable_grad():
                values = policy(replica_rows(rollout.observation[block]))
            action = replica_rows(rollout.action[block]).unsqueeze(2)
            slope = torch.zeros_like(values)
            slope.scatter_(2, action, replica_rows(weight[block]).unsqueeze(2))
            total += torch.autograd.grad(values, policy.flat, slope)[0]
        return Estimate(total, {"td_error": masked_mean(error.abs(), rollout)})
