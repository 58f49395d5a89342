"""``pgx bench --faults``: whether a W&B server that fails slows training, or stops it.

One training per fault, R = 1 on one thread, ``tracker=wandb wandb.mode=online``. While it runs, the
mirror process and all that it started are stopped and continued in short windows, and training's
rates are compared within pairs of windows. The training process connects to nothing itself, so the
difference is the whole effect of the mirror and of its server, which answers on this machine. What
the mirror could not do while stopped it does when continued: the figure errs to the larger side.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pgx.bench.contenders import PGX, PGX_WORK, variables
from pgx.bench.faulty_server import FAULTS, Fault, failing
from pgx.bench.processes import Descendants
from pgx.bench.tracking import CALIBRATION, timed
from pgx.bench.windows import Window, interval, orders, slowdowns
from pgx.errors import RunFailed
from pgx.stats.bootstrap import Interval
from pgx.tracking.blocks import BlockTail
from pgx.tracking.mirror_process import FIRST_S as FIRST

FIRST_S = FIRST["online"]  #: of training before its mirror does anything
WINDOW_S = 0.5  #: short, for a machine's own speed drifts within seconds
LOOK_S = 0.05  #: between looks whether training is over
START_S = 120.0  #: at most, from the command to the first row
END_S = 120.0  #: at most, from the last row to the end of the command, and of the mirror after it

#: A key that lets nobody in anywhere, and none of the user's own settings.
_ACCOUNT = {"WANDB_API_KEY": "0" * 40}
_WORDS = ("seeds=1", "threads=1", "tracker=wandb", "wandb.mode=online", "output=o")


class Clocked:
    """The rows of a training as it writes them, on this process's clock.

    A row says its time since training began. A read tells by how much this clock is ahead at most,
    and the least of many reads, each somewhere between two rows, is close to the difference itself.

    Args:
        blocks: the rows' file.
    """

    def __init__(self, blocks: Path) -> None:
        self._tail = BlockTail(blocks)
        self._pieces: list[dict[str, np.ndarray]] = []
        self._ahead_s = float("inf")

    def read(self) -> None:
        """Read what has come."""
        columns, now = self._tail.read(), time.monotonic()
        if columns and len(columns["wall_s"]):
            self._pieces.append({name: columns[name] for name in ("wall_s", "decisions")})
            self._ahead_s = min(self._ahead_s, now - float(columns["wall_s"][-1]))

    def rows(self) -> tuple[np.ndarray, np.ndarray]:
        """Times on this clock and decisions, ``[rows]`` each."""
        columns = [np.concatenate([p[n] for p in self._pieces]) for n in ("wall_s", "decisions")]
        return columns[0] + self._ahead_s, columns[1]


class Faced(NamedTuple):
    """What became of one training that faced one fault."""

    fault: str
    slowdown: Interval  #: of the mean over pairs of windows, as a fraction
    pairs: list[float]
    status: int  #: with which training ended by itself
    wait_s: float  #: from its last row to its end
    mirror_s: float  #: seconds of a processor that the mirror took, wandb-core included


def face(fault: Fault, decisions: int, window_s: float = WINDOW_S) -> Faced:
    """Train in an empty folder in front of a server that fails.

    Args:
        fault: how.
        decisions: of the training.
        window_s: length of a window.

    Raises:
        RunFailed: it wrote no row, did not end by itself, or ended within two windows.
    """
    with (
        tempfile.TemporaryDirectory(prefix="pgx-bench-") as folder,
        failing(fault) as url,
        training(Path(folder), url, decisions) as process,
    ):
        blocks = begun(process, Path(folder))
        rows, mirror = Clocked(blocks), Descendants(process.pid)
        over = blocks.with_suffix(".parquet").exists
        windows = alternate(process, rows, mirror, over, window_s)
        last = time.monotonic()
        status = ended(process, mirror)
        waited = time.monotonic() - last
        end(mirror)
        found = slowdowns(windows, *rows.rows())
    if not len(found):
        raise RunFailed(f"bench: {fault.name}: training ended within {2 * window_s:g} s")
    generator = np.random.default_rng(0)
    used = sum(mirror.processor_s.values())
    return Faced(fault.name, interval(found, generator), found.tolist(), status, waited, used)


@contextmanager
def training(folder: Path, url: str, decisions: int) -> Iterator[subprocess.Popen[bytes]]:
    """A training that is killed if it has not ended in the block."""
    own = {"WANDB_BASE_URL": url, "HOME": str(folder), "WANDB_CONFIG_DIR": str(folder / "config")}
    words = [*PGX_WORK, *_WORDS, f"decisions={decisions}"]
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            [*PGX, "train", *words],
            cwd=folder,
            env=variables(**_ACCOUNT, **own),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def begun(process: subprocess.Popen[bytes], folder: Path) -> Path:
    """Wait for the first row, and until the mirror begins its work; the rows' file."""
    deadline = time.monotonic() + START_S
    while not (found := list(folder.glob("o/*/*/*/*/metrics.blocks"))):
        if process.poll() is not None or time.monotonic() > deadline:
            said = (folder / "output").read_text(errors="replace").strip().splitlines()
            raise RunFailed(f"bench: training did not begin: {said[-1] if said else 'no message'}")
        time.sleep(LOOK_S)
    time.sleep(FIRST_S)
    return found[0]


