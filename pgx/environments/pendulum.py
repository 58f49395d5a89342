"""Pendulum-v1 for all replicas and slots at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from pgx.environments.classic import Classic
from pgx.environments.drawing import drawing
from pgx.types import EnvSpec

INTERVAL = 0.05  #: seconds between decisions
TORQUE_LIMIT, SPEED_LIMIT = 2.0, 8.0  #: newton metres, radians per second
START = (np.pi, 1.0)  #: a reset state is uniform between -START and START

# 0-d arrays: twice as fast as Python floats in calls as small as these.
_INTERVAL, _PULL, _PI, _TURN = (np.array(v) for v in (INTERVAL, 15.0, np.pi, 2 * np.pi))
_SPEED_COST, _FAST = np.array(0.1), np.array(SPEED_LIMIT)
_PUSH, _TORQUE_COST, _STRONG = (np.float32(v) for v in (3.0, 0.001, TORQUE_LIMIT))


class Pendulum(Classic):
    """A pendulum, driven by a torque too weak to lift it at once, is to stand upright.

        θ̈ = (3 g / 2 l) sin θ + (3 / m l²) τ,   τ clipped to ±2 Nm,   g = 10, m = l = 1
        θ̇ ← clip(θ̇ + θ̈ Δ, ±8),   θ ← θ + θ̇ Δ,   Δ = 50 ms
        reward = −(θ² + 0.1 θ̇² + 0.001 τ²) of the state decided in, θ from −π to π, 0 upright

    Nothing terminates it. A step from the same state equals that of gymnasium's ``Pendulum-v1`` up
    to rounding (1e-12 in the state).

    Args:
        seeds: one seed per replica.
        slots: environments per replica, N.
        max_episode_steps: decisions after which an episode is truncated.

    Raises:
        ConfigError: if ``max_episode_steps`` is below 1.
    """

    def __init__(self, seeds: Sequence[int], slots: int, max_episode_steps: int = 200) -> None:
        bounds = (-TORQUE_LIMIT,), (TORQUE_LIMIT,)
        spec = EnvSpec("Pendulum-v1", (3,), "continuous", 1, max_episode_steps, *bounds)
        super().__init__(seeds, slots, spec, [-v for v in START], START)
        shape = self.episode.shape
        self._cost, self._scratch = np.empty((2, *shape))
        self._torque, self._torque_term = np.empty((2, *shape), dtype=np.float32)

    def camera(self, replica: int, slot: int) -> Callable[[], np.ndarray]:
        """As gymnasium draws it, with an arrow for the latest torque of the episode."""
        draw, place = drawing(self.spec.id), (replica, slot)

        def look() -> np.ndarray:
            torque = float(self._torque[place]) if self._elapsed[place] else None
            return draw(self.state[place], last_u=torque)

        return look

    def _move(self, action: np.ndarray) -> None:
        angle, speed = self._state
        cost, scratch, torque, term = self._cost, self._scratch, self._torque, self._torque_term
        np.clip(action[..., 0], -_STRONG, _STRONG, torque)
        np.add(angle, _PI, cost)
        np.remainder(cost, _TURN, cost)
        np.subtract(cost, _PI, cost)
        np.square(cost, cost)
        np.square(speed, scratch)
        np.multiply(scratch, _SPEED_COST, scratch)
        np.add(cost, scratch, cost)
        np.square(torque, term)
        np.multiply(term, _TORQUE_COST, term)
        np.add(cost, term, cost)
        np.negative(cost, self._reward, casting="same_kind")
        np.sin(angle, scratch)
        np.multiply(scratch, _PULL, scratch)
        np.multiply(torque, _PUSH, term)
        np.add(scratch, term, scratch)
        np.multiply(scratch, _INTERVAL, scratch)
        np.add(speed, scratch, speed)
        np.clip(speed, -_FAST, _FAST, speed)
        np.multiply(speed, _INTERVAL, scratch)
        np.add(angle, scratch, angle)

    def _judge(self) -> None:
        """Nothing ends but by time."""

    def _show(self) -> None:
        angle, speed = self._state
        shown = self.observation
        shown[..., 0], shown[..., 1], shown[..., 2] = np.cos(angle), np.sin(angle), speed
