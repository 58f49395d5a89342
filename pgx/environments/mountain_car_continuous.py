"""MountainCarContinuous-v0 for all replicas and slots at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pgx.environments.mountain_car import Hill
from pgx.types import EnvSpec

POWER = 0.0015  #: change of speed per decision under the strongest action
LIMIT = 1.0  #: actions are clipped to -LIMIT and LIMIT
GOAL = 0.45  #: position at or beyond which an episode terminates, unless the car rolls back
PRIZE, COST = 100.0, 0.1  #: reward for the goal, and price of a squared action

# 0-d arrays: twice as fast as Python floats in calls as small as these.
_POWER, _PRIZE, _COST = (np.array(v) for v in (POWER, PRIZE, COST))
_LIMIT = np.float32(LIMIT)


class MountainCarContinuous(Hill):
    """The car's force is the action; reaching the goal earns 100, a decision costs 0.1 a².

    `Hill` with f = 0.0015 a, until x ≥ 0.45 and v ≥ 0.

    A step from the same state equals that of gymnasium's ``MountainCarContinuous-v0`` up to the
    float32 (2e-7) in which gymnasium keeps the state between decisions; here it is float64. The
    action is clipped to ±1 before anything else: gymnasium clips the force alone, and charges an
    action out of bounds in full.

    Args:
        seeds: one seed per replica.
        slots: environments per replica, N.
        max_episode_steps: decisions after which an episode is truncated.

    Raises:
        ConfigError: if ``max_episode_steps`` is below 1.
    """

    def __init__(self, seeds: Sequence[int], slots: int, max_episode_steps: int = 999) -> None:
        name, bounds = "MountainCarContinuous-v0", ((-LIMIT,), (LIMIT,))
        spec = EnvSpec(name, (2,), "continuous", 1, max_episode_steps, *bounds)
        super().__init__(seeds, slots, spec, GOAL)
        self._chosen, self._gain = np.empty((2, *self.episode.shape))

    def _move(self, action: np.ndarray) -> None:
        np.clip(action[..., 0], -_LIMIT, _LIMIT, self._chosen)
        np.multiply(self._chosen, _POWER, self._force)
        self._roll()

    def _judge(self) -> None:
        super()._judge()
        np.multiply(self._terminated, _PRIZE, self._gain)
        np.square(self._chosen, self._scratch)
        np.multiply(self._scratch, _COST, self._scratch)
        np.subtract(self._gain, self._scratch, self._reward, casting="same_kind")
