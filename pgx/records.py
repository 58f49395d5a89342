"""The reader's side of what training recorded: parts found on disk, their rows, and their union.

Nothing here imports torch or instantiates a config. A part that still trains, or was killed, is
read from its blocks; a finished one from its parquet files.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pgx.errors import ConfigError, suggest
from pgx.tracking.manifest import MANIFEST, is_live, read_manifest
from pgx.tracking.rows import ADVICE, empty, read_rows, rows_file

if TYPE_CHECKING:
    import polars as pl

COLUMNS = (
    "study",
    "arm",
    "environment",
    "seed",
    "episode",
    "decisions",
    "return_raw",
    "return_train",
    "length",
    "wall_s",
)

OUTPUT = Path("outputs")  #: where runs are written by default; it need not exist yet

#: If two parts hold the same run, the one whose status comes first here is believed.
_BELIEVED = ("finished", "running", "diverged", "interrupted", "failed")


@dataclass(frozen=True)
class Part:
    """The seeds of an arm that trained in one process, and their directory.

    Attributes:
        path: ``<root>/<study>/<arm>/<environment>/seeds-…``; the names come from here.
        manifest: the content of its ``manifest.json``.
        live: whether a process is writing to it now.
    """

    path: Path
    manifest: dict[str, Any]
    live: bool

    @property
    def study(self) -> str:
        return self.path.parts[-4]

    @property
    def arm(self) -> str:
        return self.path.parts[-3]

    @property
    def environment(self) -> str:
        return self.path.parts[-2]

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(self.manifest["seeds"])

    @property
    def status(self) -> str:
        """As the manifest says; ``running`` of a dead process is ``interrupted``."""
        return self._now(self.manifest["status"])

    def seed_status(self, seed: int) -> tuple[str, str | None]:
        """Status of one seed, and the reason if there is one to give."""
        entry = self.manifest["seed_status"][str(seed)]
        return self._now(entry["status"]), entry["reason"]

    def _now(self, status: str) -> str:
        return "interrupted" if status == "running" and not self.live else status


class Run(NamedTuple):
    """One replica's record: the part that holds it, and how it ended."""

    part: Part
    seed: int
    status: str
    reason: str | None

    @property
    def key(self) -> tuple[str, str, str, int]:
        """What names it: study, arm, environment and seed."""
        return self.part.study, self.part.arm, self.part.environment, self.seed

    @property
    def diverged(self) -> bool:
        """Whether it failed because it diverged: that is a result, and no crash."""
        return self.status == "failed" and (self.reason or "").startswith("diverged")


def read_part(path: Path) -> Part:
    """The part in a directory.

    Raises:
        ConfigError: the directory holds no readable manifest.
    """
    path = Path(os.path.abspath(path))  # not resolved: the names are those of the links
    live, manifest = is_live(path), read_manifest(path)
    if manifest["status"] == "running" and not live:  # it may have begun or ended in between
        live, manifest = is_live(path), read_manifest(path)
    return Part(path, manifest, live)


def part_directories(root: Path, study: str | None = None) -> list[Path]:
    """The directory of every part below an output directory, readable or not.

    Args:
        root: the output directory, ``outputs``.
        study: only this one's parts; ``None`` takes all.

    Raises:
        ConfigError: there is no such output directory or study.
    """
    root = Path(root)
    if not root.is_dir() and (root != OUTPUT or root.exists()):
        raise ConfigError(f"--output: there is no folder {root}; name the one runs were written to")
    found = sorted(path for path in root.glob("*/*/*/seeds-*") if _is_part(path))
    if study is None:
        return found
    studies = {path.parts[-4] for path in found}
    if not studies:
        raise ConfigError(f"study: nothing is recorded under {root}; see --output")
    if study not in studies:
        hint = suggest(study, studies)
        raise ConfigError(f"study: no '{study}' is recorded under {root}; {hint}")
    return [path for path in found if path.parts[-4] == study]


def _is_part(path: Path) -> bool:
    """Whether a directory holds a record, even one that lost its manifest."""
    return (path / MANIFEST).exists() or rows_file(path, "episodes").exists()


def find_parts(root: Path, study: str | None = None) -> list[Part]:
    """Every part below an output directory, by study, arm, environment and first seed.

    Args:
        root: the output directory, ``outputs``.
        study: only this one's parts; ``None`` takes all.

    Raises:
        ConfigError: there is no such output directory or study, or a manifest is not readable.
    """
    parts = [read_part(path) for path in part_directories(root, study)]
    return sorted(parts, key=lambda p: (p.study, p.arm, p.environment, p.seeds))


def runs(parts: Sequence[Part]) -> tuple[list[Run], list[str]]:
    """One run per study, arm, environment and seed, and a line for every run held twice.

    If two parts hold the same run, the finished one is believed; then one that is running, that
    diverged (no later crash undoes that), was interrupted, failed; then the one begun later.
    """
    chosen: dict[tuple[str, str, str, int], Run] = {}
    notes = []
    for part in parts:
        for seed in part.seeds:
            run = Run(part, seed, *part.seed_status(seed))
            if (other := chosen.setdefault(run.key, run)) is run:
                continue
            kept, dropped = sorted((other, run), key=_belief)
            chosen[run.key] = kept
            notes.append(
                f"seed {seed} is in two parts: kept {kept.part.path} ({kept.status}), "
                f"left out {dropped.part.path} ({dropped.status})"
            )
    return [chosen[key] for key in sorted(chosen)], notes


