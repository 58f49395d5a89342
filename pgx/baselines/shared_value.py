"""A state value that is one more output of the policy's network: the shared trunk."""

from __future__ import annotations

from pgx.baselines.critic import Critic
from pgx.errors import ConfigError
from pgx.policies.base import Policy


class SharedValue(Critic):
    """V_θ(s), an output of the policy's own network, fitted as `Critic` says.

        θ moves along  −∇_θ (−J + L),   L = c · scale Σ_{n,t} (V_θ(s_t) − y_t)²

    so that policy and critic share their features, the optimizer and its learning rate: c alone
    says how much the critic's error counts. Clipping sees the sum of both gradients. The error is
    in squared units of return: where returns are in the hundreds, c = ½ lets the critic have the
    trunk. On CartPole the a2c preset does better with 0.02.

    Source: Mnih et al. 2016, arXiv 1602.01783, section 4; the factor c = ½ as in its A2C successor.
    There, both losses are means over the rollout's rows, as here.
    """

    def attach(self, policy: Policy) -> None:
        if policy.value_net is None:
            raise ConfigError(
                "baseline=shared_value: this policy has no value output; use "
                "policy=categorical_shared or policy=gaussian_shared"
            )
        self.learn(policy.value_net)
