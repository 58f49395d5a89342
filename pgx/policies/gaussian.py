"""The Gaussian policy over any network, for continuous actions: what its options share."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from pgx.errors import ConfigError
from pgx.policies.base import Actor, Policy
from pgx.streams import Stream
from pgx.types import EnvSpec

LOG_2PI = math.log(2.0 * math.pi)


class Gaussian(Policy):
    """Independent Gaussians per action dimension.

        π(a|s) = Π_i N(a_i; μ_i(s), σ_i²)

    The outputs are μ, then log σ. Draws are μ + σ · noise.

    Actions are not squashed: the environment clips them to its bounds, and log π is of the action
    before clipping, so that the gradient stays that of the policy that was sampled.

    Source: Sutton & Barto 2018, eq. 13.19; Williams 1992, section 6.

    Attributes:
        noise_hold: k, consecutive decisions of a slot that share their noise; 1 draws anew.

    Raises:
        ConfigError: the environment's actions are not continuous.
    """

    noise_hold: int = 1

    def __init__(self, spec: EnvSpec, seeds: Sequence[int]) -> None:
        super().__init__(spec, seeds)
        if spec.action_kind != "continuous":
            raise ConfigError(
                f"policy: a Gaussian policy needs continuous actions, {spec.id} has discrete ones; "
                "choose policy=categorical_mlp"
            )
        self.outputs, self.noise_words = 2 * spec.actions, spec.actions

    def noise(self, stream: Stream, start: np.ndarray, count: int) -> np.ndarray:
        if self.noise_hold == 1:
            return stream.normal(start, count, self.noise_words)
        index = (start[:, None] + np.arange(count)[:, None]) // self.noise_hold
        first, reach = start // self.noise_hold, (count - 1) // self.noise_hold + 2
        drawn = stream.normal(first, reach, self.noise_words)
        return np.take_along_axis(drawn, (index - first[:, None])[..., None], axis=1)

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
