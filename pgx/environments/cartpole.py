"""CartPole-v1 for all replicas and slots at once, bit for bit gymnasium's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pgx.environments.base import Environment, as_tensor
from pgx.errors import check_number
from pgx.streams import Reserve, Stream
from pgx.types import EnvSpec, Transition

FORCE = 10.0  #: newton
POSITION_LIMIT, ANGLE_LIMIT = 2.4, 12 * 2 * np.pi / 360  #: metres, radians: beyond is terminated
START = 0.05  #: the four numbers of a reset state are uniform between -START and START
ORDER = (0, 2, 1, 3)  #: from gymnasium's (x, ẋ, θ, θ̇) to our rows (x, θ, ẋ, θ̇), and back

# 0-d arrays: twice as fast as Python floats in calls as small as these.
_GRAVITY, _MASS, _LENGTH, _INTERVAL = (np.array(v) for v in (9.8, 0.1 + 1.0, 0.5, 0.02))
_MOMENT, _THIRD, _ONE = np.array(0.1 * 0.5), np.array(4.0 / 3.0), np.array(1)
_PUSH = np.array([-FORCE, FORCE])


class CartPole(Environment):
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

    def __init__(self, seeds: Sequence[int], slots: int, max_episode_steps: int = 500) -> None:
        super().__init__(seeds, slots)
        check_number("environment.max_episode_steps", max_episode_steps, least=1, whole=True)
        self.spec = EnvSpec("CartPole-v1", (4,), "discrete", 2, time_limit=max_episode_steps)
        shape = (self.replicas, self.slots)
        self.observation = np.zeros((*shape, 4), dtype=np.float32)
        self._elapsed = np.zeros(shape, dtype=np.int64)
        stream = Stream(self.seeds, "resets")
        self._reserve = Reserve(
            lambda start, count: 2 * START * stream.uniform64(start, count, 4) - START
        )
        self._allocate(shape)

    def _allocate(self, shape: tuple[int, int]) -> None:
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
        self._cap = np.array(self.spec.time_limit)
        self._shown = self.observation.reshape(*shape, 2, 2).transpose(3, 2, 0, 1)
        self._state_pairs = self._state.reshape(2, 2, *shape)
        self._kept = np.empty_like(self._state)
        self._flat_state = self._state.reshape(4, -1)
        self._flat_observation = self.observation.reshape(-1, 4)
        self._flat_elapsed, self._flat_episode = self._elapsed.reshape(-1), self.episode.reshape(-1)
        self._every = np.arange(self.episode.size)
        self._terminated, self._truncated = np.zeros(shape, bool), np.zeros(shape, bool)
        reward = np.ones(shape, dtype=np.float32)
        self._transition = Transition(reward, self._terminated, self._truncated, self.observation)

    def reset(self, mask: np.ndarray | None = None) -> None:
        """Begin the next episode in the slots of ``mask``, or in all of them."""
        rows = self._every if mask is None else mask.ravel().nonzero()[0]
        state = self._reserve.take(rows, self.episode)
        self._flat_episode[rows] += 1
        self._flat_elapsed[rows] = 0
        self._flat_state[:, rows] = state.T[ORDER, :]
        self._flat_observation[rows] = state

    def set_state(self, state: np.ndarray) -> None:
        """Put every slot at the beginning of an episode in ``state``, float64 ``[R, N, 4]``.

        The columns are gymnasium's: x, ẋ, θ, θ̇ in metres, radians and seconds.
        """
        self._place_in(state)
        self._elapsed[...] = 0

    def _place_in(self, state: np.ndarray) -> None:
        self._state[...] = np.moveaxis(state, -1, 0)[ORDER, :]
        np.copyto(self._shown, self._state_pairs)

    def step(self, action: np.ndarray, active: np.ndarray | None = None) -> Transition:
        """One Euler step of every slot, or of those of ``active``; ``action`` is 0 or 1."""
        _PUSH.take(action, out=self._force, mode="raise")
        if active is not None:
            self._kept[...] = self._state
        self._move()
        if active is None:
            np.add(self._elapsed, _ONE, self._elapsed)
        else:
            np.copyto(self._state, self._kept, where=~active)
            self._elapsed += active
        np.absolute(self._place, self._size)
        np.greater(self._size, self._limit, self._beyond)
        np.logical_or(self._beyond[0], self._beyond[1], self._terminated)
        np.greater_equal(self._elapsed, self._cap, self._truncated)
        np.copyto(self._shown, self._state_pairs)
        return self._transition

    def _move(self) -> None:
        """Advance the state by one interval under ``self._force``."""
        multiply, subtract, divide = np.multiply, np.subtract, np.divide
        cosine, sine, scratch, force = self._cosine, self._sine, self._scratch, self._force
        first, second = self._squares
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

    def state_dict(self) -> dict[str, Any]:
        """States as in `set_state`, decisions of the running episodes and episode counters."""
        return {
            "state": as_tensor(np.moveaxis(self._state[ORDER, :], 0, -1)),
            "elapsed": as_tensor(self._elapsed),
            "episode": as_tensor(self.episode),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue exactly where `state_dict` was taken, in the middle of an episode or not."""
        self._place_in(state["state"].numpy())
        self._elapsed[...] = state["elapsed"].numpy()
        self.episode[...] = state["episode"].numpy()
        self._reserve.clear()
