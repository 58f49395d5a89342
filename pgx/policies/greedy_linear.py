"""A deterministic policy over linear features."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from pgx.errors import ConfigError
from pgx.nets import ReplicaMLP
from pgx.policies.base import Actor, Policy
from pgx.streams import Stream
from pgx.types import EnvSpec


class GreedyLinear(Policy):
    """The action of the largest preference.

        a = arg max_i h_i(s),   h_0 = 0,   h_i = s w_i + b_i for i ≥ 1

    Only differences of preferences count, so the first action has none of its own: two actions need
    one plane. Parameters start at 0, and of equals the first action is taken. There is no log π and
    no score: it is for optimizers that know utilities only.

    Source: Szita & Lőrincz 2006, "Learning Tetris using the noisy cross-entropy method", section 2:
    a linear function of features is maximised.

    Args:
        spec: the environment's sizes.
        seeds: one seed per replica.

    Raises:
        ConfigError: the actions are not discrete, or there is one only.
    """

    likelihood = False

    def __init__(self, spec: EnvSpec, seeds: Sequence[int]) -> None:
        super().__init__(spec, seeds)
        if spec.action_kind != "discrete" or spec.actions < 2:
            raise ConfigError(
                f"policy: greedy_linear needs at least 2 discrete actions, {spec.id} has others; "
                "choose an environment with discrete actions, such as environment=cartpole"
            )
        sizes = [math.prod(spec.observation_shape), spec.actions - 1]
        self.net = ReplicaMLP(seeds, sizes, head_gain=0.0)
        self.outputs, self.noise_words = spec.actions, 1

    def forward(self, rows: Tensor) -> Tensor:
        """Preferences ``[R, B, A]``, the first of them 0."""
        return torch.nn.functional.pad(super().forward(rows), (1, 0))

    def noise(self, stream: Stream, start: np.ndarray, count: int) -> np.ndarray:
        """Zeros: nothing is drawn."""
        return np.zeros((len(start), count, start.shape[1], 1), dtype=np.float32)

    def actor(self) -> Actor:
        net, device = self.net.frozen(), self.flat.device

        def act(observation: Tensor, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            others = net(observation.flatten(2).to(device)).numpy(force=True)
            preferences = np.zeros((*others.shape[:2], others.shape[2] + 1), dtype=np.float32)
            preferences[:, :, 1:] = others
            return preferences.argmax(-1), preferences

        return act

    def log_prob(self, outputs: Tensor, action: Tensor) -> Tensor:
        """0 for the action that is taken, −∞ for the others."""
        return torch.where(outputs.argmax(-1) == action, 0.0, -torch.inf).to(outputs.dtype)

    def entropy(self, outputs: Tensor) -> Tensor:
        """0."""
        return torch.zeros_like(outputs[..., 0])

    def score(
        self, outputs: Tensor, action: Tensor, weight: Tensor, entropy_weight: Tensor
    ) -> tuple[Tensor, Tensor]:
        raise ConfigError(
            "policy=greedy_linear has no likelihood; use estimator=utility with a search, "
            "estimator=finite_difference, or policy=categorical_linear"
        )
