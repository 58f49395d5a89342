"""Any environment of gymnasium's registry, one instance for every slot."""

from __future__ import annotations

import copy
import importlib
import multiprocessing
import signal
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec as Registration
from gymnasium.vector import AsyncVectorEnv, AutoresetMode

from pgx.environments.base import Environment, as_tensor
from pgx.errors import ConfigError, check_choice, check_number, suggest
from pgx.streams import Reserve, Stream
from pgx.types import EnvSpec, Transition

Space = spaces.Space[Any]
Step = Sequence[Any]  #: observation, reward, terminated, truncated


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

    Observations of type Box are cast to float32, those of type Discrete become one-hot vectors.
    Continuous actions are clipped to their bounds; a policy's log-probability is of what it chose.

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
        check_choice("environment.vectorization", vectorization, _VECTORIZATIONS)
        if not isinstance(id, str) or not isinstance(kwargs or {}, Mapping):
            raise ConfigError(f"environment.id={id} kwargs={kwargs}: give a name and a mapping")
        registration = _registration(id)
        if max_episode_steps is not None:
            check_number("environment.max_episode_steps", max_episode_steps, least=1, whole=True)
            registration.max_episode_steps = max_episode_steps
        registration.kwargs.update(kwargs or {})
        self._backend = _open(id, registration, vectorization, self.episode.size)
        try:
            self._encode, shape = _reader(id, self._backend.observation_space)
            self._decode, action = _writer(id, self._backend.action_space)
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

    def close(self) -> None:
        """Close every instance and end the worker processes."""
        self._backend.close()


class _Local:
    """Instances in this process, addressed by row and stepped in a loop."""

    def __init__(self, make: Callable[[], Any], size: int) -> None:
        self._envs = [make() for _ in range(size)]
        self.observation_space = self._envs[0].observation_space
        self.action_space = self._envs[0].action_space

    def reset(self, rows: list[int], seeds: list[int]) -> Sequence[Any]:
        return [self._envs[row].reset(seed=seed)[0] for row, seed in zip(rows, seeds, strict=True)]

    def step(self, rows: list[int], actions: list[Any]) -> Sequence[Step]:
        return [self._envs[row].step(one)[:4] for row, one in zip(rows, actions, strict=True)]

    def close(self) -> None:
        for env in self._envs:
            env.close()


class _Single:
    """An instance of size one of an environment's vector class, with the calls of a scalar one."""

    def __init__(self, registration: Registration) -> None:
        where = f"environment.vectorization=vector_entry_point: {registration.id}"
        if registration.vector_entry_point is None:
            raise ConfigError(f"{where} has no vector class of its own, use sync or async")
        self._env = gym.make_vec(registration, 1, "vector_entry_point")
        if self._env.metadata.get("autoreset_mode") is AutoresetMode.SAME_STEP:
            raise ConfigError(f"{where} resets in the step that ends an episode, use sync or async")
        self.observation_space = self._env.single_observation_space
        self.action_space = self._env.single_action_space
        self.close = self._env.close

    def reset(self, seed: int) -> tuple[Any, None]:
        return self._env.reset(seed=seed)[0][0], None

    def step(self, action: Any) -> Sequence[Any]:
        return [part[0] for part in self._env.step(np.asarray(action)[None])[:4]]


