"""MountainCar-v0 for all replicas and slots at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pgx.environments.classic import Classic
from pgx.types import EnvSpec

WALL, EDGE, SPEED_LIMIT = -1.2, 0.6, 0.07  #: positions the car stays between, and its speed
FORCE, GRAVITY = 0.001, 0.0025  #: change of speed per decision
GOAL = 0.5  #: position at or beyond which an episode terminates, unless the car rolls back
START = (-0.6, -0.4)  #: the position of a reset state is uniform between these, its speed is 0

# 0-d arrays: twice as fast as Python floats in calls as small as these.
_WALL, _EDGE, _FAST, _ZERO = (np.array(v) for v in (WALL, EDGE, SPEED_LIMIT, 0.0))
_PULL, _WAVES = np.array(-GRAVITY), np.array(3.0)
_PUSH = FORCE * np.array([-1.0, 0.0, 1.0])


class Hill(Classic):
    """A car too weak for the hill before it must swing back to gain speed.

        v ← clip(v + f − 0.0025 cos 3x, ±0.07),   x ← clip(x + v, −1.2, 0.6)

    Against the wall on the left the car stops. What f is, and the reward, are the option's.

    Moore (1990), "Efficient memory-based learning for robot control"; Singh & Sutton 1996.

    Args:
        seeds: one seed per replica.
        slots: environments per replica, N.
        spec: sizes and names.
        goal: the position at or beyond which an episode terminates, unless the car rolls back.
    """

    def __init__(self, seeds: Sequence[int], slots: int, spec: EnvSpec, goal: float) -> None:
        super().__init__(seeds, slots, spec, (START[0], 0.0), (START[1], 0.0))
        shape = self.episode.shape
        self._goal = np.array(goal)
        self._force, self._scratch = np.empty((2, *shape))
        self._true, self._also = np.empty((2, *shape), dtype=bool)

    def _roll(self) -> None:
        """Advance the state by one decision under ``self._force``."""
        position, speed = self._state
        np.multiply(position, _WAVES, self._scratch)
        np.cos(self._scratch, self._scratch)
        np.multiply(self._scratch, _PULL, self._scratch)
        np.add(self._force, self._scratch, self._scratch)
        np.add(speed, self._scratch, speed)
        np.clip(speed, -_FAST, _FAST, speed)
        np.add(position, speed, position)
        np.clip(position, _WALL, _EDGE, position)
        np.equal(position, _WALL, self._true)
        np.less(speed, _ZERO, self._also)
        np.logical_and(self._true, self._also, self._true)
        np.copyto(speed, _ZERO, where=self._true)

    def _judge(self) -> None:
        np.greater_equal(self._state[0], self._goal, self._true)
        np.greater_equal(self._state[1], _ZERO, self._also)
        np.logical_and(self._true, self._also, self._terminated)

    def _show(self) -> None:
        self.observation[..., 0], self.observation[..., 1] = self._state


class MountainCar(Hill):
    """The car is pushed left (0), not at all (1) or right (2); every decision costs 1.

    `Hill` with f = −0.001, 0 or 0.001, until x ≥ 0.5 and v ≥ 0.

    A step from the same state equals that of gymnasium's ``MountainCar-v0`` up to rounding (1e-12
    in the state).

    Args:
        seeds: one seed per replica.
        slots: environments per replica, N.
        max_episode_steps: decisions after which an episode is truncated.

    Raises:
        ConfigError: if ``max_episode_steps`` is below 1.
    """

    def __init__(self, seeds: Sequence[int], slots: int, max_episode_steps: int = 200) -> None:
        spec = EnvSpec("MountainCar-v0", (2,), "discrete", 3, time_limit=max_episode_steps)
        super().__init__(seeds, slots, spec, GOAL)
        self._reward[...] = -1.0

    def _move(self, action: np.ndarray) -> None:
        _PUSH.take(action, out=self._force, mode="raise")
        self._roll()
