"""How fast an arm trains and how much it writes, found by training it for a few seconds.

``python -m pgx.sweep.measure PARENT BEGUN TASKS RESULTS`` does what `pgx.sweep.estimate` asks for,
in a process like those of the sweep, as many at a time as the sweep will run, so that the rates
are those of processes that share this machine.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pgx.errors import ConfigError, RunFailed

if TYPE_CHECKING:
    from pgx.part import PartPlan
    from pgx.records import Part

LOOK_S = 0.05  #: between looks whether training has begun


@dataclass(frozen=True)
class Task:
    """Training that is to be measured.

    Args:
        key: by which the result is found.
        overrides: of ``conf/train.yaml``, complete but for the output.
        directories: of further configs.
        seconds: of training.
    """

    key: str
    overrides: tuple[str, ...]
    directories: tuple[str, ...]
    seconds: float


@dataclass(frozen=True)
class Rates:
    """What a stretch of training showed.

    Args:
        seconds: it lasted.
        taken: decisions in it, summed over replicas.
        rate: decisions per second in its second half, summed over replicas.
        rise: factor by which the rate may still rise while the episodes of an iteration grow
            equally long; 1 where rollouts have a fixed length.
        bytes_all: of the record of this stretch, as a finished part keeps it.
        bytes_fixed: of a part, whatever its length: checkpoint, config, manifest.
        bytes_iterations: per decision, of the rows that iterations write.
        bytes_episodes: per decision, of the rows that episodes write, as long as they are now.
        growth: factor by which episodes may still grow: their limit over their mean length.
        ended: whether it ended by itself, with its budget or diverged: nothing to extrapolate.
        around_s: a process takes before its first iteration and after its last.
    """

    seconds: float
    taken: int
    rate: float
    rise: float
    bytes_all: float
    bytes_fixed: float
    bytes_iterations: float
    bytes_episodes: float
    growth: float
    ended: bool
    around_s: float = 0.0


def measure(task: Task, imported_s: float) -> Rates:
    """Train in a temporary folder until the time is over.

    Args:
        task: what to train.
        imported_s: that this process took before it could begin.

    Raises:
        ConfigError: the overrides do not fit.
        RunFailed: training raised.
    """
    from rich.console import Console

    from pgx.config import compose_config, quoted
    from pgx.part import train_part
    from pgx.records import read_part
    from pgx.train import make_plan

    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="pgx-measure-") as folder, open(os.devnull, "w") as no:
        words = [*task.overrides, f"output={quoted(folder)}", "tracker=files"]
        words += ["resume=false", "replace=false"]
        directories = tuple(map(Path, task.directories))
        plan = make_plan(compose_config(words, directories), words)
        before = signal.signal(signal.SIGTERM, signal.SIG_IGN)  # train_part listens while it trains
        over = threading.Event()
        stop = threading.Thread(target=_stop, args=(plan.directory, task.seconds, over))
        stop.start()
        try:
            train_part(plan, [], Console(file=no))
        finally:
            over.set()
            stop.join()
            signal.signal(signal.SIGTERM, before)
        part = read_part(plan.directory)
        found = _rates(plan, part)  # reads the rows, as a process does at its end
        around = time.monotonic() - begun - part.manifest["elapsed_s"]
        return replace(found, around_s=imported_s + max(0.0, around))


def _stop(directory: Path, seconds: float, over: threading.Event) -> None:
    """End training, as SIGTERM does, so many seconds after its first iteration."""
    while not (directory / "metrics.blocks").exists():
        if over.wait(LOOK_S):
            return
    if not over.wait(seconds):
        os.kill(os.getpid(), signal.SIGTERM)


def _rates(plan: PartPlan, part: Part) -> Rates:
    import polars as pl

    from pgx.records import episodes, metrics
    from pgx.tracking.files import FileTracker

    rows, ends = metrics(part), episodes(part)
    steps = rows.sort("seed", "iteration").with_columns(
        taken=pl.col("decisions").diff().over("seed").fill_null(pl.col("decisions"))
    )
    by = steps.group_by("iteration").agg(pl.col("taken").sum(), pl.col("wall_s").max())
    by = by.sort("iteration")
    wall = float(by["wall_s"].max() or 0.0)  # type: ignore[arg-type]
    late = by.filter(pl.col("wall_s") > wall / 2)
    early = by.filter(pl.col("wall_s") <= wall / 2)["wall_s"].max()
    span = wall - float(early or 0.0)  # type: ignore[arg-type]
    evaluates = plan.config.evaluation.every is not None
    FileTracker(part.path, part.seeds, 1, evaluates).finish()  # as big as it will be
    sizes = {path.name: path.stat().st_size for path in part.path.rglob("*") if path.is_file()}
    taken = int(by["taken"].sum())
    recent = ends.filter(pl.col("wall_s") > wall / 2)
    lengths = recent["length"] if len(recent) else ends["length"]
    mean = float(lengths.mean() or 1.0)  # type: ignore[arg-type]
    limit: Any = plan.config.environment.get("max_episode_steps") or lengths.max() or mean
    per_episode = sizes["episodes.parquet"] / max(1, len(ends))
    return Rates(
        seconds=wall,
        taken=taken,
        rate=int(late["taken"].sum()) / max(span, 1e-9),
        rise=_rise(plan, recent, len(ends) / max(1, len(rows))),
        bytes_all=sum(sizes.values()),
        bytes_fixed=sum(sizes.values()) - sizes["episodes.parquet"] - sizes["metrics.parquet"],
        bytes_iterations=sizes["metrics.parquet"] / max(1, taken),
        bytes_episodes=per_episode / mean,
        growth=max(1.0, float(limit) / mean),
        ended=part.status != "interrupted",
    )


def _rise(plan: PartPlan, recent: Any, per_iteration: float) -> float:
    """Longest over mean episode of an iteration: slots that have ended wait for the last one.

    Args:
        plan: what was trained.
        recent: its late episodes.
        per_iteration: episodes of a replica in an iteration; a population has many per slot.
    """
    import polars as pl

    if plan.config.estimator.get("horizon") is not None or not len(recent):
        return 1.0
    slots = max(1, round(per_iteration))
    lengths = recent.group_by(pl.col("episode") // slots).agg(
        longest=pl.col("length").max(), mean=pl.col("length").mean()
    )
    return float((lengths["longest"] / lengths["mean"]).mean())


def main(words: Sequence[str]) -> int:
    """Measure every task and write what was found, or why it was not."""
    from pgx.sweep.worker import follow

    parent, begun, tasks, results = words
    follow(int(parent))
    import pgx.train  # noqa: F401 - what a sweep's process imports before it begins

    imported_s, found = time.time() - float(begun), {}
    for entry in json.loads(Path(tasks).read_text()):
        task = Task(**entry)
        try:
            found[task.key] = asdict(measure(task, imported_s))
        except (ConfigError, RunFailed) as error:
            found[task.key] = {"error": " ".join(str(error).split())}
        Path(results).write_text(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
