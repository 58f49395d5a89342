"""CartPole-v1 for all replicas and slots at once, bit for bit gymnasium's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pgx.environments.classic import Classic
from pgx.types import EnvSpec

FORCE = 10.0  #: newton
POSITION_LIMIT, ANGLE_LIMIT = 2.4, 12 * 2 * np.pi / 360  #: metres, radians: beyond is terminated
START = 0.05  #: the four numbers of a reset state are uniform between -START and START

# 0-d arrays: twice as fast as Python floats in calls as small as these.
_GRAVITY, _MASS, _LENGTH, _INTERVAL = (np.array(v) for v in (9.8, 0.1 + 1.0, 0.5, 0.02))
_MOMENT, _THIRD = np.array(0.1 * 0.5), np.array(4.0 / 3.0)
_PUSH = np.array([-FORCE, FORCE])


class CartPole(Classic):
    """A pole on a cart that is pushed left (0) or right (1) earns 1 for every decision.

        θ̈ = (g sin θ − u cos θ) / (l (4/3 − m cos² θ / M)),   u = (F + m l θ̇² sin θ) / M
        ẍ = u − m l θ̈ cos θ / M,   and one Euler step of 20 ms of (x, θ, ẋ, θ̇), in float64

    Barto, Sutton & Anderson (1983), "Neuronlike adaptive elements that can solve difficult learning
    control problems", as corrected by Florian (2007).

    From the same state, observation, reward, terminated and truncated equal those of gymnasium's
    ``CartPole-v1`` bit for bit, which is why every expression below keeps gymnasium's order of
    operations. Reset states come from (seed, slot, episode) instead of a generator that moves.

    Args:
        seeds: one seed per replica.
        slots: environments per replica, N.
        max_episode_steps: decisions after which an episode is truncated.

    Raises:
        ConfigError: if ``max_episode_steps`` is below 1.
    """

    order = (0, 2, 1, 3)  #: from (x, ẋ, θ, θ̇) to our rows (x, θ, ẋ, θ̇), and back

    def __init__(self, seeds: Sequence[int], slots: int, max_episode_steps: int = 500) -> None:
        spec = EnvSpec("CartPole-v1", (4,), "discrete", 2, time_limit=max_episode_steps)
        super().__init__(seeds, slots, spec, [-START] * 4, [START] * 4)
        self._allocate(self.episode.shape)

    def _allocate(self, shape: tuple[int, ...]) -> None:
        """The work table and named views of it. Neighbouring rows let one call serve several.

        Rows: x, θ, ẋ, θ̇, ẍ, θ̈. Rows 0-3 are the state, rows 2-5 its derivative; rows 3-4 are
        squared together while row 4 still holds cos θ.
        """
        table = np.zeros((6, *shape))
        self._place, self._state, self._derivative = table[:2], table[:4], table[2:]
        self._angle, self._speed_and_cosine = table[1], table[3:5]
        self._cosine = self._x_acceleration = table[4]
        self._angle_acceleration = table[5]
        self._sine, self._force, self._scratch = np.empty((3, *shape))
        self._squares, self._change = np.empty((2, *shape)), np.empty((4, *shape))
        self._size, self._beyond = np.empty((2, *shape)), np.empty((2, *shape), dtype=bool)
        self._weight = np.broadcast_to([[[0.1 * 0.5]], [[0.1]]], (2, *shape)).copy()
        limit = np.array([POSITION_LIMIT, ANGLE_LIMIT])[:, None, None]
        self._limit = np.broadcast_to(limit, (2, *shape)).copy()
        self._shown = self.observation.reshape(*shape, 2, 2).transpose(3, 2, 0, 1)
        self._state_pairs = self._state.reshape(2, 2, *shape)

    def _move(self, action: np.ndarray) -> None:
        multiply, subtract, divide = np.multiply, np.subtract, np.divide
        cosine, sine, scratch, force = self._cosine, self._sine, self._scratch, self._force
        first, second = self._squares
        _PUSH.take(action, out=force, mode="raise")
        np.cos(self._angle, cosine)
        np.sin(self._angle, sine)
        np.square(self._speed_and_cosine, self._squares)
        multiply(self._squares, self._weight, self._squares)
        multiply(first, sine, first)
        np.add(first, force, first)
        divide(self._squares, _MASS, self._squares)  # first is u, second is m cos² θ / M
        subtract(_THIRD, second, second)
        multiply(second, _LENGTH, second)
        multiply(sine, _GRAVITY, sine)
        multiply(cosine, first, scratch)
        subtract(sine, scratch, sine)
        divide(sine, second, self._angle_acceleration)
        multiply(self._angle_acceleration, _MOMENT, scratch)
        multiply(scratch, cosine, scratch)
        divide(scratch, _MASS, scratch)
        subtract(first, scratch, self._x_acceleration)
        multiply(self._derivative, _INTERVAL, self._change)
        np.add(self._state, self._change, self._state)

    def _judge(self) -> None:
        np.absolute(self._place, self._size)
        np.greater(self._size, self._limit, self._beyond)
        np.logical_or(self._beyond[0], self._beyond[1], self._terminated)

    def _show(self) -> None:
        np.copyto(self._shown, self._state_pairs)
