"""A policy that is its parameter: a number cut off at 0 and 1."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from pgx.errors import ConfigError, check_flag, check_number
from pgx.nets import ReplicaMLP
from pgx.policies.base import Actor, Policy
from pgx.streams import Stream
from pgx.types import EnvSpec


class Clamp(Policy):
    """Two actions, left (0) and right (1), whatever is observed; the output is θ.

        π(L) = clamp(θ, 0, 1),   π(R) = clamp(1 − θ, 0, 1)
        ∂ log π(L)/∂θ = 1/θ,   ∂ log π(R)/∂θ = −1/(1−θ)   on [0, 1], both 0 outside

    Outside [0, 1] every gradient is 0 and the policy stays as it is; an impossible action has
    log-probability −∞ and score 0. At 0 and 1 themselves the derivative is the inner one.
    ``project`` puts θ back into [0, 1] after every step. On the edge the estimate from samples is
    no longer unbiased: the other action, whose weight would be infinite, is never taken.

    Args:
        spec: the environment's sizes.
        seeds: one seed per replica.
        initial_probability: θ at the start.
        project: whether θ is put back into [0, 1] after every step.

    Raises:
        ConfigError: the environment has not two discrete actions, or θ starts outside [0, 1].
    """

    net: ReplicaMLP

    def __init__(
        self, spec: EnvSpec, seeds: Sequence[int], initial_probability: float, project: bool
    ) -> None:
        super().__init__(spec, seeds)
        if spec.action_kind != "discrete" or spec.actions != 2:
            raise ConfigError(
                f"policy: clamp needs two discrete actions, {spec.id} has others; choose such an "
                "environment, as environment=two_action"
            )
        check_number("policy.initial_probability", initial_probability, least=0.0, most=1.0)
        check_flag("policy.project", project)
        self.projects, self.outputs, self.noise_words = project, 1, 2
        sizes = [math.prod(spec.observation_shape), 1]
        self.net = ReplicaMLP(seeds, sizes, head_gain=0.0, bias_only=1)
        with torch.no_grad():
            self.net.layers(self.net.flat)[0][1].fill_(initial_probability)

    @torch.no_grad()
    def project(self) -> None:
        if self.projects:
            self.net.layers(self.net.flat)[0][1].clamp_(0.0, 1.0)

    def noise(self, stream: Stream, start: np.ndarray, count: int) -> np.ndarray:
        return stream.gumbel(start, count, self.noise_words)

    def actor(self) -> Actor:
        net, device = self.net.frozen(), self.flat.device

        def act(observation: Tensor, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            theta = net(observation.flatten(2).to(device))
            log_pi = self.probabilities(theta).log().numpy(force=True)
            return (log_pi + noise).argmax(-1), theta.numpy(force=True)

        return act

    def probabilities(self, outputs: Tensor) -> Tensor:
        return torch.cat([outputs, 1.0 - outputs], dim=-1).clamp(0.0, 1.0)

    def log_prob(self, outputs: Tensor, action: Tensor) -> Tensor:
        chance = self.probabilities(outputs).gather(-1, action.unsqueeze(-1)).squeeze(-1)
        possible = chance > 0
        return torch.where(possible, chance.where(possible, 1.0).log(), -torch.inf)

    def entropy(self, outputs: Tensor) -> Tensor:
        return torch.special.entr(self.probabilities(outputs)).sum(-1)

    @torch.no_grad()
    def score(
        self, outputs: Tensor, action: Tensor, weight: Tensor, entropy_weight: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The closed form; the entropy's slope log((1−θ)/θ), infinite on the edge, is 0 there."""
        theta = outputs.squeeze(-1)
        chance = self.probabilities(outputs).gather(-1, action.unsqueeze(-1)).squeeze(-1)
        moves = (theta >= 0) & (theta <= 1) & (chance > 0)
        slope = torch.where(moves, torch.where(action == 0, 1.0, -1.0) / chance, 0.0)
        inside = (theta > 0) & (theta < 1)
        bend = torch.where(inside, torch.log((1.0 - theta) / theta), 0.0)
        slope = weight * slope + entropy_weight * bend
        return slope.unsqueeze(-1), self.entropy(outputs)
