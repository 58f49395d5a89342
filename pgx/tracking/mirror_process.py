"""The process that mirrors a part's rows to W&B: ``python -m`` this module, DIRECTORY MODE.

Without arguments it imports what it needs, and reads them from a line of standard input.

It reads what training wrote and never talks to it: standard input is a pipe whose other end only
the trainer holds, and its end, however it comes, means that no row follows.

Online, people look on, so it works beside training. There a second busy process can halve the
speed of a trainer with two threads on two cores: this one gives way, and after every piece of work
it rests for many times as long. Offline nobody sees anything before the end, and then every core
is free: the work is done there, faster than it could be beside training and at no cost to it. Only
long trainings are looked at before, so that the wait at the end stays short.
"""

from __future__ import annotations

import importlib
import json
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pgx.tracking.leave import clear, leave
from pgx.tracking.manifest import PartLock, read_manifest
from pgx.tracking.runs_state import FOLDER

if TYPE_CHECKING:  # imported when there is something to do, for it takes a second
    import numpy as np

    from pgx.tracking.blocks import BlockTail
    from pgx.tracking.grid import Grid
    from pgx.tracking.wandb_runs import Runs

FIRST_S = {"offline": 300.0, "online": 10.0}  #: of training before anything is done
EVERY_S = {"offline": 300.0, "online": 30.0}  #: from look to look at the rows, during training
SHARE = 0.1  #: of a processor that work beside training takes at most, wandb-core left out
PATIENCE_S = 60.0  #: with a server that does not answer, while there is training
HURRY_S = 10.0  #: with the same when training is over, and the trainer waits

CHECK_S = 5.0  #: between checks that the trainer is still there

#: Of rows. Metrics are read first: what belongs to their rows is there by then.
IN_ORDER = ("metrics", "episodes", "evaluations")
ENDED = ("finished", "failed")  #: statuses of a seed that trains no more


class Rows:
    """A part's rows, each once, from its block files or, when they are gone, from parquet.

    Args:
        directory: of the part.
    """

    def __init__(self, directory: Path) -> None:
        from pgx.tracking.blocks import BlockTail

        self.directory = directory
        self._tails: dict[str, BlockTail] = {}
        self._done: set[str] = set()
        for kind in IN_ORDER:  # an open file stays readable when training has replaced it
            with suppress(FileNotFoundError):
                self._tails[kind] = BlockTail(directory / f"{kind}.blocks")

    def read(self, kind: str) -> dict[str, np.ndarray]:
        """The rows of a kind, such as ``episodes``, that came since the last call."""
        from pgx.tracking.blocks import BlockTail

        if kind in self._done:
            return {}
        if kind not in self._tails:
            try:
                self._tails[kind] = BlockTail(self.directory / f"{kind}.blocks")
            except FileNotFoundError:
                return self._parquet(kind)
        return self._tails[kind].read()

    def _parquet(self, kind: str) -> dict[str, np.ndarray]:
        try:
            with (self.directory / f"{kind}.parquet").open("rb") as file:
                import polars as pl  # a fifth of a second, and seldom needed

                table = pl.read_parquet(file)
        except FileNotFoundError:
            return {}
        self._done.add(kind)
        return {name: table[name].to_numpy() for name in table.columns}


class Pace:
    """When this process works: not long at a time while there is training, at once after it.

    Args:
        trainer: the process that trains.

    Attributes:
        ended: whether it has ended, and no row follows.
    """

    def __init__(self, trainer: int) -> None:
        self._trainer, self.ended, self._worked = trainer, False, time.process_time()

    def sleep(self, seconds: float) -> None:
        """Sleep so long, or until the trainer has ended."""
        self.ended = self.ended or _ended_within(seconds, self._trainer)
        self._worked = time.process_time()

    def rest(self) -> None:
        """Sleep so long that the work since the last sleep is `SHARE` of the time."""
        self.sleep((time.process_time() - self._worked) * (1 / SHARE - 1))


