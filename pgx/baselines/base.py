"""What a baseline offers: a value for every row of a rollout, a constant to the policy."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from pgx.policies.base import Policy
from pgx.types import Baseline, EnvSpec, Rollout, TrajectoryScores


class BaselineModel(nn.Module, ABC):
    """Maps a rollout to a `Baseline`.

    Args:
        spec: the environment's sizes.
        seeds: one seed per replica.

    Attributes:
        predicts: whether it predicts V(s'), which a bootstrap needs.
        least_slots: trajectories per replica it needs.
        needs_episodes: whether it compares returns of complete episodes.
        per_parameter: whether it offers a value per trajectory and policy parameter.
        learning_rate: of its own parameters, per iteration; None without any.
    """

    predicts: bool = False
    least_slots: int = 1
    needs_episodes: bool = False
    per_parameter: bool = False
    learning_rate: float | None = None

    def __init__(self, spec: EnvSpec, seeds: Sequence[int]) -> None:
        super().__init__()
        self.spec, self.replicas = spec, len(seeds)

    @property
    def flat(self) -> Tensor | None:
        """``[R, P]``, the parameters it learns, or None."""
        return None

    def attach(self, policy: Policy) -> None:
        """Called once, before training: most baselines need nothing of the policy.

        One whose value is an output of the policy's network takes it here; its ``flat`` then is the
        policy's, and its gradient is added to the policy's before clipping.

        Raises:
            ConfigError: the policy lacks what is needed.
        """

    def serve(self, policy: Policy, estimator: TrajectoryScores) -> None:
        """Called once, after `attach`, if it is ``per_parameter``: whose gradient it is part of."""

    def memory(self) -> list[Tensor]:
        """What it remembers besides its parameters, ``[R, …]`` each, changed in place."""
        return list(self.buffers())

    @abstractmethod
    def forward(self, rollout: Rollout) -> Baseline:
        """The values of every row; see `Baseline`."""


def constant(value: Tensor) -> Baseline:
    """A baseline that predicts nothing and learns nothing: ``value`` ``[T, R, N]`` and zeros."""
    return Baseline(value=value, next_value=torch.zeros_like(value))
