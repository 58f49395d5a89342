"""From a part's rows to few points per replica: its summary on a grid of decisions. Pure.

A replica's budget is cut into at most ``points`` cells of equal width. A cell's point is made of
rows alone, and only when the cell is complete: the same rows give the same points, however they
were read and however often training was interrupted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from pgx.tracking.episodes import RECENT, SPARSE

MOST_POINTS = 1000  #: per replica


class Point(NamedTuple):
    """What one cell says of one replica."""

    step: int  #: the cell's index, from 0
    values: dict[str, Any]  #: by name; ``decisions`` is the x-axis


class Grid:
    """The points of one replica, from rows that come in pieces.

    Point k covers decisions ``k·width < d ≤ (k+1)·width`` with ``width = ceil(budget/points)``;
    decisions past the budget belong to the last cell. It holds the cell's last row of metrics, the
    mean return and length of the episodes that ended since the previous point, the number of all
    episodes so far and the mean return of the last 100 of them, and the mean return and length of
    the latest evaluation since the previous point. Diagnostics that only some iterations measure
    are those of the cell's last measurement. A cell without a row has no point.

    Args:
        budget: decisions of the replica.
        points: how many at most.
    """

    def __init__(self, budget: int, points: int) -> None:
        self.width = -(-budget // points)
        self._last = -(-budget // self.width) - 1
        self._metrics: dict[str, np.ndarray] = {}
        self._episodes: dict[str, np.ndarray] = {}
        self._evaluations: dict[str, np.ndarray] = {}
        self._recent: list[float] = []
        self._ended = 0

    def add(
        self,
        metrics: Mapping[str, np.ndarray],
        episodes: Mapping[str, np.ndarray],
        evaluations: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        """Add this replica's next rows; every column is ``[rows]``, in order of decisions."""
        self._metrics = _joined(self._metrics, metrics)
        self._episodes = _joined(self._episodes, episodes)
        self._evaluations = _joined(self._evaluations, evaluations or {})

    def points(self, ended: bool = False) -> Iterator[Point]:
        """The points of the cells that were completed by the rows so far, each once.

        Args:
            ended: whether no row follows, which completes the last cell as well.
        """
        if not self._metrics:
            return
        decisions = self._metrics["decisions"]
        cell = np.minimum((decisions - 1) // self.width, self._last)
        rows = np.flatnonzero(np.append(cell[1:] != cell[:-1], ended and len(cell) > 0))
        for first, row in zip([0, *(rows[:-1] + 1)], rows, strict=False):
            yield Point(int(cell[row]), self._values(int(first), int(row)))
        kept = rows[-1] + 1 if len(rows) else 0
        self._metrics = {name: column[kept:] for name, column in self._metrics.items()}

    def _values(self, first: int, row: int) -> dict[str, Any]:
        values = {name: column[row].item() for name, column in self._metrics.items()}
        del values["seed"]
        for name in SPARSE:
            seen = self._metrics.get(name, np.empty(0))[first : row + 1]
            known = seen[np.isfinite(seen)]
            if len(known):
                values[name] = float(known[-1])
        if self._episodes:
            ended, self._episodes = _cut(self._episodes, values["decisions"])
            count = len(ended["decisions"])
            self._ended += count
            self._recent = [*self._recent, *ended["return_raw"].tolist()][-RECENT:]
            if count:
                names = ("return_raw", "return_train", "length")
                values |= {name: float(ended[name].mean()) for name in names}
        if self._evaluations:
            played, self._evaluations = _cut(self._evaluations, values["decisions"])
            if len(played["decisions"]):
                latest = played["iteration"] == played["iteration"][-1]
                values["evaluation"] = float(played["return_raw"][latest].mean())
                values["evaluation_length"] = float(played["length"][latest].mean())
        values["episodes"] = self._ended
        if self._recent:
            values["recent_return"] = float(np.mean(self._recent))
        return values


def by_seed(columns: Mapping[str, np.ndarray], seeds: Sequence[int]) -> Iterator[dict[str, Any]]:
    """The rows of each of ``seeds``, in that order; the rows of a seed keep theirs."""
    if not columns or not len(columns["seed"]):
        yield from ({} for _ in seeds)
        return
    order = np.argsort(columns["seed"], kind="stable")
    ordered = {name: column[order] for name, column in columns.items()}
    begin = np.searchsorted(ordered["seed"], seeds, "left")
    end = np.searchsorted(ordered["seed"], seeds, "right")
    for first, after in zip(begin, end, strict=True):
        yield {name: column[first:after] for name, column in ordered.items()}


def _joined(
    before: dict[str, np.ndarray], after: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    if not before or not after:
        return before or dict(after)
    return {name: np.concatenate([column, after[name]]) for name, column in before.items()}


def _cut(
    rows: dict[str, np.ndarray], decisions: int
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The rows up to so many decisions, and those after them."""
    count = int(np.searchsorted(rows["decisions"], decisions, "right"))
    before = {name: column[:count] for name, column in rows.items()}
    return before, {name: column[count:] for name, column in rows.items()}
