"""How sure a figure is: percentile intervals from stratified resamples of the runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from pgx.stats.aggregates import Array, Strata, check_strata, probability_of_improvement, wins

RESAMPLES = 10_000  #: of the runs, behind every interval
LEVEL = 0.95  #: share of the resamples' figures that an interval spans
HELD = 2**20  #: scores that are resampled at once, about 8 MB

Statistic = Callable[[Strata], Array]


@dataclass(frozen=True)
class Interval:
    """A figure with its interval and what both rest on.

    Args:
        estimate: the figure itself, of the runs as they are.
        low: lower end; NaN where no interval can be had: one run per environment, or none at all.
        high: upper end.
        runs: n, the runs behind it.
        level: .95 for a 95% interval.
        method: the interval's name, for a caption.
    """

    estimate: float
    low: float
    high: float
    runs: int
    level: float = LEVEL
    method: str = "stratified percentile bootstrap"


def resamples(strata: Strata, generator: Generator, count: int = RESAMPLES) -> Iterator[Strata]:
    """Draw runs with replacement, each environment's among its own.

    Args:
        strata: ``[n]`` per environment.
        generator: draws.
        count: resamples in all.

    Yields:
        Strata ``[b, n]``, a bounded number b of resamples at a time, `count` in all.
    """
    at_once = max(1, HELD // sum(len(scores) for scores in strata))
    for start in range(0, count, at_once):
        size = min(at_once, count - start)
        yield [
            scores[generator.integers(len(scores), size=(size, len(scores)))] for scores in strata
        ]


def spread(figures: Array, level: float = LEVEL) -> Array:
    """The middle ``level`` of resampled figures: ``[B, …]`` to ``[2, …]``, low and high."""
    return np.quantile(figures, [(1 - level) / 2, (1 + level) / 2], axis=0)


def band(
    strata: Strata, statistic: Statistic, generator: Generator, count: int = RESAMPLES
) -> Array:
    """Pointwise 95% interval of a figure with axes of its own, such as a performance profile.

    Args:
        strata: ``[n]`` per environment.
        statistic: strata ``[b, n]`` to ``[b, …]``.
        generator: draws.
        count: resamples.

    Returns:
        ``[2, …]``, low and high; NaN where no environment has more than one run.

    Raises:
        ValueError: an environment without runs, NaN.

    Source: Agarwal et al. 2021, arXiv 2108.13264, section 4.1; Efron & Tibshirani 1993, ch. 13.
    """
    check_strata(strata)
    figures = np.concatenate([statistic(drawn) for drawn in resamples(strata, generator, count)])
    ends = spread(figures)
    return ends if max(len(scores) for scores in strata) > 1 else np.full_like(ends, np.nan)


def intervals(
    strata: Strata,
    statistics: Mapping[str, Statistic],
    generator: Generator,
    count: int = RESAMPLES,
) -> dict[str, Interval]:
    """Figures of the same runs with 95% intervals, all from the same resamples.

    Args:
        strata: ``[n]`` per environment.
        statistics: name to figure, strata ``[b, n]`` to ``[b]``.
        generator: draws.
        count: resamples.

    Raises:
        ValueError: an environment without runs, NaN.

    Source: as `band`. Resampling runs and not environments: the interval says what other seeds
    would do to the figure on these environments.
    """

    def figures(drawn: Strata) -> Array:
        return np.stack([statistic(drawn) for statistic in statistics.values()], axis=-1)

    strata = [np.asarray(scores, dtype=np.float64) for scores in strata]
    ends = band(strata, figures, generator, count)
    runs = sum(len(scores) for scores in strata)
    found = {}
    for column, (name, statistic) in enumerate(statistics.items()):
        low, high = (float(end) for end in ends[:, column])
        found[name] = Interval(float(statistic(strata)), low, high, runs)
    return found


def improvement_interval(
    ours: Strata, theirs: Strata, generator: Generator, count: int = RESAMPLES
) -> Interval:
    """`probability_of_improvement` with its 95% interval, both arms resampled independently.

        P* = cᵀ W d / (n·m),   c and d how often each run was drawn, W as `wins`

    Args:
        ours: ``[n]`` per environment.
        theirs: ``[m]`` per environment.
        generator: draws.
        count: resamples.

    Raises:
        ValueError: as `probability_of_improvement`.

    Source: Agarwal et al. 2021, arXiv 2108.13264, section 4.3.
    """
    estimate = probability_of_improvement(ours, theirs)
    figures = []
    for x, y in zip(ours, theirs, strict=True):
        table, found = wins(x, y), []
        at_once = max(1, HELD // max(len(x), len(y)))
        for start in range(0, count, at_once):
            size = min(at_once, count - start)
            mine = generator.multinomial(len(x), np.full(len(x), 1 / len(x)), size=size)
            other = generator.multinomial(len(y), np.full(len(y), 1 / len(y)), size=size)
            found.append(((mine @ table) * other).sum(axis=1) / table.size)
        figures.append(np.concatenate(found))
    runs = sum(min(len(x), len(y)) for x, y in zip(ours, theirs, strict=True))  # of either arm
    low, high = (float(end) for end in spread(np.mean(figures, axis=0)))
    if max(len(scores) for scores in (*ours, *theirs)) == 1:
        low = high = float("nan")
    return Interval(estimate, low, high, runs)
