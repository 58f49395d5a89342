"""Acrobot-v1 for all replicas and slots at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pgx.environments.classic import Classic
from pgx.types import EnvSpec

INTERVAL = 0.2  #: seconds between decisions
START = 0.1  #: the four numbers of a reset state are uniform between -START and START
SPEED_LIMIT = (4 * np.pi, 9 * np.pi)  #: radians per second of the first and the second link
HEIGHT = 1.0  #: of the tip above the first joint, in lengths of a link: above is terminated

# 0-d arrays: twice as fast as Python floats in calls as small as these.
_HALF, _NEAR, _FAR, _INERTIA = (np.array(v) for v in (0.5, 1.25, 3.5, 1.25))
_PULL, _PULL_FIRST = np.array(0.5 * 9.8), np.array(1.5 * 9.8)  # m l_c g, and (m l_c + m l) g
_PI, _TURN, _TOP = np.array(np.pi), np.array(2 * np.pi), np.array(HEIGHT)
_STEPS = tuple(np.array(v) for v in (INTERVAL / 2, INTERVAL / 2, INTERVAL))
_TWO, _SIXTH = np.array(2.0), np.array(INTERVAL / 6)
_TORQUE = np.array([-1.0, 0.0, 1.0])
_ONE = np.array(1, dtype=np.float32)


class Acrobot(Classic):
    """Two links hang from a joint; torque at the elbow is to swing the tip above a line.

        θ̈₂ = (τ + (d₂/d₁) φ₁ − ½ θ̇₁² sin θ₂ − φ₂) / (5/4 − d₂²/d₁),   θ̈₁ = −(d₂ θ̈₂ + φ₁) / d₁
        d₁ = 7/2 + cos θ₂,   d₂ = 5/4 + ½ cos θ₂,   φ₂ = ½ g sin(θ₁ + θ₂)
        φ₁ = −½ θ̇₂² sin θ₂ − θ̇₁ θ̇₂ sin θ₂ + (3/2) g sin θ₁ + φ₂

    with links of 1 m, 1 kg and moment of inertia 1, their mass in the middle, g = 9.8. One decision
    (τ = −1, 0 or 1 Nm) is one Runge-Kutta step of 0.2 s. Every decision costs 1 until
    −cos θ₁ − cos(θ₁ + θ₂) > 1; the last is free.

    Sutton & Barto 2018, section 11.3 of the first edition; Sutton (1996), "Generalization in
    reinforcement learning", whose dynamics gymnasium calls those of the book.

    A step from the same state equals that of gymnasium's ``Acrobot-v1`` up to rounding (1e-10 in
    the state): constants are folded, and cos(x − π/2) is written sin x.

    Args:
        seeds: one seed per replica.
        slots: environments per replica, N.
        max_episode_steps: decisions after which an episode is truncated.

    Raises:
        ConfigError: if ``max_episode_steps`` is below 1.
    """

    def __init__(self, seeds: Sequence[int], slots: int, max_episode_steps: int = 500) -> None:
        spec = EnvSpec("Acrobot-v1", (6,), "discrete", 3, time_limit=max_episode_steps)
        super().__init__(seeds, slots, spec, [-START] * 4, [START] * 4)
        shape = self.episode.shape
        self._torque = np.empty(shape)
        self._slopes, self._at = np.empty((4, 4, *shape)), np.empty((4, *shape))
        self._angles, self._sines = np.empty((2, 3, *shape))
        self._first, self._second, self._scratch = np.empty((3, *shape))  # d₁, d₂
        limit = np.array(SPEED_LIMIT)[:, None, None]
        self._limit = np.broadcast_to(limit, (2, *shape)).copy()
        self._beyond = np.empty((2, *shape), dtype=bool)

    def _move(self, action: np.ndarray) -> None:
        _TORQUE.take(action, out=self._torque, mode="raise")
        state, slopes, at = self._state, self._slopes, self._at
        self._slope(state, slopes[0])
        for before, after, interval in zip(slopes, slopes[1:], _STEPS, strict=False):
            np.multiply(before, interval, at)
            np.add(at, state, at)
            self._slope(at, after)
        np.add(slopes[1], slopes[2], at)
        np.multiply(at, _TWO, at)
        np.add(at, slopes[0], at)
        np.add(at, slopes[3], at)
        np.multiply(at, _SIXTH, at)
        np.add(state, at, state)
        self._wrap(state[:2])
        np.clip(state[2:], -self._limit, self._limit, state[2:])

    def _slope(self, state: np.ndarray, out: np.ndarray) -> None:
        """The time derivative of ``state`` under ``self._torque``, ``[4, R, N]``."""
        multiply, divide, add, subtract = np.multiply, np.divide, np.add, np.subtract
        angles, sines, first, second = self._angles, self._sines, self._first, self._second
        scratch, phi, bend = self._scratch, out[0], out[1]
        angles[:2] = state[:2]
        add(state[0], state[1], angles[2])
        np.sin(angles, sines)
        np.cos(state[1], first)
        multiply(first, _HALF, second)
        add(second, _NEAR, second)
        add(first, _FAR, first)
        multiply(sines[2], _PULL, sines[2])  # φ₂
        multiply(state[3], _HALF, phi)
        add(phi, state[2], phi)
        multiply(phi, state[3], phi)
        multiply(phi, sines[1], phi)
        multiply(sines[0], _PULL_FIRST, scratch)
        subtract(scratch, phi, phi)
        add(phi, sines[2], phi)  # φ₁
        np.square(state[2], bend)
        multiply(bend, _HALF, bend)
        multiply(bend, sines[1], bend)
        add(bend, sines[2], bend)
        subtract(self._torque, bend, bend)
        divide(second, first, scratch)  # d₂/d₁
        multiply(scratch, phi, out[3])
        add(out[3], bend, out[3])
        multiply(scratch, second, scratch)
        subtract(_INERTIA, scratch, scratch)
        divide(out[3], scratch, out[3])
        multiply(second, out[3], scratch)
        add(scratch, phi, scratch)
        divide(scratch, first, scratch)
        np.negative(scratch, out[2])
        out[:2] = state[2:]

    def _wrap(self, angles: np.ndarray) -> None:
        """Bring angles back to the circle, from -π to π."""
        beyond = self._beyond
        while np.greater(angles, _PI, beyond).any():
            np.subtract(angles, _TURN, angles, where=beyond)
        while np.less(angles, -_PI, beyond).any():
            np.add(angles, _TURN, angles, where=beyond)

    def _judge(self) -> None:
        cosines = np.cos(self._state[0] + self._state[1])
        cosines += np.cos(self._state[0])
        np.less(cosines, -_TOP, self._terminated)
        np.subtract(self._terminated, _ONE, self._reward, dtype=np.float32)

    def _show(self) -> None:
        shown, (first, second) = self.observation, self._state[:2]
        shown[..., 0], shown[..., 1] = np.cos(first), np.sin(first)
        shown[..., 2], shown[..., 3] = np.cos(second), np.sin(second)
        shown[..., 4], shown[..., 5] = self._state[2], self._state[3]
