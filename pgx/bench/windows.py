"""Short windows of one training, with and without something beside it, as paired differences. Pure.

Two trainings in turn meet two different machines; two windows of a few seconds in a row meet nearly
the same one. Which of a pair comes first is drawn, so that a drift or a rhythm of the training
favours neither.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from pgx.stats.aggregates import mean
from pgx.stats.bootstrap import Interval, intervals


class Window(NamedTuple):
    """A stretch of time, in seconds of any clock."""

    pair: int  #: from 0
    on: bool  #: whether what is measured was at work
    begin: float
    end: float


def orders(generator: np.random.Generator) -> Iterator[tuple[int, bool]]:
    """Pair and state of one window after the other, for ever; each pair in an order of its own."""
    pair = 0
    while True:
        first = bool(generator.integers(2))
        yield pair, first
        yield pair, not first
        pair += 1


def rate(window: Window, times: np.ndarray, decisions: np.ndarray) -> float:
    """Decisions per second within a window, between rows as if they were taken evenly.

    Args:
        window: between the first and the last of ``times``.
        times: ``[rows]``, ascending, of the window's clock.
        decisions: ``[rows]``, taken by then.
    """
    begin, end = np.interp([window.begin, window.end], times, decisions)
    return float((end - begin) / (window.end - window.begin))


def slowdowns(windows: Sequence[Window], times: np.ndarray, decisions: np.ndarray) -> np.ndarray:
    """How much slower training is in each pair's window with than in that without, ``[pairs]``.

        s = rate without / rate with − 1

    Args:
        windows: a pair's follow each other; a pair that is not whole, or begins before the first
            row or ends after the last one, is left out.
        times: ``[rows]``, ascending, of the windows' clock.
        decisions: ``[rows]``, taken by then.
    """
    pairs: dict[int, dict[bool, float]] = {}
    for window in windows:
        if len(times) and times[0] <= window.begin and window.end <= times[-1]:
            pairs.setdefault(window.pair, {})[window.on] = rate(window, times, decisions)
    return np.array([one[False] / one[True] - 1 for one in pairs.values() if len(one) == 2])


def interval(found: np.ndarray, generator: np.random.Generator) -> Interval:
    """The mean slowdown with its 95% bootstrap interval over pairs.

    Raises:
        ValueError: there is no pair.
    """
    return intervals([found], {"mean": mean}, generator)["mean"]
