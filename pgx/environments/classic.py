"""What the classic control problems share: a small physical state per slot, moved by formulas."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pgx.environments.base import Environment, as_tensor
from pgx.environments.drawing import drawing
from pgx.errors import check_number
from pgx.streams import Reserve, Stream
from pgx.types import EnvSpec, Transition

_ONE = np.array(1)  # 0-d arrays: twice as fast as Python numbers in calls as small as these


class Classic(Environment):
    """Physics in float64 for all replicas and slots at once; observations in float32.

    A reset state is low + (high − low) u with u uniform on [0, 1), of (seed, slot, episode) alone.

    An option adds `_move`, `_judge` and `_show`, in terms of ``self._state`` (float64, ``[S, R,
    N]``): one contiguous row per variable, so that a formula is a few calls on whole rows.

    Args:
        seeds: one seed per replica.
        slots: environments per replica, N.
        spec: sizes and names; its ``time_limit`` truncates.
        low: the smallest reset state, S numbers in gymnasium's order.
        high: the largest.

    Raises:
        ConfigError: if ``spec.time_limit`` is below 1.
    """

    order: tuple[int, ...] | slice = slice(None)
    """From gymnasium's order of the variables to that of the rows, and back."""

    def __init__(
        self,
        seeds: Sequence[int],
        slots: int,
        spec: EnvSpec,
        low: Sequence[float],
        high: Sequence[float],
    ) -> None:
        super().__init__(seeds, slots)
        check_number("environment.max_episode_steps", spec.time_limit, least=1, whole=True)
        self.spec, shape = spec, self.episode.shape
        least, span = np.array(low), np.array(high) - np.array(low)
        self._state = np.zeros((len(low), *shape))
        self._kept = np.empty_like(self._state)
        self.observation = np.zeros((*shape, *spec.observation_shape), dtype=np.float32)
        self._reward = np.ones(shape, dtype=np.float32)
        self._terminated, self._truncated = np.zeros(shape, bool), np.zeros(shape, bool)
        self._transition = Transition(
            self._reward, self._terminated, self._truncated, self.observation
        )
        self._elapsed = np.zeros(shape, dtype=np.int64)
        self._cap = np.array(spec.time_limit)
        self._every = np.arange(self.episode.size)
        self._flat_elapsed, self._flat_episode = self._elapsed.reshape(-1), self.episode.reshape(-1)
        stream = Stream(self.seeds, "resets")
        self._reserve = Reserve(
            lambda start, count: span * stream.uniform64(start, count, len(low)) + least
        )

    @property
    def state(self) -> np.ndarray:
        """float64 ``[R, N, S]``, the variables of gymnasium's ``env.unwrapped.state``, in order."""
        return np.moveaxis(self._state[self.order, :], 0, -1)

    def reset(self, mask: np.ndarray | None = None) -> None:
        """Begin the next episode in the slots of ``mask``, or in all of them."""
        rows = self._every if mask is None else mask.ravel().nonzero()[0]
        state = self._reserve.take(rows, self.episode)
        self._flat_episode[rows] += 1
        self._flat_elapsed[rows] = 0
        self._state.reshape(len(self._state), -1)[:, rows] = state.T[self.order, :]
        self._show()

    def set_state(self, state: np.ndarray) -> None:
        """Put every slot at the beginning of an episode in ``state``, float64 ``[R, N, S]``."""
        self._place_in(state)
        self._elapsed[...] = 0

    def _place_in(self, state: np.ndarray) -> None:
        self._state[...] = np.moveaxis(state, -1, 0)[self.order, :]
        self._show()

    def step(self, action: np.ndarray, active: np.ndarray | None = None) -> Transition:
        """Move every slot, or those of ``active``, by one interval."""
        if active is not None:
            self._kept[...] = self._state
        self._move(action)
        if active is None:
            np.add(self._elapsed, _ONE, self._elapsed)
        else:
            np.copyto(self._state, self._kept, where=~active)
            self._elapsed += active
        self._judge()
        np.greater_equal(self._elapsed, self._cap, self._truncated)
        self._show()
        return self._transition

    @abstractmethod
    def _move(self, action: np.ndarray) -> None:
        """Advance ``self._state`` in every slot; what it holds before is the state decided in."""

    @abstractmethod
    def _judge(self) -> None:
        """Fill ``self._terminated``, and ``self._reward`` where it depends on the successor."""

    @abstractmethod
    def _show(self) -> None:
        """Fill ``self.observation`` from ``self._state``, each slot from its own."""

    def camera(self, replica: int, slot: int) -> Callable[[], np.ndarray]:
        """As gymnasium draws it."""
        draw = drawing(self.spec.id)
        return lambda: draw(self.state[replica, slot])

    def state_dict(self) -> dict[str, Any]:
        """The states, decisions of the running episodes and episode counters."""
        return {
            "state": as_tensor(self.state),
            "elapsed": as_tensor(self._elapsed),
            "episode": as_tensor(self.episode),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue exactly where `state_dict` was taken, in the middle of an episode or not."""
        self._place_in(state["state"].numpy())
        self._elapsed[...] = state["elapsed"].numpy()
        self.episode[...] = state["episode"].numpy()
        self._reserve.clear()
