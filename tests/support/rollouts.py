"""Rollouts made by hand: random ones, and ones that list every outcome of a small process."""

from __future__ import annotations

from dataclasses import fields, replace
from itertools import product

import numpy as np
import torch
from torch import Tensor

from pgx.environments.mdp import MDP
from pgx.types import EnvSpec, Rollout

T, R, N, D, A = 7, 3, 5, 4, 2
SEEDS = (3, 11, 5)


def spec(width: int = D, actions: int = A) -> EnvSpec:
    return EnvSpec("made-up", (width,), "discrete", actions)


def stored(array: np.ndarray) -> Tensor:
    """``[R, T, N, …]`` in memory, seen as ``[T, R, N, …]``: the layout of real rollouts."""
    return torch.from_numpy(np.ascontiguousarray(array)).transpose(0, 1)


def random_rollout(
    seed: int = 0,
    complete: bool = False,
    steps: int = T,
    replicas: int = R,
    slots: int = N,
    width: int = D,
    actions: int = A,
) -> Rollout:
    """Episodes that end by termination, truncation or both.

    T-step slots cross episode ends and begin in the middle of an episode. Complete episodes have
    unequal lengths, one of them ``steps``; what a finished slot shows is any finite number.
    """
    rng = np.random.default_rng(seed)
    grid, time = (replicas, steps, slots), np.arange(steps)[:, None]
    if complete:
        length = rng.integers(1, steps + 1, (replicas, 1, slots))
        length[:, :, 0] = steps
        mask, last = time < length, time == length - 1
        kind = rng.integers(0, 3, (replicas, 1, slots))
        terminated, truncated = last & (kind != 1), last & (kind != 0)
        time = np.broadcast_to(time, grid)
    else:
        mask = np.ones(grid, dtype=bool)
        terminated, truncated = rng.random((2, *grid)) < 0.15
        time = _ages(terminated | truncated, rng.integers(0, 4, (replicas, slots)))
    observation = rng.standard_normal((*grid, width)).astype(np.float32)
    following = rng.standard_normal((*grid, width)).astype(np.float32)
    on = ~(terminated | truncated)[:, :-1, :, None]
    following[:, :-1] = np.where(on, observation[:, 1:], following[:, :-1])
    reward = rng.standard_normal(grid).astype(np.float32) * mask
    return Rollout(
        observation=stored(observation),
        action=stored(rng.integers(0, actions, grid)),
        reward=stored(reward),
        terminated=stored(terminated),
        truncated=stored(truncated),
        next_observation=stored(following),
        mask=stored(mask),
        time=stored(time),
        log_prob=stored(np.zeros(grid, dtype=np.float32)),
        complete=complete,
    )


def _ages(ended: np.ndarray, age: np.ndarray) -> np.ndarray:
    time = np.zeros(ended.shape, dtype=np.int64)
    for step in range(ended.shape[1]):
        time[:, step] = age
        age = np.where(ended[:, step], 0, age + 1)
    return time


def changed(rollout: Rollout, name: str, place: tuple, value: float) -> Rollout:
    """A copy in which one field differs at ``place``."""
    tensor = getattr(rollout, name).clone()
    tensor[place] = value
    return replace(rollout, **{name: tensor})


def part(rollout: Rollout, replicas: slice = slice(None), slots: slice = slice(None)) -> Rollout:
    """Some replicas and slots, in memory of their own."""
    tensors = {
        field.name: stored(getattr(rollout, field.name)[:, replicas, slots].transpose(0, 1).numpy())
        for field in fields(rollout)
        if isinstance(getattr(rollout, field.name), Tensor)
    }
    return replace(rollout, **tensors)


def lengthened(rollout: Rollout, steps: int) -> Rollout:
    """The same complete episodes, followed by rows of zeros."""

    def longer(tensor: Tensor) -> Tensor:
        filler = tensor.new_zeros((steps - len(tensor), *tensor.shape[1:]))
        return torch.cat([tensor, filler])

    names = [f.name for f in fields(rollout) if isinstance(getattr(rollout, f.name), Tensor)]
    return replace(rollout, **{name: longer(getattr(rollout, name)) for name in names})


def every_outcome(
    mdp: MDP, counts: list[list[int]], depth: int, decided: int | None = None
) -> Rollout:
    """Complete episodes, one slot for each of equally probable outcomes: a mean is an expectation.

    Args:
        mdp: a process in which nothing is random and no episode is longer than ``depth``.
        counts: ``[S][A]``, how many of a state's equally probable choices are which action.
        depth: T.
        decided: how many decisions vary; later ones take the first choice. All by default.
    """
    tickets = [np.repeat(np.arange(len(row)), row) for row in counts]
    varied = depth if decided is None else decided
    draws = np.array(list(product(range(len(tickets[0])), repeat=varied)))
    draws = np.pad(draws, ((0, 0), (0, depth - varied)))
    grid = (1, depth, len(draws))
    action, reward = np.zeros(grid, dtype=np.int64), np.zeros(grid, dtype=np.float32)
    mask, terminated = np.zeros((2, *grid), dtype=bool)
    shown = np.zeros((2, *grid, mdp.features.shape[1]), dtype=np.float32)
    for slot, draw in enumerate(draws):
        state = int(mdp.start.argmax())
        for step in range(depth):
            if mdp.terminal[state]:
                break
            place = (0, step, slot)
            mask[place], action[place] = True, tickets[state][draw[step]]
            reward[place] = mdp.reward[state, action[place]]
            after = int(mdp.transition[state, action[place]].argmax())
            shown[0][place], shown[1][place] = mdp.features[state], mdp.features[after]
            terminated[place] = bool(mdp.terminal[after])
            state = after
        assert mdp.terminal[state]
    return Rollout(
        observation=stored(shown[0]),
        action=stored(action),
        reward=stored(reward),
        terminated=stored(terminated),
        truncated=stored(np.zeros_like(terminated)),
        next_observation=stored(shown[1]),
        mask=stored(mask),
        time=stored(np.broadcast_to(np.arange(depth)[:, None], grid)),
        log_prob=stored(np.zeros(grid, dtype=np.float32)),
        complete=True,
    )


def regrouped(rollout: Rollout, slots: np.ndarray) -> Rollout:
    """A rollout of one replica as R of N slots each: int ``[R, N]`` says which."""
    names = [f.name for f in fields(rollout) if isinstance(getattr(rollout, f.name), Tensor)]
    index = torch.from_numpy(slots)
    return replace(rollout, **{name: getattr(rollout, name)[:, 0][:, index] for name in names})
