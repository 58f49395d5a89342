"""A Gaussian policy whose network has a state value as one more output."""

from __future__ import annotations

from pgx.nets import Network, SharedMLP
from pgx.policies.gaussian_mlp import GaussianMLP


class GaussianShared(GaussianMLP):
    """`GaussianMLP` with a trunk that it shares with a critic, for ``baseline=shared_value``.

        [V(s), μ(s), log σ] = MLP(s)

    Takes the arguments of `GaussianMLP`; ``head_gain`` is not the value's, which starts with
    gain 1. Beside another baseline the value output is idle.

    Source: Mnih et al. 2016, arXiv 1602.01783, section 4: all but the output layers are shared.
    """

    net: SharedMLP
    network = SharedMLP

    @property
    def value_net(self) -> Network:
        return self.net.value