def alternate(
    process: subprocess.Popen[bytes],
    rows: Clocked,
    mirror: Descendants,
    over: Callable[[], bool],
    window_s: float,
) -> list[Window]:
    """Stop and continue the mirror in windows until training is over, and leave it continued.

    Args:
        process: that trains.
        rows: of the training; read at the end of every window.
        mirror: what is stopped.
        over: whether no row follows.
        window_s: length of a window.
    """
    windows: list[Window] = []
    try:
        for pair, on in orders(np.random.default_rng(0)):
            mirror.send(signal.SIGCONT if on else signal.SIGSTOP)
            begin = time.monotonic()
            while (left := begin + window_s - time.monotonic()) > 0:
                if over() or process.poll() is not None:
                    return windows
                time.sleep(min(left, LOOK_S))
            windows.append(Window(pair, on, begin, time.monotonic()))
            rows.read()
    finally:
        mirror.send(signal.SIGCONT)
        rows.read()
    raise AssertionError("the windows' order has no end")


def ended(process: subprocess.Popen[bytes], mirror: Descendants) -> int:
    """Wait for the end of a training, and see what its mirror uses meanwhile; the status."""
    deadline = time.monotonic() + END_S
    while (status := process.poll()) is None:
        if time.monotonic() > deadline:
            raise RunFailed(f"bench: training did not end within {END_S:g} s of its last row")
        mirror.look()
        time.sleep(LOOK_S)
    return status


def end(mirror: Descendants) -> None:
    """Let what the training left at work end, or end it."""
    deadline = time.monotonic() + END_S
    while mirror.look() and time.monotonic() < deadline:
        time.sleep(LOOK_S)
    mirror.send(signal.SIGKILL)


def measured_rate() -> float:
    """Decisions per second of a training that nothing is beside."""
    return timed("files", 1, CALIBRATION).rate


def main(seconds: float, as_json: bool) -> int:
    """Measure every fault and print; 1 if some training did not end well.

    Args:
        seconds: about how long each training lasts.
        as_json: print JSON instead of a table.
    """
    from pgx.bench.startup import machine

    decisions = int(measured_rate() * (seconds + FIRST_S))
    found = []
    for fault in FAULTS:
        print(f"W&B's server: {fault.name}", file=sys.stderr, flush=True)
        found.append(face(fault, decisions))
    if as_json:
        rows = [one._asdict() | {"slowdown": asdict(one.slowdown)} for one in found]
        print(json.dumps({"machine": machine(), "seconds": seconds, "rows": rows}, indent=2))
    else:
        render(found, f"{machine()}; trainings of about {seconds:g} s, R=1, one thread")
    return int(any(one.status for one in found))


def render(rows: Sequence[Faced], title: str) -> None:
    """Print the table."""
    from rich.console import Console

    from pgx.tables import plain_table, show

    console = Console(soft_wrap=True, highlight=False)
    console.print(title)
    table = plain_table("server", "pairs", "slowdown", "95%", "exit", "at the end", "mirror")
    for column in table.columns[1:]:
        column.justify = "right"
    for row in rows:
        span = row.slowdown
        table.add_row(
            row.fault,
            str(span.runs),
            f"{span.estimate:+.2%}",
            f"{span.low:+.2%} – {span.high:+.2%}",
            str(row.status),
            f"{row.wait_s:.1f} s",
            f"{row.mirror_s:.1f} s",
        )
    show(table, console)
    console.print(
        f"slowdown: of training while the mirror may work, to when it is stopped; mean over pairs\n"
        f"of windows of {WINDOW_S:g} s, with its percentile bootstrap interval over pairs\n"
        "exit: the command's status; at the end: its time after the last row, the mirror's wait\n"
        "within; mirror: seconds of a processor that the mirror took, wandb-core included"
    )
