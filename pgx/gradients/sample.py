"""Complete episodes at one θ, from streams that training never touches."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig

from pgx.build import build_environment
from pgx.environments.base import Environment
from pgx.evaluation import evaluation_seeds
from pgx.normalization import Normalization
from pgx.policies.base import Policy
from pgx.rollout import Collector
from pgx.streams import Streams
from pgx.types import Rollout, Transition


class Watched(Environment):
    """A tabular environment whose states are noted down as decisions are made.

    Attributes:
        states: int64 ``[R, N]``, one for each decision since the episodes began.
    """

    def __init__(self, env: Environment) -> None:
        super().__init__(env.seeds, env.slots)
        self._env, self.spec, self.episode = env, env.spec, env.episode
        self.states: list[torch.Tensor] = []

    def reset(self, mask: np.ndarray | None = None) -> None:
        self.states.clear()
        self._env.reset(mask)
        self.observation = self._env.observation

    def step(self, action: np.ndarray, active: np.ndarray | None = None) -> Transition:
        self.states.append(self._env.state_dict()["state"].to(torch.int64))
        found = self._env.step(action, active)
        self.observation = self._env.observation
        return found

    def state_dict(self) -> dict[str, Any]:
        return self._env.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._env.load_state_dict(state)

    def close(self) -> None:
        self._env.close()


class Sampler:
    """Collects complete episodes of a policy, again and again; they are the same each time.

    Args:
        config: of the environment.
        policy: who decides; R = 1.
        seed: whose episodes.
        use: what for, of `pgx.evaluation.USES`: each use has seeds of its own.
        slots: episodes at once.
        normalization: what observations are seen through, or None.
        watched: whether states are noted down.

    Attributes:
        seconds: spent collecting.
        episodes: collected so far.
    """

    def __init__(
        self,
        config: DictConfig,
        policy: Policy,
        seed: int,
        use: str,
        slots: int,
        normalization: Normalization | None = None,
        watched: bool = False,
    ) -> None:
        env = build_environment(config, evaluation_seeds([seed], use), slots)
        self.env = Watched(env) if watched else env
        streams = Streams(env.seeds, slots)
        self._collect = Collector(policy, self.env, streams, None, normalization, False)
        self.seconds, self.episodes = 0.0, 0

    def __call__(self) -> Rollout:
        """The next rollout ``[T, 1, N, …]``; the call after this one overwrites it."""
        begun = time.perf_counter()
        rollout = self._collect(np.ones(1, dtype=bool), torch.zeros(1, dtype=torch.float64))
        self.seconds += time.perf_counter() - begun
        self.episodes += self.env.slots
        return rollout

    @property
    def states(self) -> Sequence[torch.Tensor]:
        """Of the last rollout, if they are noted down."""
        return self.env.states if isinstance(self.env, Watched) else ()

    def close(self) -> None:
        """Release the environment."""
        self.env.close()
