"""How gymnasium's spaces become the numbers and action indices that a policy speaks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from gymnasium import spaces

from pgx.errors import ConfigError

Space = spaces.Space[Any]

COMBINATIONS = 64  #: the most that several choices at once are enumerated as one discrete action

_WRAP = "register it behind a gymnasium"


def reader(id: str, space: Space) -> tuple[Callable[[Any], Any], tuple[int, ...]]:
    """How an observation becomes numbers, and their shape.

    A Box keeps its shape: an image stays one. Everything else becomes a vector as
    ``gymnasium.spaces.flatten`` writes it: a Discrete is one-hot, so is every part of a
    MultiDiscrete; Dict (in gymnasium's order of its keys) and Tuple put the vectors of their parts
    one after the other.

    Args:
        id: the environment's, for the message.
        space: what it shows.

    Raises:
        ConfigError: the space has no fixed size, or is none of these.
    """
    if isinstance(space, spaces.Box):
        return lambda observation: observation, space.shape
    if isinstance(space, spaces.Discrete):
        numbers = np.arange(space.start, space.start + space.n)
        return lambda observation: numbers == observation, numbers.shape
    if unreadable := next(_unreadable(space), None):
        raise ConfigError(
            f"environment.id={id!r} shows a {unreadable}, not a Box, Discrete, MultiDiscrete, "
            f"MultiBinary, or a Dict or Tuple of these: {_WRAP} ObservationWrapper"
        )
    return partial(spaces.flatten, space), (int(spaces.flatdim(space)),)


def _unreadable(space: Space) -> Iterator[str]:
    """The names of the spaces within ``space`` that no vector of fixed size stands for."""
    if isinstance(space, spaces.Dict):
        for part in space.spaces.values():
            yield from _unreadable(part)
    elif isinstance(space, spaces.Tuple):
        for part in space.spaces:
            yield from _unreadable(part)
    elif not isinstance(
        space, spaces.Box | spaces.Discrete | spaces.MultiDiscrete | spaces.MultiBinary
    ):
        yield type(space).__name__


def writer(id: str, space: Space) -> tuple[Callable[[np.ndarray], Any], dict[str, Any]]:
    """How a policy's action becomes one of ``space``, and what `EnvSpec` says of it.

    A Box of floats takes continuous actions, clipped to its bounds. A Discrete takes its index. A
    MultiDiscrete or MultiBinary of at most `COMBINATIONS` combinations is one discrete action: the
    last of its parts changes fastest, as in ``numpy.unravel_index``.

    Args:
        id: the environment's, for the message.
        space: what it takes.

    Raises:
        ConfigError: any other space, or more combinations.
    """
    if isinstance(space, spaces.Discrete):
        sizes = {"action_kind": "discrete", "actions": int(space.n)}
        return lambda action: np.int64(action + space.start), sizes
    if isinstance(space, spaces.MultiDiscrete | spaces.MultiBinary):
        table = _combinations(id, space)
        return lambda action: table[action].copy(), {
            "action_kind": "discrete",
            "actions": len(table),
        }
    if isinstance(space, spaces.Box) and space.dtype.kind == "f":
        low, high = (tuple(bound.ravel().tolist()) for bound in (space.low, space.high))
        sizes = {"action_kind": "continuous", "actions": len(low)}
        sizes |= {"action_low": low, "action_high": high}
        shape, box = space.shape, (space.low, space.high)
        return lambda action: np.clip(action.reshape(shape), *box).astype(space.dtype), sizes
    kind = type(space).__name__ + (f" of {space.dtype}" if space.dtype else "")
    raise ConfigError(
        f"environment.id={id!r} takes a {kind}, not a Discrete, MultiDiscrete, MultiBinary or Box "
        f"of floats: {_WRAP} ActionWrapper"
    )


def _combinations(id: str, space: spaces.MultiDiscrete | spaces.MultiBinary) -> np.ndarray:
    """Every action of ``space``, ``[actions, *shape]``."""
    if isinstance(space, spaces.MultiDiscrete):
        choices, first = space.nvec, space.start
    else:
        choices, first = np.full(space.shape, 2), np.zeros(space.shape, dtype=np.int64)
    count = int(np.prod(choices.ravel().astype(object)))
    if count > COMBINATIONS:
        raise ConfigError(
            f"environment.id={id!r} takes a {type(space).__name__} of {count} combinations, and at "
            f"most {COMBINATIONS} are enumerated as one discrete action: {_WRAP} ActionWrapper"
        )
    parts = np.unravel_index(np.arange(count), choices.ravel().tolist())
    return (np.stack(parts, -1).reshape(count, *space.shape) + first).astype(space.dtype)