class Sender:
    """Rows in, points out: what one mirror process does between its sleeps.

    Args:
        rows: of the part.
        mode: ``offline`` or ``online``.
        patience_s: with a server that does not let the runs be opened.
        rest: called after every piece of work.
    """

    def __init__(self, rows: Rows, mode: str, patience_s: float, rest: Callable[[], None]) -> None:
        from pgx.tracking.account import reachable
        from pgx.tracking.grid import Grid
        from pgx.tracking.wandb_runs import Job, Runs

        job = Job.of(rows.directory, mode)
        if job.mode == "online" and not reachable():
            raise ConnectionError("nothing answers where W&B should be")
        self.directory, self.seeds, self._rows = rows.directory, job.seeds, rows
        self._runs: Runs = Runs(job, patience_s)
        self._grids: dict[int, Grid] = {
            seed: Grid(job.budget, self._runs.points) for seed in job.seeds
        }
        self._rest = rest
        rest()
        self._runs.open(rest)

    def send(self) -> None:
        """Read what is new, and log the points that it completes."""
        from pgx.tracking.grid import by_seed

        kinds = [self._rows.read(kind) for kind in IN_ORDER]
        pieces = (by_seed(rows, self.seeds) for rows in kinds)
        for seed, *own in zip(self.seeds, *pieces, strict=True):
            self._grids[seed].add(*own)
            self._runs.log(seed, self._grids[seed].points())
            self._rest()
        self._runs.note()

    def finish(self) -> None:
        """Send the rest, note in every run how its seed ended, and close it."""
        self.send()
        entries = read_manifest(self.directory)["seed_status"]
        outcomes: dict[int, dict[str, Any]] = {}
        for seed, grid in self._grids.items():
            status, reason = (entries[str(seed)][name] for name in ("status", "reason"))
            status = "interrupted" if status == "running" else status
            rest = list(grid.points(ended=True))  # of a cell that may not be complete
            if status in ENDED:
                self._runs.log(seed, rest)
            values = rest[-1].values if rest else {}
            outcomes[seed] = {**values, "status": status, **({"reason": reason} if reason else {})}
        self._runs.finish(outcomes)


def main(directory: Path, mode: str, trainer: str | None = None) -> None:
    """Mirror a part until its trainer ends, then close its runs.

    If the server does not let the runs be opened, the process begins anew, offline: every row is in
    the part's files. Anything else that goes wrong ends it; the next one sends what is missing.

    Args:
        directory: of the part.
        mode: ``offline`` or ``online``.
        trainer: its process; without it, the one that started this.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # meant for all of a terminal
        signal.signal(number, signal.SIG_IGN)  # or a job: the trainer ends, and then this process
    code = 1
    try:
        with PartLock(directory / FOLDER):
            _mirror(directory, mode, int(trainer or os.getppid()))
        code = 0
    except Exception:  # noqa: BLE001 - printed to the log, and answered with status 1
        traceback.print_exc()
    finally:
        leave(code)


def _mirror(directory: Path, mode: str, trainer: int) -> None:
    pace, rows = Pace(trainer), Rows(directory)
    pace.sleep(FIRST_S[mode])
    if not pace.ended:
        _step_back()
    sender = _open(rows, mode, pace, trainer)
    while not pace.ended:
        sender.send()
        pace.sleep(EVERY_S[mode])
    sender.finish()


def _open(rows: Rows, mode: str, pace: Pace, trainer: int) -> Sender:
    from pgx.tracking.mirror import COMMAND, environment

    try:
        return Sender(rows, mode, HURRY_S if pace.ended else PATIENCE_S, pace.rest)
    except Exception:
        if mode == "offline":
            raise
        traceback.print_exc()
        print("the runs could not be opened: once more, offline", file=sys.stderr, flush=True)
        clear()
        words = [*COMMAND, str(rows.directory), "offline", str(trainer)]
        os.execve(words[0], words, environment(os.environ))


def _step_back() -> None:
    """Let training keep a processor that it is using when this process has something to do.

    No more than that: a process that is nicer than the others gets next to nothing where several
    trainings share every processor, and its own trainer waits for it in the end.
    """
    with suppress(OSError):  # a system that does not let it choose
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def _ended_within(seconds: float, trainer: int) -> bool:
    """Wait so long, or until the trainer has ended; whether it has.

    Its end of the pipe is gone then, unless a process that it forked still holds it.
    """
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        ready, _, _ = select.select([0], [], [], min(left, CHECK_S))
        if (ready and os.read(0, 1) == b"") or os.getppid() != trainer:
            return True
    return False


def told() -> list[str]:
    """The arguments, from standard input; meanwhile everything is imported. Ends if none come."""
    import pgx.tracking.wandb_runs  # noqa: F401 - which imports wandb
    from pgx.tracking.mirror import LOG

    with suppress(ImportError):
        importlib.import_module("wandb.sdk.launch")  # which wandb imports when a run is opened
    line = b""
    while not line.endswith(b"\n"):  # byte by byte: what follows is the pipe's end, see `Pace`
        byte = os.read(0, 1)
        if not byte:
            leave(0)
        line += byte
    words: list[str] = json.loads(line)
    with (Path(words[0]) / FOLDER / LOG).open("ab") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    return words


if __name__ == "__main__":
    directory, *others = sys.argv[1:] or told()
    main(Path(directory), *others)
