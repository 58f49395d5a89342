"""A part's block files, written as training writes them, with the numbers that a test wants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from pgx.tracking.blocks import BlockWriter
from pgx.tracking.episodes import EPISODE_ROW, METRIC_ROW

SEEDS = (7, 2, 5)  #: not in order


def record(directory: Path, decisions: Mapping[int, int]) -> None:
    """The rows of a part that ended: one iteration and one episode per seed."""
    rows = Rows(directory)
    rows.iteration(list(decisions.values()), list(decisions))
    for seed in decisions:
        rows.episode(seed, [1.0])
    rows.metrics.close(), rows.episodes.close()


class Rows:
    """Appends to a part's files.

    Args:
        directory: of the part.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.metrics = BlockWriter(directory / "metrics.blocks", METRIC_ROW)
        self.episodes = BlockWriter(directory / "episodes.blocks", EPISODE_ROW)

    def iteration(self, decisions: Sequence[int], seeds: Sequence[int] = SEEDS) -> None:
        """One row of metrics per seed, after so many decisions each."""
        seed, taken = np.array(seeds), np.array(decisions)
        zeros, ones = np.zeros(len(seed), dtype=np.int64), np.ones(len(seed))
        self.metrics.append({"seed": seed, "iteration": zeros, "decisions": taken, "wall_s": ones})

    def episode(self, seed: int, returns: Sequence[float]) -> None:
        """Episodes of one seed, with these returns."""
        count = len(returns)
        whole = np.full(count, seed)
        self.episodes.append(
            {
                "seed": whole,
                "episode": np.arange(count),
                "decisions": whole,
                "return_raw": np.array(returns, dtype=float),
                "return_train": np.zeros(count),
                "length": whole,
                "wall_s": np.zeros(count),
            }
        )
