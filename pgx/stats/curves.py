"""From a run's episodes to its learning curve and to the numbers that runs are compared by.

A run's episodes are two arrays: ``decisions``, the run's own count when each episode ended, and
``returns``. Runs end episodes at different counts and may end early; a grid of decisions makes
them comparable.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from pgx.stats.aggregates import Array, interquartile_mean
from pgx.stats.bootstrap import RESAMPLES, spread


def common_grid(reached: Sequence[int], points: int = 101) -> Array:
    """Evenly spaced decisions from 0 to what every run has reached.

    Args:
        reached: decisions each run took; what the longer ones did beyond the least is not used.
        points: on the grid, at least 2.

    Returns:
        float64 ``[G]``.

    Raises:
        ValueError: no run, or one that took no decision; fewer than two points.
    """
    if len(reached) == 0:
        raise ValueError("no run to align: a grid needs at least one")
    if min(reached) <= 0 or points < 2:
        raise ValueError("a grid needs runs that took decisions, and at least two points")
    return np.linspace(0.0, float(min(reached)), points)


def align(decisions: Array, returns: Array, grid: Array, last: int, reached: float) -> Array:
    """A run's learning curve on a grid: the mean return of the latest episodes at each point.

        y(g) = mean of the `last` latest returns among episodes with decisions ≤ g

    Args:
        decisions: ``[E]``, the run's count at each episode's end, in increasing order.
        returns: ``[E]``.
        grid: ``[G]``, decisions.
        last: episodes in the mean; fewer where fewer have ended.
        reached: decisions the run took in all.

    Returns:
        float64 ``[G]``; NaN before the first episode's end, and beyond ``reached``. A return that
        is not finite makes the points NaN whose mean it is part of.

    Raises:
        ValueError: arrays of unequal length, decisions out of order, ``last`` below 1.
    """
    decisions, returns = np.asarray(decisions), np.asarray(returns, dtype=np.float64)
    grid = np.asarray(grid, dtype=np.float64)
    if decisions.shape != returns.shape or decisions.ndim != 1:
        raise ValueError(
            f"decisions {decisions.shape} and returns {returns.shape}: one per episode"
        )
    if (np.diff(decisions) < 0).any():
        raise ValueError("episodes must be in the order in which they ended")
    if last < 1:
        raise ValueError(f"a mean of the last {last} episodes: choose at least 1")
    ended = np.searchsorted(decisions, grid, side="right")
    curve = np.full(len(grid), np.nan)
    for point in np.flatnonzero((ended > 0) & (grid <= reached)):
        recent = returns[max(ended[point] - last, 0) : ended[point]]
        curve[point] = recent.mean() if np.isfinite(recent).all() else np.nan
    return curve


def final(decisions: Array, returns: Array, last: int, reached: float) -> float:
    """Final performance: mean return of the ``last`` latest episodes by ``reached`` decisions.

    Args:
        decisions: ``[E]``, as `align`.
        returns: ``[E]``.
        last: episodes in the mean; fewer where fewer have ended.
        reached: decisions up to which episodes count: the same for all runs compared.

    Returns:
        In units of return; NaN if no episode had ended.
    """
    return float(align(decisions, returns, np.array([float(reached)]), last, reached)[0])


def area(grid: Array, curves: Array) -> Array:
    """Area under each learning curve over the range of decisions: a mean return of training.

        ∫ y(g) dg / (g_G − g_1),   by trapezoids

    Before its first episode ended a curve is taken to be what it was then: nothing else is known,
    and the range stays the same for all runs.

    Args:
        grid: ``[G]``, decisions, increasing, at least two.
        curves: ``[n, G]`` as `align` returns them.

    Returns:
        float64 ``[n]``, in units of return; NaN for a curve without a value, with a gap, or that
        ends before the grid does.

    Raises:
        ValueError: the shapes do not fit, or the grid does not increase.
    """
    grid, curves = np.asarray(grid, dtype=np.float64), np.asarray(curves, dtype=np.float64)
    if curves.ndim != 2 or curves.shape[1:] != grid.shape:
        raise ValueError(f"curves {curves.shape} on a grid {grid.shape}: expected [n, G] and [G]")
    if len(grid) < 2 or (np.diff(grid) <= 0).any():
        raise ValueError("the area needs a grid of at least two increasing points")
    known = np.isfinite(curves)
    start = known.argmax(axis=1)
    before = np.arange(len(grid)) < start[:, None]
    filled = np.where(before, curves[np.arange(len(curves)), start][:, None], curves)
    return np.trapezoid(filled, grid, axis=1) / (grid[-1] - grid[0])


@dataclass(frozen=True)
class Curves:
    """The learning curves of an arm's runs on one grid.

    Args:
        grid: float64 ``[G]``, decisions.
        values: float64 ``[n, G]``, NaN where a run has none.
        reached: ``[n]``, decisions each run took; a run below the grid's end is ragged.
    """

    grid: Array
    values: Array
    reached: Array

    @property
    def runs(self) -> Array:
        """int64 ``[G]``, how many runs have a value at each point: the n of a curve's band."""
        return np.isfinite(self.values).sum(axis=0)

    @property
    def ragged(self) -> Array:
        """Bool ``[n]``, the runs that ended before the grid does."""
        return self.reached < self.grid[-1]


def curve_band(values: Array, generator: Generator, count: int = RESAMPLES) -> Array:
    """Interquartile mean of an arm's curves at each point, with a pointwise 95% interval.

    The resampled mean of m runs is Σ_i k_i x_(i) / Σ_i k_i: a run drawn c_i times takes c_i of the
    m places in the sorted resample, of which k_i are in the middle half. That is
    `interquartile_mean` without a sort.

    Args:
        values: ``[n, G]``, NaN where a run has none: the runs that have one are resampled.
        generator: one draw; points with equally many runs share the resamples, of ranks.
        count: resamples.

    Returns:
        float64 ``[3, G]``: figure, low, high; NaN without runs, and ends NaN with one.

    Source: as `pgx.stats.bootstrap.band`.
    """
    seed, found = int(generator.integers(2**63)), np.full((3, values.shape[1]), np.nan)
    drawn = np.zeros((count, 0))
    for point, column in enumerate(values.T):
        scores = np.sort(column[np.isfinite(column)])
        runs = len(scores)
        if runs:
            found[0, point] = interquartile_mean([scores])
        if runs < 2:
            continue
        if drawn.shape[1] != runs:
            own = np.random.default_rng(seed)
            drawn = own.multinomial(runs, np.full(runs, 1 / runs), size=count).cumsum(axis=1)
            places = drawn.clip(runs // 4, runs - runs // 4)
            weights = np.diff(places, axis=1, prepend=runs // 4) / (runs - 2 * (runs // 4))
        found[1:, point] = spread((weights * scores).sum(axis=1))  # no BLAS: threads move digits
    return found
