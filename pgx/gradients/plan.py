"""How many episodes are collected at once, and which group each belongs to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from omegaconf import DictConfig

from pgx.evaluation import HELD
from pgx.gradients.moments import GROUPS
from pgx.types import EnvSpec

LEAST, FEW, MOST = 16, 64, 1024  #: episodes at once


@dataclass(frozen=True)
class Plan:
    """How episodes are collected: K groups of equal size, in rollouts of M slots.

    Attributes:
        slots: M, episodes at once.
        rollouts: how many.
        groups_at_once: groups that a rollout holds, or 1 if a group takes several.
    """

    slots: int
    rollouts: int
    groups_at_once: int

    @classmethod
    def of(cls, episodes: int, batch: int, most: int) -> Plan:
        """At least these episodes, whole batches of ``batch``, at most ``most`` at once."""
        size = -(-episodes // (GROUPS * batch)) * batch
        most = max(most // batch * batch, batch)
        if size > most:
            parts = -(-size // most)
            slots = -(-size // (parts * batch)) * batch
            return cls(slots, GROUPS * parts, 1)
        together = max(n for n in range(1, GROUPS + 1) if GROUPS % n == 0 and n * size <= most)
        return cls(size * together, GROUPS // together, together)

    @property
    def episodes(self) -> int:
        return self.slots * self.rollouts

    def first(self, rollout: int) -> int:
        """The first group of a rollout."""
        return rollout * GROUPS // self.rollouts


def at_once(config: DictConfig, spec: EnvSpec, parameters: int, longest: int) -> int:
    """Episodes that are collected side by side; it depends on nothing but its arguments.

    Args:
        config: of the environment; gymnasium's own are objects or processes, and stay few.
        spec: what an episode shows is kept until all have ended.
        parameters: P; so is a gradient for each.
        longest: decisions of the longest of a few episodes; twice as long ones are expected.
    """
    if config.environment.get("vectorization") == "async":
        return int(config.environment.slots)
    most = MOST if "vectorization" not in config.environment else FEW
    size = 2 * int(np.prod(spec.observation_shape, dtype=int)) * 2 * longest
    return max(LEAST, min(most, HELD // size, HELD // parameters))
