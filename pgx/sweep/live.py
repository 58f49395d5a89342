"""A sweep while it runs: one table on a terminal, plain lines elsewhere, read off the parts' files.

Looking costs little: after every look, the thread that looks sleeps fifty times as long as that
took of a processor, and a second at least.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from pgx.errors import ConfigError
from pgx.records import read_part
from pgx.sweep.job import Job, Outcome
from pgx.sweep.log import state_of
from pgx.sweep.progress import Row, said, table, totals
from pgx.sweep.work import Work
from pgx.tables import printable
from pgx.tracking.manifest import is_live

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live

REFRESH_S = 1.0  #: between two looks, at least
PLAIN_S = 60.0  #: between two lines of progress where there is no terminal
SHARE = 0.02  #: of a processor that looking may cost


class Watch:
    """Shows how far every job of a call is, from a thread of its own.

    Args:
        work: the jobs.
        console: where it is shown.
        told: whether `started` and `ended` are called; else what runs is found out by looking.
    """

    def __init__(self, work: Work, console: Console, told: bool = True) -> None:
        self._at_a_time, self._console, self._told = work.at_a_time, console, told
        self.rows = [Row(job, work.expected.get(job.directory)) for job in work.jobs]
        self._by_key = {_key(row.job): row for row in self.rows}
        self._lock, self._over = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._look_on, name="pgx watch", daemon=True)
        self._shown = time.monotonic()
        self._live: Live | None = None

    def __enter__(self) -> Watch:
        if _can_draw(self._console):
            from rich.live import Live

            self._live = Live(console=self._console, auto_refresh=False, vertical_overflow="crop")
            self._live.start()
        self.look()
        self._thread.start()
        return self

    def __exit__(self, *ending: object) -> None:
        self._over.set()
        self._thread.join()
        self.look()
        if self._live is not None:
            self._live.stop()
        for row in self.rows:
            row.close()

    def started(self, job: Job) -> None:
        """A job's process has been started."""
        with self._lock:
            self._start(self._by_key[_key(job)], time.monotonic())

    def ended(self, outcome: Outcome) -> None:
        """A job's process has ended."""
        with self._lock:
            row = self._by_key[_key(outcome)]
            if row.state in ("waiting", "running"):
                row.end(time.monotonic(), state_of(outcome.exit), outcome.elapsed_s)
                self._say(said(row) + (f" ({outcome.error})" if outcome.error else ""))

    def message(self, line: str) -> None:
        """Say something beside the table."""
        with self._lock:
            self._print(line)

    def look(self) -> None:
        """Bring every running row up to date, and show it."""
        now = time.monotonic()
        with self._lock:
            for row in self.rows:
                if not self._told:
                    self._find_out(row, now)
                row.read(now)
            self._show(now)

    def _look_on(self) -> None:
        pause = REFRESH_S
        while not self._over.wait(pause):
            before = time.thread_time()
            self.look()
            pause = max(REFRESH_S, (time.thread_time() - before) / SHARE)

    def _start(self, row: Row, now: float) -> None:
        row.start(now)
        self._say(f"begins  {row.job.name}")

    def _find_out(self, row: Row, now: float) -> None:
        """Whether a job that nobody tells about has begun or ended; damage is for others to say."""
        try:
            lives = row.state in ("waiting", "running") and is_live(row.job.directory)
            if row.state == "waiting" and lives:
                self._start(row, now)
            elif row.state == "running" and not lives:
                row.end(now, read_part(row.job.directory).status)
                self._say(said(row))
        except ConfigError:
            return

    def _show(self, now: float) -> None:
        if self._live is not None:
            shown = table(self.rows, self._at_a_time, self._console)
            self._live.update(shown, refresh=True)
        elif now - self._shown >= PLAIN_S:
            self._shown = now
            self._print(totals(self.rows, self._at_a_time))

    def _say(self, line: str) -> None:
        if self._live is None:
            self._print(line)

    def _print(self, line: str) -> None:
        line = printable(line, self._console)
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


def _can_draw(console: Console) -> bool:
    """Whether a table can be drawn over and over: a terminal that moves and has the characters."""
    moves = console.is_terminal and not console.is_dumb_terminal
    return moves and console.encoding.lower().startswith("utf")


def _key(job: Job | Outcome) -> tuple[str, str, tuple[int, ...]]:
    return job.arm, job.environment, tuple(job.seeds)
