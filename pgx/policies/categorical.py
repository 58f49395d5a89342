"""The categorical (softmax) policy over any network: what its options share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from pgx.errors import ConfigError
from pgx.policies.base import Actor, Policy
from pgx.streams import Stream
from pgx.types import EnvSpec


def log_softmax(outputs: Tensor) -> Tensor:
    """log π, with actions moved to the front: ``[R, B, A]`` to ``[A, R, B]``.

    Reductions over a short last axis are slow; over the first one they run at full vector width.
    """
    logits = outputs.movedim(-1, 0).contiguous()
    shifted = logits - logits.amax(0)
    return shifted - shifted.exp().sum(0).log()


class Categorical(Policy):
    """π(a|s) = softmax(outputs)_a; draws are arg max(outputs + Gumbel noise).

    Source: Sutton & Barto 2018, eq. 13.2; the draw is Gumbel 1954's.

    Raises:
        ConfigError: the environment's actions are not discrete.
    """

    def __init__(self, spec: EnvSpec, seeds: Sequence[int]) -> None:
        super().__init__(spec, seeds)
        if spec.action_kind != "discrete":
            raise ConfigError(
                f"policy: a categorical policy needs discrete actions, {spec.id} has continuous "
                "ones; choose an environment with discrete actions, such as environment=cartpole"
            )
        self.outputs = self.noise_words = spec.actions

    def noise(self, stream: Stream, start: np.ndarray, count: int) -> np.ndarray:
        return stream.gumbel(start, count, self.noise_words)

    def actor(self) -> Actor:
        net, device = self.net.frozen(), self.flat.device

        def act(observation: Tensor, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            logits = net(observation.flatten(2).to(device)).numpy(force=True)
            return (logits + noise).argmax(-1), logits

        return act

    def log_prob(self, outputs: Tensor, action: Tensor) -> Tensor:
        return log_softmax(outputs).gather(0, action.unsqueeze(0)).squeeze(0)

    def entropy(self, outputs: Tensor) -> Tensor:
        log_pi = log_softmax(outputs)
        return -(log_pi.exp() * log_pi).sum(0)

    @torch.no_grad()
    def score(
        self, outputs: Tensor, action: Tensor, weight: Tensor, entropy_weight: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The closed form: weight · (1_a − π) − entropy_weight · π (log π + H)."""
        log_pi = log_softmax(outputs)
        pi = log_pi.exp()
        entropy = -(pi * log_pi).sum(0)
        gradient = -pi * (weight + entropy_weight * (log_pi + entropy))
        gradient.scatter_add_(0, action.unsqueeze(0), weight.unsqueeze(0))
        return gradient.movedim(0, -1), entropy
