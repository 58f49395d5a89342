"""The tracker that is always on: a part's rows in its own directory, appended as they appear.

While a part trains, ``episodes.blocks`` and ``metrics.blocks`` grow by one block per iteration, and
``evaluations.blocks`` by one per evaluation, if there are any; `FileTracker.finish` turns them into
``episodes.parquet``, ``metrics.parquet`` and ``evaluations.parquet``. A file of a kind exists in
one form or, if a process dies while compacting, in both with the same rows.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pgx.errors import RunFailed
from pgx.tracking.atomic import remove_stale, replacing
from pgx.tracking.blocks import BlockWriter, read_blocks
from pgx.tracking.episodes import EPISODE_ROW, EVALUATION_ROW, METRIC_ROW, RECENT, EpisodeLog
from pgx.types import Rollout

KINDS = ("episodes", "metrics", "evaluations")


class FileTracker:
    """Writes a part's episodes and metrics; the caller holds the part's lock.

    Args:
        directory: of the part; created if absent.
        seeds: one per replica, R.
        slots: environment slots per replica, N.
        evaluates: whether there is a file of evaluations.

    Attributes:
        log: the running sums of open episodes.
    """

    def __init__(
        self, directory: Path, seeds: Sequence[int], slots: int, evaluates: bool = False
    ) -> None:
        self.directory = Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.seeds = np.asarray([int(seed) for seed in seeds], dtype=np.int64)
        self.log = EpisodeLog(len(self.seeds), slots)
        self._ring = np.full((len(self.seeds), RECENT), np.nan)
        self._writers: dict[str, BlockWriter] = {}
        self._names: tuple[str, ...] | None = None
        self._evaluates = evaluates
        self._before, self._begun = 0.0, time.perf_counter()

    @property
    def wall_s(self) -> float:
        """Seconds this part has run, interruptions left out."""
        return self._before + time.perf_counter() - self._begun

    def record(
        self,
        iteration: int,
        decisions: np.ndarray,
        rollout: Rollout,
        reward_raw: Tensor,
        diagnostics: dict[str, Tensor],
        alive: np.ndarray,
    ) -> None:
        """Append the episodes that ended in a rollout, and one row of metrics per live replica.

        Args:
            iteration: which one this is, from 0.
            decisions: int64 ``[R]``, taken by each replica, this iteration included.
            rollout: what the iteration collected.
            reward_raw: ``[T, R, N]``, the environment's own reward; may be ``rollout.reward``.
            diagnostics: ``[R]`` each; the same names in every iteration.
            alive: bool ``[R]``; a frozen replica writes no row, and its counts stay.

        Raises:
            ValueError: other diagnostics than before, or decisions that the rollouts do not add
                up to.
            FileExistsError: the directory holds rows, and no state of theirs was loaded.
        """
        wall = self.wall_s
        chosen = np.flatnonzero(alive)
        metrics = self._metrics(diagnostics, chosen)
        if not self._writers:
            self._open(tuple(metrics))
        ended = self.log.update(rollout, reward_raw, alive)
        if not np.array_equal(self.log.decisions[chosen], decisions[chosen]):
            raise ValueError(
                f"the rollouts' rows add up to {self.log.decisions[chosen]} decisions, "
                f"not to {decisions[chosen]}"
            )
        if len(replica := ended.pop("replica")):
            del ended["t"]
            self._remember(replica, ended["episode"], ended["return_raw"])
            ended |= {"seed": self.seeds[replica], "wall_s": np.full(len(replica), wall)}
            self._writers["episodes"].append(ended)
        rows = {
            "seed": self.seeds[chosen],
            "iteration": np.full(len(chosen), iteration),
            "decisions": decisions[chosen],
            "wall_s": np.full(len(chosen), wall),
        }
        self._writers["metrics"].append(rows | metrics)

    def record_evaluation(
        self,
        replicas: np.ndarray,
        iteration: int,
        decisions: np.ndarray,
        episode: np.ndarray,
        return_raw: np.ndarray,
        length: np.ndarray,
    ) -> None:
        """Append the episodes of an evaluation of some replicas; an iteration was recorded before.

        Args:
            replicas: int64 ``[M]``, which.
            iteration: the one it follows.
            decisions: int64 ``[M]``, taken by each replica in training.
            episode: int64 ``[M, E]``, number of each episode, from 0 within the replica.
            return_raw: float64 ``[M, E]``.
            length: int64 ``[M, E]``, decisions.
        """
        count = episode.shape[1]
        self._writers["evaluations"].append(
            {
                "seed": np.repeat(self.seeds[replicas], count),
                "iteration": np.full(episode.size, iteration),
                "decisions": np.repeat(decisions, count),
                "episode": episode.ravel(),
                "return_raw": return_raw.ravel(),
                "length": length.ravel(),
            }
        )

    def _metrics(self, diagnostics: dict[str, Tensor], chosen: np.ndarray) -> dict[str, np.ndarray]:
        """float64 columns of the chosen replicas, by way of one copy from the device."""
        names = tuple(diagnostics)
        if self._names is None:
            if taken := METRIC_ROW.keys() & diagnostics.keys():
                raise ValueError(f"diagnostics may not be named {', '.join(sorted(taken))}")
            self._names = names
        elif names != self._names and set(names) != set(self._names):
            odd = sorted(set(names) ^ set(self._names))
            raise ValueError(f"diagnostics appeared or vanished: {', '.join(odd)}")
        if not names:
            return {}
        values = torch.stack([value.detach().double() for value in diagnostics.values()])
        if values.shape != (len(names), len(self.seeds)):
            shape = tuple(values.shape[1:])
            raise ValueError(f"diagnostics have shape {shape}, expected ({len(self.seeds)},)")
        return dict(zip(names, values.cpu().numpy()[:, chosen], strict=True))

    def _open(self, names: tuple[str, ...]) -> None:
        if found := [path for kind in KINDS for path in self._paths(kind) if path.exists()]:
            raise FileExistsError(
                f"{found[0]} exists: load the state it belongs to, or remove it with discard()"
            )
        metric_row = METRIC_ROW | dict.fromkeys(names, "float64")
        rows = (("episodes", EPISODE_ROW), ("metrics", metric_row), ("evaluations", EVALUATION_ROW))
        for kind, row in rows if self._evaluates else rows[:2]:
            self._writers[kind] = BlockWriter(self._paths(kind)[0], row)

    def _paths(self, kind: str) -> tuple[Path, Path]:
        return self.directory / f"{kind}.blocks", self.directory / f"{kind}.parquet"

    def _remember(self, replica: np.ndarray, episode: np.ndarray, value: np.ndarray) -> None:
        """Put returns into the ring of each replica's last episodes."""
        last = episode >= self.log.episodes[replica] - RECENT
        self._ring[replica[last], episode[last] % RECENT] = value[last]

    @property
    def columns(self) -> tuple[str, ...] | None:
        """The diagnostics that a row of metrics has; None before the first row."""
        return self._names

    @property
    def recent_return(self) -> np.ndarray:
        """float64 ``[R]``, mean return_raw of each replica's last 100 episodes; nan without one."""
        count = np.minimum(self.log.episodes, RECENT)
        filled = np.arange(RECENT) < count[:, None]
        total = np.where(filled, self._ring, 0.0).sum(1)
        return np.where(count > 0, total / np.maximum(count, 1), np.nan)

    def summary(self) -> list[dict[str, Any]]:
        """One row per seed: ``seed, episodes, decisions, recent_return, recent_n``."""
        columns = (self.seeds, self.log.episodes, self.log.decisions, self.recent_return)
        return [
            {
                "seed": int(seed),
                "episodes": int(episodes),
                "decisions": int(decisions),
                "recent_return": float(recent),
                "recent_n": min(int(episodes), RECENT),
            }
            for seed, episodes, decisions, recent in zip(*columns, strict=True)
        ]

    def state_dict(self) -> dict[str, Any]:
        """How far the files are valid, and what later rows continue: tensors and plain values."""
        return {
            "seeds": self.seeds.tolist(),
            "sizes": {kind: writer.size for kind, writer in self._writers.items()},
            "log": self.log.state_dict(),
            "recent": torch.from_numpy(self._ring.copy()),
            "wall_s": self.wall_s,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a ``state_dict``: later rows are cut off, the clock goes on from there.

        Raises:
            ValueError: the state is of other seeds or slots.
            RunFailed: the files hold fewer rows than the state remembers.
        """
        if state["seeds"] != self.seeds.tolist():
            raise ValueError(f"the state is of seeds {state['seeds']}, not {self.seeds.tolist()}")
        self.log.load_state_dict(state["log"])
        self._ring[...] = state["recent"].numpy()
        self.close()
        self._names = None
        if not state["sizes"]:
            self.discard()
        for kind, size in state["sizes"].items():
            blocks, parquet = self._paths(kind)
            try:
                writer = BlockWriter(blocks)
                self._writers[kind] = writer
                writer.truncate(size)
            except (FileNotFoundError, ValueError) as error:
                raise RunFailed(
                    f"{blocks}: the checkpoint's rows are not there ({error})"
                ) from error
            parquet.unlink(missing_ok=True)
        if "metrics" in self._writers:
            columns = self._writers["metrics"].schema
            self._names = tuple(name for name in columns if name not in METRIC_ROW)
        self._before, self._begun = float(state["wall_s"]), time.perf_counter()

    def forget_open_episodes(self) -> None:
        """Every slot begins its episode anew: what the open ones brought so far counts no more."""
        self.log.forget_open_episodes()

    def finish(self) -> None:
        """Turn the blocks into sorted parquet files, then remove them. Twice is fine.

        Rows are readable at every instant: each parquet file appears whole, and the blocks go when
        all are there.
        """
        import polars as pl

        self.close()
        files = (
            ("episodes", EPISODE_ROW, ["seed", "episode"]),
            ("metrics", METRIC_ROW, ["seed", "iteration"]),
            ("evaluations", EVALUATION_ROW, ["seed", "episode"]),
        )
        for kind, row, by in files if self._evaluates else files[:2]:
            blocks, parquet = self._paths(kind)
            if not blocks.exists() and parquet.exists():
                continue
            columns = read_blocks(blocks) if blocks.exists() else {}
            empty = {name: np.empty(0, dtype) for name, dtype in row.items()}
            with replacing(parquet) as file:  # polars would expand a name
                pl.DataFrame(columns or empty).sort(by).write_parquet(file)
            remove_stale(parquet)
        for kind in KINDS:
            self._paths(kind)[0].unlink(missing_ok=True)

    def discard(self) -> None:
        """Remove every row of this directory, to start over."""
        self.close()
        for kind in KINDS:
            for path in self._paths(kind):
                path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the block files and leave them; twice is fine."""
        for writer in self._writers.values():
            writer.close()
        self._writers = {}
