"""What happens around the iterations: progress, checkpoints, and signals that end a run cleanly."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

import numpy as np
import pytorch_lightning as pl
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from pgx.module import PolicyGradient
from pgx.tracking.files import FileTracker

REFRESH_S = 0.25  # seconds between updates of the bar
PLAIN_S = 10.0  # seconds between lines where there is no terminal


class Terminal(Console):
    """A console that falls silent when its reader has gone, as behind ``| head``; runs go on."""

    def on_broken_pipe(self) -> None:
        """Send what is still to be said nowhere."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class ProgressBar(pl.Callback):
    """Decisions, rate, return and time left: a bar on a terminal, a line now and then elsewhere.

    Args:
        tracker: where the returns come from.
        console: where to draw.
    """

    def __init__(self, tracker: FileTracker, console: Console) -> None:
        self._tracker, self._console, self._shown = tracker, console, 0.0
        self._bar: Progress | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: PolicyGradient) -> None:
        """Start the clock; draw the bar on a terminal."""
        self._begun = self._shown = time.perf_counter()
        self._before = int(pl_module.decisions.sum())
        if self._console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.completed:>11,.0f} of {task.total:,.0f} decisions"),
                BarColumn(),
                TextColumn("{task.fields[rate]}/s  return {task.fields[value]}  left"),
                TimeRemainingColumn(),
                console=self._console,
                auto_refresh=False,
            )
            total = pl_module.budget * len(pl_module.seeds)
            self._task = self._bar.add_task("", total=total, rate="-", value="-")
            self._bar.start()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: PolicyGradient, outputs: Any, batch: Any, index: int
    ) -> None:
        """Refresh, but not in every iteration."""
        now = time.perf_counter()
        if now - self._shown >= (REFRESH_S if self._bar else PLAIN_S):
            self._shown = now
            self._show(pl_module, now)

    def on_train_end(self, trainer: pl.Trainer, pl_module: PolicyGradient) -> None:
        """Leave the bar at what was reached."""
        self._show(pl_module, time.perf_counter())
        if self._bar:
            self._bar.stop()

    def _show(self, module: PolicyGradient, now: float) -> None:
        done = int(module.decisions.sum())
        rate = (done - self._before) / max(now - self._begun, 1e-9)
        returns = self._tracker.recent_return
        value = f"{np.nanmean(returns):.1f}" if np.isfinite(returns).any() else "-"
        if self._bar:
            total = module.budget * len(module.seeds)
            fields = {"rate": f"{rate:,.0f}", "value": value}
            self._bar.update(self._task, completed=min(done, total), **fields)
            self._bar.refresh()
            return
        left = module.budget * module.alive.sum() - module.decisions[module.alive].sum()
        self._console.print(
            f"{done:,} decisions  {rate:,.0f}/s  return {value}  "
            f"left {max(left, 0) / max(rate, 1e-9):.0f} s",
            highlight=False,
        )


class Checkpoints(pl.Callback):
    """Writes a checkpoint between iterations whenever enough time has passed.

    Args:
        save: writes one.
        every_s: seconds between checkpoints.
    """

    def __init__(self, save: Callable[[], None], every_s: float) -> None:
        self._save, self._every_s = save, every_s

    def on_train_start(self, trainer: pl.Trainer, pl_module: PolicyGradient) -> None:
        """Start the clock."""
        self._last = time.perf_counter()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: PolicyGradient, outputs: Any, batch: Any, index: int
    ) -> None:
        """Save if it is time."""
        if time.perf_counter() - self._last >= self._every_s:
            self._save()
            self._last = time.perf_counter()


class Ending(pl.Callback):
    """Stops when no replica is left, or after the iteration in which Ctrl-C or SIGTERM came.

    A second signal ends the process at once.

    Attributes:
        received: the signal that came, or None.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Ending:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *ending: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def on_train_start(self, trainer: pl.Trainer, pl_module: PolicyGradient) -> None:
        """Take the signals back from Lightning, whose own handler leaves with status 0."""
        for number in self._before:
            signal.signal(number, self._receive)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None:  # again: at once, whatever is under way
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        self.received = number

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: PolicyGradient, outputs: Any, batch: Any, index: int
    ) -> None:
        """Stop between iterations."""
        if self.received is not None or not pl_module.alive.any():
            trainer.should_stop = True
