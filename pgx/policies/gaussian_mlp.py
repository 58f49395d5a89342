"""A Gaussian policy over a multilayer perceptron, for continuous actions."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from pgx.errors import ConfigError, check_flag, check_number
from pgx.nets import Activation, ReplicaMLP, check_network
from pgx.policies.base import Actor, Policy
from pgx.streams import Stream
from pgx.types import EnvSpec

LOG_2PI = math.log(2.0 * math.pi)


class GaussianMLP(Policy):
    """Independent Gaussians per action dimension.

        π(a|s) = Π_i N(a_i; μ_i(s), σ_i²)

    μ is the network's; log σ is a parameter of its own per dimension or, with
    ``state_dependent_std``, another output of the network. Draws are μ + σ · noise.

    Actions are not squashed: the environment clips them to its bounds, and log π is of the action
    before clipping, so that the gradient stays that of the policy that was sampled.

    Source: Sutton & Barto 2018, eq. 13.19; Williams 1992, section 6.

    Args:
        spec: the environment's sizes.
        seeds: one seed per replica.
        hidden: widths of the hidden layers; none makes μ linear in the observation.
        activation: ``tanh`` or ``relu``.
        head_gain: gain of the orthogonal start of the last layer; small starts μ near 0.
        initial_std: σ at the start, in units of the action.
        state_dependent_std: whether σ depends on the state.

    Raises:
        ConfigError: the actions are not continuous, or an argument makes no sense.
    """

    def __init__(
        self,
        spec: EnvSpec,
        seeds: Sequence[int],
        hidden: Sequence[int],
        activation: Activation,
        head_gain: float,
        initial_std: float,
        state_dependent_std: bool,
    ) -> None:
        super().__init__(spec, seeds)
        if spec.action_kind != "continuous":
            raise ConfigError(
                f"policy: a Gaussian policy needs continuous actions, {spec.id} has discrete ones; "
                "choose policy=categorical_mlp"
            )
        check_network("policy", hidden, activation)
        check_number("policy.head_gain", head_gain)
        check_number("policy.initial_std", initial_std, least=1e-6)
        check_flag("policy.state_dependent_std", state_dependent_std)
        self.outputs, self.noise_words = 2 * spec.actions, spec.actions
        sizes = [math.prod(spec.observation_shape), *hidden, self.outputs]
        alone = 0 if state_dependent_std else spec.actions
        self.net = ReplicaMLP(seeds, sizes, activation, head_gain, bias_only=alone)
        with torch.no_grad():
            _, bias = self.net.layers(self.net.flat)[-1]
            bias[..., spec.actions :] = math.log(initial_std)

    def noise(self, stream: Stream, start: np.ndarray, count: int) -> np.ndarray:
        return stream.normal(start, count, self.noise_words)

    def actor(self) -> Actor:
        net, device = self.net.frozen(), self.flat.device

        def act(observation: Tensor, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            outputs = net(observation.flatten(2).to(device)).numpy(force=True)
            mean, log_std = np.split(outputs, 2, axis=-1)
            return mean + np.exp(log_std) * noise, outputs

        return act

    def log_prob(self, outputs: Tensor, action: Tensor) -> Tensor:
        mean, log_std = outputs.chunk(2, dim=-1)
        standard = (action - mean) * torch.exp(-log_std)
        return (-0.5 * (standard * standard + LOG_2PI) - log_std).sum(-1)

    def entropy(self, outputs: Tensor) -> Tensor:
        """Σ_i (log σ_i + ½ log 2πe): the closed form."""
        return (outputs.chunk(2, dim=-1)[1] + 0.5 * (LOG_2PI + 1.0)).sum(-1)

    @torch.no_grad()
    def score(
        self, outputs: Tensor, action: Tensor, weight: Tensor, entropy_weight: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The closed form: ∂/∂μ = z/σ and ∂/∂log σ = z² − 1 of log π, with z = (a − μ)/σ."""
        mean, log_std = outputs.chunk(2, dim=-1)
        precision = torch.exp(-log_std)
        standard = (action - mean) * precision
        row = weight.unsqueeze(-1)
        by_log_std = row * (standard * standard - 1.0) + entropy_weight.unsqueeze(-1)
        slope = torch.cat([row * standard * precision, by_log_std], dim=-1)
        return slope, self.entropy(outputs)