class _Pausable(gym.Wrapper[Any, Any, Any, Any]):
    """An environment that takes (action, whether to step); if not, it shows what it last showed."""

    def __init__(self, registration: Registration) -> None:
        super().__init__(_make(registration))
        if multiprocessing.parent_process() is not None:  # Ctrl-C is the trainer's to answer
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        self.action_space = spaces.Tuple((self.env.action_space, spaces.Discrete(2)))
        self._last: Any = None

    def reset(self, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
        self._last = self.env.reset(**kwargs)[0]
        return self._last, {}

    def step(self, action: tuple[Any, int]) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        if not action[1]:
            return self._last, 0.0, False, False, {}
        self._last, reward, terminated, truncated, _ = self.env.step(action[0])
        return self._last, reward, terminated, truncated, {}


class _Workers:
    """Instances in a process each, under gymnasium's ``AsyncVectorEnv``."""

    def __init__(self, make: Callable[[], Any], size: int) -> None:
        mode = AutoresetMode.DISABLED
        self._envs = AsyncVectorEnv([make] * size, copy=False, autoreset_mode=mode)
        self._size = size
        self.observation_space = self._envs.single_observation_space
        self.action_space: Any = self._envs.single_action_space[0]  # type: ignore[index]

    def reset(self, rows: list[int], seeds: list[int]) -> Sequence[Any]:
        if not rows:
            return []
        every: list[int | None] = [None] * self._size
        mask = np.zeros(self._size, dtype=bool)
        for row, seed in zip(rows, seeds, strict=True):
            every[row], mask[row] = seed, True
        shown, _ = self._envs.reset(seed=every, options={"reset_mask": mask})
        return [shown[row] for row in rows]

    def step(self, rows: list[int], actions: list[Any]) -> Sequence[Step]:
        every = np.zeros((self._size, *self.action_space.shape), self.action_space.dtype)
        active = np.zeros(self._size, dtype=np.int64)
        for row, action in zip(rows, actions, strict=True):
            every[row], active[row] = action, 1
        parts = self._envs.step((every, active))[:4]
        return [[part[row] for part in parts] for row in rows]

    def close(self) -> None:
        self._envs.close()


def _make(registration: Registration) -> gym.Env[Any, Any]:
    return gym.make(registration, disable_env_checker=True)


_VECTORIZATIONS: dict[str, tuple[Any, Any]] = {  # where the instances live, and what each one is
    "sync": (_Local, _make),
    "async": (_Workers, _Pausable),
    "vector_entry_point": (_Local, _Single),
}


def _registration(id: str) -> Registration:
    """A copy of what is registered under ``id``, importing ``module:`` first if it is named."""
    module, _, name = id.rpartition(":")
    try:
        if module:
            importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise ConfigError(f"environment.id={id!r} cannot be imported: {error}") from error
    if name not in gym.registry:
        raise ConfigError(f"environment.id={id!r} does not exist: {suggest(name, gym.registry)}")
    return copy.deepcopy(gym.registry[name])


def _open(id: str, registration: Registration, vectorization: str, size: int) -> Any:
    """Make the instances; a missing package or a wrong argument is the user's to mend."""
    backend, make = _VECTORIZATIONS[vectorization]
    try:
        return backend(partial(make, registration), size)
    except (gym.error.DependencyNotInstalled, ImportError) as error:
        missing, said = getattr(error, "name", None), " ".join(str(error).split())
        reason = f"pip install {missing}" if missing else said
        raise ConfigError(f"environment.id={id!r} needs a missing package: {reason}") from error
    except (TypeError, KeyError, ValueError, AssertionError) as error:
        if not registration.kwargs:
            raise
        raise ConfigError(f"environment.kwargs do not suit {id!r} ({error!r})") from error


def _reader(id: str, space: Space) -> tuple[Callable[[Any], Any], tuple[int, ...]]:
    """How an observation becomes numbers, and their shape."""
    if isinstance(space, spaces.Discrete):
        first, one_hot = int(space.start), np.eye(int(space.n), dtype=np.float32)
        return lambda observation: one_hot[int(observation) - first], (int(space.n),)
    if isinstance(space, spaces.Box):
        return lambda observation: observation, space.shape
    raise ConfigError(f"environment.id={id!r} shows a {type(space).__name__}, not Box or Discrete")


def _writer(id: str, space: Space) -> tuple[Callable[[np.ndarray], Any], dict[str, Any]]:
    """How a policy's action becomes one of ``space``, and what `EnvSpec` says of it."""
    if isinstance(space, spaces.Discrete):
        sizes = {"action_kind": "discrete", "actions": int(space.n)}
        return lambda action: np.int64(action + space.start), sizes
    if isinstance(space, spaces.Box) and space.dtype.kind == "f":
        low, high = (tuple(bound.ravel().tolist()) for bound in (space.low, space.high))
        sizes = {"action_kind": "continuous", "actions": len(low)}
        sizes |= {"action_low": low, "action_high": high}
        shape, box = space.shape, (space.low, space.high)
        return lambda action: np.clip(action.reshape(shape), *box).astype(space.dtype), sizes
    kind = f"{type(space).__name__} of {space.dtype}"
    raise ConfigError(f"environment.id={id!r} takes a {kind}, not Discrete or a Box of floats")