def _belief(run: Run) -> tuple[int, float]:
    began = datetime.fromisoformat(run.part.manifest["started"]).timestamp()
    return _BELIEVED.index("diverged" if run.diverged else run.status), -began


def episodes(part: Part) -> pl.DataFrame:
    """Every episode of a part: ``seed, episode, decisions, return_raw, …``, by seed and episode.

    Raises:
        ConfigError: the file is gone or damaged.
    """
    from pgx.tracking.episodes import EPISODE_ROW

    return _rows(part, "episodes", EPISODE_ROW).sort("seed", "episode")


def metrics(part: Part) -> pl.DataFrame:
    """Every iteration of a part: ``seed, iteration, decisions, wall_s`` and its diagnostics.

    Raises:
        ConfigError: the file is gone or damaged.
    """
    from pgx.tracking.episodes import METRIC_ROW

    return _rows(part, "metrics", METRIC_ROW).sort("seed", "iteration")


def evaluations(part: Part) -> pl.DataFrame:
    """Every episode of the evaluations beside training, as they were recorded; maybe none."""
    from pgx.tracking.episodes import EVALUATION_ROW

    return _rows(part, "evaluations", EVALUATION_ROW, expected=False)


def join(parts: Sequence[Part]) -> tuple[pl.DataFrame, list[str]]:
    """The episodes of several parts as one table, and a line for every run held twice.

    Returns:
        Columns `COLUMNS`, sorted by study, arm, environment, seed and episode, no two rows alike
        in these; and the lines of `runs`.

    Raises:
        ConfigError: a part's episodes are gone or damaged.
    """
    import polars as pl

    from pgx.tracking.episodes import EPISODE_ROW

    chosen, notes = runs(parts)
    seeds: dict[Path, list[int]] = {}
    for run in chosen:
        seeds.setdefault(run.part.path, []).append(run.seed)
    frames = [_named(empty(EPISODE_ROW), ("", "", ""))]
    for part in {run.part.path: run.part for run in chosen}.values():
        own = episodes(part).filter(pl.col("seed").is_in(seeds[part.path]))
        frames.append(_named(own, (part.study, part.arm, part.environment)))
    return pl.concat(frames).sort(COLUMNS[:5]), notes


def seed_rows(part: Part) -> list[dict[str, Any]]:
    """One row per seed: ``seed, status, reason, episodes, decisions, recent_return, recent_n``.

    ``recent_return`` is the mean return_raw of the last ``recent_n`` episodes, at most 100;
    ``None`` without an episode. Where there were evaluations, ``evaluation`` is the mean of the
    last one's ``evaluation_n`` episodes.

    Raises:
        ConfigError: a file of rows is gone or damaged, or lacks the end of a finished seed.
    """
    import polars as pl

    from pgx.tracking.episodes import RECENT

    returns = pl.col("return_raw")
    grouped = episodes(part).group_by("seed").agg(pl.len(), returns.tail(RECENT).mean())
    ended = {seed: (count, recent) for seed, count, recent in grouped.iter_rows()}
    taken = dict(metrics(part).group_by("seed").agg(pl.col("decisions").max()).iter_rows())
    last = evaluations(part).filter(pl.col("decisions") == pl.col("decisions").max().over("seed"))
    played = last.group_by("seed").agg(returns.mean(), pl.len())
    evaluated = {seed: {"evaluation": mean, "evaluation_n": n} for seed, mean, n in played.rows()}
    rows = []
    for seed in part.seeds:
        status, reason = part.seed_status(seed)
        count, recent = ended.get(seed, (0, None))
        counted = part.manifest["seed_status"][str(seed)]["decisions"]
        if status == "finished" and (held := taken.get(seed, 0)) < counted:
            told = f"ends at {held} of seed {seed}'s {counted} decisions; {ADVICE}"
            raise ConfigError(f"{rows_file(part.path, 'metrics')}: {told}")
        rows.append(
            {
                "seed": seed,
                "status": status,
                "reason": reason,
                "episodes": count,
                "decisions": taken.get(seed, 0),
                "recent_return": recent,
                "recent_n": min(count, RECENT),
                **evaluated.get(seed, {}),
            }
        )
    return rows


def _rows(part: Part, kind: str, row: dict[str, str], expected: bool = True) -> pl.DataFrame:
    """What is recorded; a part that ended has lost its rows if they are not there."""
    finished = part.manifest["status"] == "finished"
    counted = any(one["decisions"] > 0 for one in part.manifest["seed_status"].values())
    recorded = expected and (finished or (counted and not part.live))
    return read_rows(part.path, kind, row, part.seeds, recorded=recorded, whole=finished)


def _named(frame: pl.DataFrame, names: tuple[str, str, str]) -> pl.DataFrame:
    """The frame with what names its part, in the order of `COLUMNS`."""
    import polars as pl

    columns = [pl.lit(name).alias(c) for c, name in zip(COLUMNS, names, strict=False)]
    return frame.with_columns(columns).select(COLUMNS)
