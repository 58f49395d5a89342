"""Where gymnasium's environments live: in this process, in workers, or as a vector class of one."""

from __future__ import annotations

import copy
import importlib
import multiprocessing
import re
import signal
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec as Registration
from gymnasium.vector import AsyncVectorEnv, AutoresetMode
from gymnasium.vector.utils import iterate

from pgx.errors import ConfigError, suggest

Step = Sequence[Any]  #: observation, reward, terminated, truncated

EXTRAS = ("atari", "box2d")  #: of gymnasium's extras, those that ours of the same name bring


class Local:
    """Instances in this process, addressed by row and stepped in a loop."""

    def __init__(self, make: Callable[[], Any], size: int) -> None:
        self._envs = [make() for _ in range(size)]
        self.observation_space = self._envs[0].observation_space
        self.action_space = self._envs[0].action_space

    def reset(self, rows: list[int], seeds: list[int]) -> Sequence[Any]:
        return [self._envs[row].reset(seed=seed)[0] for row, seed in zip(rows, seeds, strict=True)]

    def step(self, rows: list[int], actions: list[Any]) -> Sequence[Step]:
        return [self._envs[row].step(one)[:4] for row, one in zip(rows, actions, strict=True)]

    def replace(self, row: int, env: gym.Env[Any, Any]) -> None:
        self._envs[row].close()
        self._envs[row] = env

    def close(self) -> None:
        for env in self._envs:
            env.close()


class Single:
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
        return self._first(self._env.reset(seed=seed)[0]), None

    def step(self, action: Any) -> Step:
        shown, *parts = self._env.step(np.asarray(action)[None])[:4]
        return [self._first(shown), *(part[0] for part in parts)]

    def _first(self, shown: Any) -> Any:
        return next(iter(iterate(self._env.observation_space, shown)))


class Pausable(gym.Wrapper[Any, Any, Any, Any]):
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


class Workers:
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
        each = self._each(shown)
        return [each[row] for row in rows]

    def step(self, rows: list[int], actions: list[Any]) -> Sequence[Step]:
        every = np.zeros((self._size, *self.action_space.shape), self.action_space.dtype)
        active = np.zeros(self._size, dtype=np.int64)
        for row, action in zip(rows, actions, strict=True):
            every[row], active[row] = action, 1
        shown, *parts = self._envs.step((every, active))[:4]
        each = self._each(shown)
        return [[each[row], *(part[row] for part in parts)] for row in rows]

    def _each(self, shown: Any) -> list[Any]:
        """What all show, instance by instance: views into memory that the workers write."""
        return list(iterate(self._envs.observation_space, shown))

    def close(self) -> None:
        self._envs.close()


def _make(registration: Registration) -> gym.Env[Any, Any]:
    return gym.make(registration, disable_env_checker=True)


VECTORIZATIONS: dict[str, tuple[Any, Any]] = {  # where the instances live, and what each one is
    "sync": (Local, _make),
    "async": (Workers, Pausable),
    "vector_entry_point": (Local, Single),
}


def registered(id: str) -> Registration:
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


def open_instances(id: str, registration: Registration, vectorization: str, size: int) -> Any:
    """Make the instances; a missing package or a wrong argument is the user's to mend."""
    backend, make = VECTORIZATIONS[vectorization]
    try:
        return backend(partial(make, registration), size)
    except (gym.error.DependencyNotInstalled, ImportError) as error:
        missing, said = getattr(error, "name", None), " ".join(str(error).split())
        extra = re.search(r"gymnasium\[(\w+)\]", said)
        reason = f"pip install {missing}" if missing else said
        if extra and extra[1] in EXTRAS:
            reason = f"pip install 'pgx-lab[{extra[1]}]'"
        raise ConfigError(f"environment.id={id!r} needs a missing package: {reason}") from error
    except (TypeError, KeyError, ValueError, AssertionError) as error:
        if not registration.kwargs:
            raise
        raise ConfigError(f"environment.kwargs do not suit {id!r} ({error!r})") from error
