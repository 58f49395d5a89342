"""Any environment of gymnasium's registry, one instance for every slot."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from pgx.environments.base import Environment, as_tensor
from pgx.environments.drawing import make_drawn, picture
from pgx.environments.gymnasium_backends import VECTORIZATIONS, open_instances, registered
from pgx.environments.gymnasium_spaces import reader, writer
from pgx.errors import ConfigError, check_choice, check_number
from pgx.streams import Reserve, Stream
from pgx.types import EnvSpec, Transition


class Gymnasium(Environment):
    """Gymnasium's environments behind the contract of `Environment`, one instance per slot.

    Every episode is begun by ``env.reset(seed=…)`` with 31 bits that depend on (replica's seed,
    slot, episode) alone. All vectorizations therefore play the same episodes; they differ in where
    the instances live:

    - ``sync``: in this process, stepped in a loop. Right for what is cheaper than a message.
    - ``async``: in R·N worker processes under gymnasium's ``AsyncVectorEnv``, autoreset disabled;
      a worker holds its environment still unless told to step it.
    - ``vector_entry_point``: the environment's own vector class, one instance *of size one* per
      slot. Such classes step all their environments or none, and in NEXT_STEP mode one is reset
      only while the others step: a larger instance could neither hold a finished slot still nor
      begin an episode in one slot, and its slots would share a generator. This checks a vector
      class and gains no speed. No reset row is inserted: a slot is reset before its next step.

    Observations are cast to float32. A Box keeps its shape, which leaves an image an image; a
    Discrete becomes a one-hot vector, and Dict, Tuple, MultiDiscrete and MultiBinary the vector
    that ``gymnasium.spaces.flatten`` makes of them. A MultiDiscrete or MultiBinary of at most 64
    combinations is taken as one discrete action. Continuous actions are clipped to their bounds; a
    policy's log-probability is of what it chose.

    An instance cannot be saved in the middle of an episode, so ``exact_resume`` is false:
    `load_state_dict` takes every slot back to the *beginning* of its latest episode. Training that
    resets all slots when an iteration starts continues exactly; otherwise the caller must forget
    what it knew about the episodes that were running.

    Args:
        seeds: one seed per replica.
        slots: environments per replica, N.
        id: a registered name, or ``module:name`` to import the module that registers it.
        vectorization: ``sync``, ``async`` or ``vector_entry_point``.
        max_episode_steps: decisions after which an episode is truncated; None: as registered.
        kwargs: arguments of the environment's constructor.

    Raises:
        ConfigError: for an unknown id, a missing package, a space or argument that does not fit.
    """

    exact_resume = False

    def __init__(
        self,
        seeds: Sequence[int],
        slots: int,
        id: str,
        vectorization: Literal["sync", "async", "vector_entry_point"] = "sync",
        max_episode_steps: int | None = None,
        kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(seeds, slots)
        check_choice("environment.vectorization", vectorization, VECTORIZATIONS)
        if not isinstance(id, str) or not isinstance(kwargs or {}, Mapping):
            raise ConfigError(f"environment.id={id} kwargs={kwargs}: give a name and a mapping")
        registration = registered(id)
        if max_episode_steps is not None:
            check_number("environment.max_episode_steps", max_episode_steps, least=1, whole=True)
            registration.max_episode_steps = max_episode_steps
        registration.kwargs.update(kwargs or {})
        self._vectorization, self._registration = vectorization, registration
        self._backend = open_instances(id, registration, vectorization, self.episode.size)
        try:
            self._encode, shape = reader(id, self._backend.observation_space)
            self._decode, action = writer(id, self._backend.action_space)
        except ConfigError:
            self.close()
            raise
        limit = registration.max_episode_steps
        self.spec = EnvSpec(registration.id, shape, time_limit=limit, **action)
        size, grid = self.episode.size, self.episode.shape
        self._every = np.arange(size)
        self._shown = np.zeros((size, *shape), dtype=np.float32)
        self._reward = np.zeros(size, dtype=np.float32)
        self._terminated, self._truncated = np.zeros(size, bool), np.zeros(size, bool)
        self.observation = self._shown.reshape(*grid, *shape)
        results = [part.reshape(grid) for part in (self._reward, self._terminated, self._truncated)]
        self._transition = Transition(results[0], results[1], results[2], self.observation)
        stream = Stream(self.seeds, "resets")
        self._reserve = Reserve(lambda start, count: stream.bits(start, count, 1) >> 1)

    def reset(self, mask: np.ndarray | None = None) -> None:
        """Begin the next episode in the slots of ``mask``, or in all of them."""
        rows = self._every if mask is None else np.flatnonzero(mask)
        seeds = self._reserve.take(rows, self.episode)[:, 0]
        self.episode.reshape(-1)[rows] += 1
        self._begin(rows, seeds)

    def _begin(self, rows: np.ndarray, seeds: np.ndarray) -> None:
        shown = self._backend.reset(rows.tolist(), seeds.tolist())
        for row, observation in zip(rows, shown, strict=True):
            self._shown[row] = self._encode(observation)

    def step(self, action: np.ndarray, active: np.ndarray | None = None) -> Transition:
        """Step every slot, or only those of ``active``; actions as in `Environment.step`."""
        rows = self._every if active is None else np.flatnonzero(active)
        chosen = action.reshape(self.episode.size, *action.shape[2:])[rows]
        steps = self._backend.step(rows.tolist(), [self._decode(one) for one in chosen])
        for row, (observation, reward, terminated, truncated) in zip(rows, steps, strict=True):
            self._shown[row], self._reward[row] = self._encode(observation), reward
            self._terminated[row], self._truncated[row] = terminated, truncated
        return self._transition

    def state_dict(self) -> dict[str, Any]:
        """The episode counters; see the class for what that means."""
        return {"episode": as_tensor(self.episode)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Begin the latest episode of every slot again, without counting it a second time."""
        self.episode[...] = state["episode"].numpy()
        self._reserve.clear()
        latest = self.episode - 1
        rows = np.flatnonzero(latest >= 0)
        seeds = self._reserve.take(rows, np.maximum(latest, 0))[:, 0]
        self._reserve.clear()
        self._begin(rows, seeds)

    def camera(self, replica: int, slot: int) -> Callable[[], np.ndarray]:
        """The slot's instance gives way to one that draws itself; only with ``sync``."""
        if self._vectorization != "sync":
            raise ConfigError(
                f"environment.vectorization={self._vectorization}: only sync can be drawn"
            )
        env, id = make_drawn(self._registration), self.spec.id
        env.reset(seed=0)
        picture(env, id)  # what is missing is missed now
        self._backend.replace(replica * self.slots + slot, env)
        return lambda: picture(env, id)

    def close(self) -> None:
        """Close every instance and end the worker processes."""
        self._backend.close()
