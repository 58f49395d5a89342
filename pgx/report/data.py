"""What the charts show, as rows: numbers of the analysis with seven digits, nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pgx.analysis.model import Analysis, Measure
from pgx.report.markup import visible
from pgx.stats.aggregates import Array

UNTOLD = "not compared"  #: where no seed is in both arms
DIGITS = 7  #: significant, of a number in a chart


@dataclass(frozen=True)
class Rows:
    """Rows of a chart, as the page holds them.

    Args:
        columns: names; the first is the arm's place in `arms`.
        rows: values.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"columns": list(self.columns), "rows": [list(row) for row in self.rows]}

    def values(self, names: Sequence[str], labels: Sequence[str]) -> list[dict[str, Any]]:
        """Rows as Vega-Lite takes them, with the arm's name and label; the page does the same."""
        return [
            {
                **dict(zip(self.columns, row, strict=True)),
                "arm": names[row[0]],
                "label": labels[row[0]],
            }
            for row in self.rows
        ]

    def span(self, *columns: str) -> tuple[float, float]:
        """The least and the largest value of these columns; 0 and 1 without any."""
        wanted = [self.columns.index(column) for column in columns]
        every = [row[i] for row in self.rows for i in wanted if row[i] is not None]
        return (min(every), max(every)) if every else (0.0, 1.0)


def arms(analysis: Analysis) -> list[str]:
    """Every trained arm, the one that the others are held against first: its place is its look."""
    others = [arm for arm in analysis.study.trained if arm != analysis.against]
    return [analysis.against, *others]


def labels(analysis: Analysis) -> list[str]:
    """How `arms` are written for people."""
    return [visible(analysis.study.label(arm)) for arm in arms(analysis)]


def datasets(analysis: Analysis) -> dict[str, Rows]:
    """Every chart's rows, by ``curves-<environment>``, ``differences-…`` and ``profiles-…``."""
    found = {}
    for place in analysis.study.places:
        kinds = {"curves": curves, "differences": differences, "profiles": profiles}
        found |= {f"{kind}-{place}": make(analysis, place) for kind, make in kinds.items()}
    return found


def curves(analysis: Analysis, environment: str) -> Rows:
    """Rows ``arm, decisions, value, low, high, n`` where a curve has a value."""
    rows: list[tuple[Any, ...]] = []
    bands = analysis.bands.get(environment, {})
    for place, arm in enumerate(arms(analysis)):
        if arm not in bands:
            continue
        own = analysis.curves[environment][arm]
        settled = np.isfinite(own.values) | (own.grid > np.asarray(own.reached)[:, None])
        known = np.isfinite(bands[arm][0])
        columns = (own.grid, *bands[arm], settled.sum(axis=0))
        rows += _rows(place, [np.asarray(column)[known] for column in columns])
    return Rows(("arm", "decisions", "value", "low", "high", "n"), tuple(rows))


def profiles(analysis: Analysis, environment: str) -> Rows:
    """Rows ``arm, score, share, low, high, n``."""
    rows: list[tuple[Any, ...]] = []
    found = analysis.profiles.get(environment, {})
    for place, arm in enumerate(arms(analysis)):
        if arm in found:
            own = found[arm]
            counted = np.full(len(own.share), own.runs)
            rows += _rows(place, [own.thresholds, own.share, own.low, own.high, counted])
    return Rows(("arm", "score", "share", "low", "high", "n"), tuple(rows))


def differences(analysis: Analysis, environment: str) -> Rows:
    """Rows ``arm, difference, low, high, n, p, verdict, decided``, of the primary metric."""
    place = {arm: i for i, arm in enumerate(arms(analysis))}
    rows = []
    for comparison in analysis.primary.comparisons:
        if comparison.environment == environment:
            figure, verdict = comparison.difference, comparison.verdict
            numbers = (figure.estimate, figure.low, figure.high)
            word = str(verdict) if verdict.pairs else UNTOLD
            said = (figure.runs, _digits(verdict.p_adjusted), word)
            decided = verdict.word != "undecided"
            rows.append((place[comparison.arm], *map(_digits, numbers), *said, decided))
    columns = ("arm", "difference", "low", "high", "n", "p", "verdict", "decided")
    return Rows(columns, tuple(sorted(rows, key=lambda row: row[0])))


def by_arm(measure: Measure, environment: str, kind: str = "summaries") -> Mapping[str, Any]:
    """The measure's summaries, or comparisons, of an environment by arm."""
    return {row.arm: row for row in getattr(measure, kind) if row.environment == environment}


def _rows(place: int, columns: Iterable[Array]) -> list[tuple[Any, ...]]:
    return [
        (place, *map(_digits, values))
        for values in zip(*(c.tolist() for c in columns), strict=True)
    ]


def _digits(value: float) -> float | int | None:
    """The number with `DIGITS` digits, whole ones without a point; None if it is none."""
    if not np.isfinite(value):
        return None
    short = float(f"{value:.{DIGITS}g}")
    return int(short) if short.is_integer() and abs(short) < 1e15 else short
