"""An ε-greedy policy on action values that are linear in the features."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from pgx.errors import ConfigError, check_flag, check_number
from pgx.nets import ReplicaMLP, split_layers
from pgx.policies.base import Actor, Policy
from pgx.streams import Stream
from pgx.types import EnvSpec


class ActionValue(Policy):
    """The action of the largest value, or, with probability ε, any action.

        Q(s, a) = (s W)_a,   π(a|s) = ε/A + (1 − ε) [Q(s, a) = max Q] / #{i: Q(s, i) = max Q}

    The outputs are Q. Values start at 0; equals are taken alike, so that the first episodes are
    those of a random policy. With one feature per state Q is a table; ``bias`` adds a b_a to Q
    that all states share. An evaluation with ``deterministic`` takes the first of the best. π does
    not change with Q but where it jumps: there is no score, and estimators that need one are
    refused.

    Source: Watkins 1989, "Learning from delayed rewards"; Sutton & Barto 2018, section 2.2.

    Args:
        spec: the environment's sizes.
        seeds: one seed per replica.
        epsilon: ε, in [0, 1].
        bias: whether Q has a constant per action beside the features.

    Raises:
        ConfigError: the actions are not discrete, ε is no probability, or ``bias`` is no flag.
    """

    net: ReplicaMLP
    likelihood = False
    action_values = True

    def __init__(self, spec: EnvSpec, seeds: Sequence[int], epsilon: float, bias: bool) -> None:
        super().__init__(spec, seeds)
        if spec.action_kind != "discrete":
            raise ConfigError(
                f"policy: action values need discrete actions, {spec.id} has continuous ones; "
                "choose an environment with discrete actions, such as environment=cartpole"
            )
        check_number("policy.epsilon", epsilon, least=0.0, most=1.0)
        check_flag("policy.bias", bias)
        self.net = ReplicaMLP(
            seeds, [math.prod(spec.observation_shape), spec.actions], head_gain=0.0
        )
        self.epsilon, self.outputs, self.noise_words = epsilon, spec.actions, spec.actions + 1
        self.bias = bias

    @property
    def free(self) -> Tensor:
        """bool ``[P]``: W, and b if there is one."""
        found = self.net.free().to(self.flat.dtype).unsqueeze(0)
        if not self.bias:
            self.net.layers(found)[0][1].zero_()
        return found[0] > 0

    def forward(self, rows: Tensor) -> Tensor:
        """Rows ``[R, B, *O]`` to Q ``[R, B, A]``; without a bias there is no gradient to it."""
        if self.bias:
            return super().forward(rows)
        weight, _ = split_layers(self.flat, self.net.widths)[0]
        return torch.bmm(rows.flatten(2), weight)[..., : self.outputs]

    def noise(self, stream: Stream, start: np.ndarray, count: int) -> np.ndarray:
        """Uniform on (0, 1): whether to explore, then who of the actions is preferred."""
        return stream.uniform(start, count, self.noise_words)

    def actor(self) -> Actor:
        net, device = self.net.frozen(), self.flat.device
        greedy = np.float32(1.0 - self.epsilon)

        def act(observation: Tensor, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            values = net(observation.flatten(2).to(device)).numpy(force=True)
            allowed = values == values.max(-1, keepdims=True)
            allowed |= noise[..., :1] > greedy
            return np.where(allowed, noise[..., 1:], np.float32(-1.0)).argmax(-1), values

        return act

    def every(self, outputs: Tensor) -> Tensor:
        """π(a|s) ``[R, B, A]`` of every action."""
        best = (outputs == outputs.amax(-1, keepdim=True)).to(outputs.dtype)
        best = best / best.sum(-1, keepdim=True)
        return self.epsilon / self.spec.actions + (1.0 - self.epsilon) * best

    def log_prob(self, outputs: Tensor, action: Tensor) -> Tensor:
        return self.every(outputs).gather(-1, action.unsqueeze(-1)).squeeze(-1).log()

    def entropy(self, outputs: Tensor) -> Tensor:
        pi = self.every(outputs)
        return -torch.where(pi > 0, pi * pi.log(), 0.0).sum(-1)

    def score(
        self, outputs: Tensor, action: Tensor, weight: Tensor, entropy_weight: Tensor
    ) -> tuple[Tensor, Tensor]:
        raise ConfigError("policy=action_value has no score; use estimator=q_learning")
