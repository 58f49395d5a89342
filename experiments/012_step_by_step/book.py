"""Sutton & Barto's program of REINFORCE on the corridor, in numpy alone: 1,000 runs of each curve.

It shares nothing with pgx, so that what the study's arms are held against is not of their own
making. Section 13.3, and 13.4 with a baseline of one number.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

RUNS, EPISODES = 1000, 1000
FLOOR = 0.05  #: of a probability; the gradient is that of a softmax with the floored ones
START = (1.47, -1.47)  #: left, right


class Rates(NamedTuple):
    """α of θ, and of w, or no baseline."""

    theta: float
    w: float | None = None


CURVES: Mapping[str, Rates] = {
    "rate_12": Rates(2.0**-12),
    "rate_13": Rates(2.0**-13),
    "rate_14": Rates(2.0**-14),
    "value": Rates(2.0**-9, 2.0**-6),
}


def right(theta: np.ndarray) -> np.ndarray:
    """π(right) of ``[runs, 2]``."""
    p = 1.0 / (1.0 + np.exp(theta[:, 0] - theta[:, 1]))
    return np.clip(p, FLOOR, 1.0 - FLOOR)


def episode(p: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Whether each decision was right, and whether the episode was going on; ``[T, runs]``."""
    state, going = np.zeros(len(p), dtype=int), np.ones(len(p), dtype=bool)
    chosen, alive = [], []
    while going.any():
        goes_right = rng.random(len(p)) < p
        chosen.append(goes_right)
        alive.append(going)
        up = np.where(state == 1, ~goes_right, goes_right)
        state = np.where(going, np.where(up, state + 1, np.maximum(state - 1, 0)), state)
        going = going & (state < 3)
    return np.array(chosen), np.array(alive)


def returns(rates: Rates, seed: int, runs: int = RUNS, episodes: int = EPISODES) -> np.ndarray:
    """The return of every episode, ``[episodes, runs]``; θ moves after every decision of each."""
    rng = np.random.default_rng(seed)
    theta, w = np.tile(START, (runs, 1)), np.zeros(runs)
    found = np.zeros((episodes, runs))
    for number in range(episodes):
        chosen, alive = episode(right(theta), rng)
        length = alive.sum(0)
        found[number] = -length
        for t in range(len(alive)):
            error = t - length - w
            if rates.w is not None:
                w = np.where(alive[t], w + rates.w * error, w)
            move = rates.theta * error * (chosen[t] - right(theta))
            theta += np.where(alive[t], move, 0.0)[:, None] * np.array([-1.0, 1.0])
    return found
