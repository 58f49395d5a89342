"""How far one part is, read off its block files while another process writes them."""

from __future__ import annotations

from collections import deque
from pathlib import Path

import numpy as np

from pgx.sweep.job import Job
from pgx.tracking.blocks import BlockTail
from pgx.tracking.episodes import RECENT

WINDOW_S = 20.0  #: over which the present rate is measured


class Gauge:
    """Decisions and returns of a part's seeds, brought up to date by `read`.

    Args:
        job: whose part.

    Attributes:
        decisions: int64 ``[R]``, taken by each seed, in the order of the job's.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self._order = np.argsort(np.asarray(job.seeds, dtype=np.int64))
        self._sorted = np.asarray(job.seeds, dtype=np.int64)[self._order]
        self._metrics = _Rows(job.directory / "metrics.blocks")
        self._episodes = _Rows(job.directory / "episodes.blocks")
        self._forget()

    def _forget(self) -> None:
        self.decisions = np.zeros(len(self.job.seeds), dtype=np.int64)
        self._recent: list[deque[float]] = [deque(maxlen=RECENT) for _ in self.job.seeds]
        self._samples: deque[tuple[float, np.ndarray]] = deque()

    def read(self, now: float) -> None:
        """Read what was written since the last call.

        Args:
            now: seconds of a clock that does not jump.
        """
        metrics, again = self._metrics.read()
        episodes, too = self._episodes.read()
        if again or too:  # a part that went back to its checkpoint: both files from their start
            self._metrics.reopen()
            self._episodes.reopen()
            self._forget()
            (metrics, _), (episodes, _) = self._metrics.read(), self._episodes.read()
        if metrics:
            np.maximum.at(self.decisions, self._replica(metrics["seed"]), metrics["decisions"])
            self._samples.append((now, self.decisions.copy()))
        if episodes:
            self._remember(self._replica(episodes["seed"]), episodes["return_raw"])
        while len(self._samples) > 2 and self._samples[1][0] < now - WINDOW_S:
            self._samples.popleft()

    def _replica(self, seed: np.ndarray) -> np.ndarray:
        place = np.searchsorted(self._sorted, seed).clip(max=len(self._sorted) - 1)
        return self._order[place]

    def _remember(self, replica: np.ndarray, returns: np.ndarray) -> None:
        for index in np.unique(replica):
            self._recent[index].extend(returns[replica == index][-RECENT:].tolist())

    @property
    def recent_return(self) -> float | None:
        """The median over seeds of each one's mean over its last 100 episodes; None without any."""
        means = [float(np.mean(recent)) for recent in self._recent if recent]
        return float(np.median(means)) if means else None

    @property
    def share(self) -> float:
        """How much of the budget is done, from 0 to 1, over all seeds."""
        done = np.minimum(self.decisions, self.job.budget).sum()
        return float(done) / max(1, self.job.budget * len(self.decisions))

    @property
    def rate(self) -> float | None:
        """Decisions per second of late, summed over seeds; None before there are any."""
        rates = self._rates()
        return float(rates.sum()) if rates is not None and rates.any() else None

    @property
    def left_s(self) -> float | None:
        """Seconds until the slowest seed that moves has its budget; None without a rate."""
        rates = self._rates()
        if rates is None or not rates.any():
            return None
        moves = rates > 0
        left = np.maximum(self.job.budget - self.decisions[moves], 0) / rates[moves]
        return float(left.max())

    def _rates(self) -> np.ndarray | None:
        if len(self._samples) < 2:
            return None
        (begun, before), (ended, after) = self._samples[0], self._samples[-1]
        return (after - before) / max(ended - begun, 1e-9)

    def close(self) -> None:
        """Close the files."""
        self._metrics.close()
        self._episodes.close()


class _Rows:
    """A block file that may appear late, be cut back to a checkpoint, or make way for parquet."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._tail: BlockTail | None = None
        self._identity, self._stuck = 0, False

    def read(self) -> tuple[dict[str, np.ndarray], bool]:
        """The new rows, if any, and whether the file must be read from its start again."""
        try:
            status = self._path.stat()
            if self._tail is None:
                self._tail, self._identity = BlockTail(self._path), status.st_ino
        except OSError:  # not yet, or not any more: what is still open is read to its end
            return self._rows(), False
        if status.st_ino != self._identity or status.st_size < self._tail.position:
            return {}, True
        rows = self._rows()
        stuck = not rows and status.st_size > self._tail.position
        again = stuck and self._stuck  # not a torn block, but one that we are out of step with
        self._stuck = stuck
        return rows, again

    def _rows(self) -> dict[str, np.ndarray]:
        if self._tail is None:
            return {}
        try:
            columns = self._tail.read()
        except ValueError:  # no block file: the reader of the part will say so
            return {}
        return columns if columns and len(next(iter(columns.values()))) else {}

    def reopen(self) -> None:
        """Begin again at the start of the file that is there now."""
        self.close()
        self._stuck = False

    def close(self) -> None:
        """Close the file."""
        if self._tail is not None:
            self._tail.close()
            self._tail = None
