"""A Gaussian policy over a multilayer perceptron, for continuous actions."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from pgx.errors import check_flag, check_number
from pgx.nets import Activation, ReplicaMLP, SharedMLP, check_network
from pgx.policies.gaussian import Gaussian
from pgx.types import EnvSpec


class GaussianMLP(Gaussian):
    """N(μ(s), σ²) with μ = MLP(s), and σ a parameter of its own or another output of the network.

    log σ is a parameter per dimension or, with ``state_dependent_std``, depends on the state.

    Args:
        spec: the environment's sizes.
        seeds: one seed per replica.
        hidden: widths of the hidden layers; none makes μ linear in the observation.
        activation: ``tanh`` or ``relu``.
        head_gain: gain of the orthogonal start of the last layer; small starts μ near 0.
        initial_std: σ at the start, in units of the action.
        state_dependent_std: whether σ depends on the state.
        noise_hold: k, decisions that share their noise. Above 1 a slot explores in one direction
            for a while, as Raffin et al. 2022 (arXiv 2005.05719) do with noise that depends on the
            state; log π stays that of independent draws, so the gradient is then biased.

    Raises:
        ConfigError: the actions are not continuous, or an argument makes no sense.
    """

    network: type[ReplicaMLP] | type[SharedMLP] = ReplicaMLP  #: what the outputs are of

    def __init__(
        self,
        spec: EnvSpec,
        seeds: Sequence[int],
        hidden: Sequence[int],
        activation: Activation,
        head_gain: float,
        initial_std: float,
        state_dependent_std: bool,
        noise_hold: int,
    ) -> None:
        super().__init__(spec, seeds)
        check_network("policy", hidden, activation)
        check_number("policy.head_gain", head_gain)
        check_number("policy.initial_std", initial_std, least=1e-6)
        check_flag("policy.state_dependent_std", state_dependent_std)
        check_number("policy.noise_hold", noise_hold, least=1, whole=True)
        self.noise_hold = noise_hold
        sizes = [math.prod(spec.observation_shape), *hidden, self.outputs]
        alone = 0 if state_dependent_std else spec.actions
        self.net = self.network(seeds, sizes, activation, head_gain, bias_only=alone)
        with torch.no_grad():
            _, bias = self.net.layers(self.net.flat)[-1]
            bias[..., -spec.actions :] = math.log(initial_std)
