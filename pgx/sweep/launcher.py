"""The local launcher: a process per job, so many at a time, whose death touches nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO, TYPE_CHECKING

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher

import pgx
from pgx.errors import ConfigError
from pgx.sweep.job import Job, Outcome
from pgx.sweep.log import last_line, why
from pgx.sweep.work import Work, threads_of, with_threads
from pgx.tracking.manifest import LAUNCH

if TYPE_CHECKING:
    from hydra.types import HydraContext, TaskFunction
    from omegaconf import DictConfig

    from pgx.sweep.live import Watch

COMMAND = (sys.executable, "-P", "-m", "pgx.sweep.worker")  #: arguments follow
POLL_S = 0.1  #: between looks at which processes have ended


@dataclass
class _Child:
    job: Job
    process: subprocess.Popen[bytes]
    log: IO[bytes]
    start: int  #: byte of the log at which this attempt began
    begun: float


class Processes:
    """Runs every job of a call in a process of its own.

    The first Ctrl-C or SIGTERM is passed on to every process, once, and waits until each has
    written its checkpoint; nothing new is started. A second one kills them. They are in process
    groups of their own, so that a terminal's Ctrl-C reaches them through here alone.

    Args:
        work: the jobs.
        watch: is told what begins and ends.

    Attributes:
        work: the jobs.
        received: the signal that came, or None.
    """

    def __init__(self, work: Work, watch: Watch) -> None:
        self.work, self._watch, self._most = work, watch, work.at_a_time
        self._children: list[_Child] = []
        self._told = False
        self.received: int | None = None

    def run(self, jobs: Sequence[Job]) -> list[Outcome]:
        """Train the jobs, the longest first where that is known.

        Returns:
            How every job that was begun ended, in the order in which they ended.
        """
        expected = self.work.expected
        known = all(job.directory in expected for job in jobs)
        waiting = sorted(jobs, key=lambda job: -expected[job.directory]) if known else list(jobs)
        outcomes: list[Outcome] = []
        with self._signals():
            try:
                while self._children or (waiting and self.received is None):
                    while self._has_room(waiting):
                        outcomes += self._start(waiting.pop(0))
                    time.sleep(POLL_S)
                    self._pass_on()
                    outcomes += self._ended()
            finally:
                self._kill()
        return outcomes

    def _has_room(self, waiting: Sequence[Job]) -> bool:
        room = len(self._children) < self._most
        return bool(waiting) and room and self.received is None

    def _start(self, job: Job) -> Iterator[Outcome]:
        """Begin a job; if not even its directory can be made, that is how it ended."""
        overrides = with_threads(job.overrides)
        words = [f"--config-dir={directory}" for directory in self.work.directories]
        self._watch.started(job)
        try:
            job.directory.mkdir(parents=True, exist_ok=True)
            log = (job.directory / LAUNCH).open("ab")
        except OSError as error:
            outcome = _ended(job, 2, f"{error.filename}: cannot be written ({error.strerror})", 0.0)
            self._watch.ended(outcome)
            yield outcome
            return
        process = subprocess.Popen(
            [*COMMAND, str(os.getpid()), *words, *overrides],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment(os.environ, threads_of(overrides)),
            process_group=0,
        )
        self._children.append(_Child(job, process, log, log.tell(), time.monotonic()))

    def _ended(self) -> Iterator[Outcome]:
        """What ended since the last call."""
        for child in [child for child in self._children if child.process.poll() is not None]:
            self._children.remove(child)
            child.log.close()
            outcome = _outcome(child)
            self._watch.ended(outcome)
            yield outcome

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Take Ctrl-C and SIGTERM while there are processes to pass them on to."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        numbers = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self._receive) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None:  # again: at once, whatever they are doing
            self._kill()
        self.received = number

    def _pass_on(self) -> None:
        if self.received is None or self._told:
            return
        self._told = True
        for child in self._children:
            child.process.send_signal(self.received)
        count = len(self._children)
        self._watch.message(
            f"{signal.Signals(self.received).name}: {count} part{'s' * (count != 1)} "
            "will stop at the next checkpoint; once more stops at once"
        )

    def _kill(self) -> None:
        for child in self._children:
            child.process.kill()


def environment(given: Mapping[str, str], threads: int) -> dict[str, str]:
    """The variables of a job's process: its threads, this very pgx, no service of wandb's.

    Args:
        given: this process's own.
        threads: that it computes with.
    """
    package = str(Path(pgx.__file__).resolve().parents[1])
    kept = {name: value for name, value in given.items() if name != "WANDB_SERVICE"}
    return {
        **kept,
        **{f"{name}_NUM_THREADS": str(threads) for name in ("OMP", "MKL", "OPENBLAS")},
        "PYTHONPATH": os.pathsep.join(filter(None, [package, given.get("PYTHONPATH")])),
        "PYTHONUNBUFFERED": "1",  # a crash does not take the last line with it
    }


def _outcome(child: _Child) -> Outcome:
    job, code = child.job, child.process.returncode
    code = 128 - code if code < 0 else code
    said = last_line(job.directory / LAUNCH, child.start)
    error = why(job.directory, child.process.pid, code, said)
    return _ended(job, code, error, time.monotonic() - child.begun)


def _ended(job: Job, exit: int, error: str | None, elapsed_s: float) -> Outcome:
    return Outcome(
        arm=job.arm,
        environment=job.environment,
        seeds=job.seeds,
        exit=exit,
        directory=str(job.directory),
        error=error,
        elapsed_s=round(elapsed_s, 3),
    )


class LocalLauncher(Launcher):
    """`Processes` as Hydra knows launchers: ``hydra/launcher=local``, below ``hydra/sweeper=arms``.

    Attributes:
        processes: given by the sweeper.
    """

    def __init__(self) -> None:
        self.processes: Processes | None = None

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Nothing of Hydra is needed: each process composes its own config."""

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> list[JobReturn]:
        """Train the jobs that the sweeper's work holds at these places.

        Returns:
            One per job that was begun, with its `Outcome`.

        Raises:
            ConfigError: another sweeper asks, whose jobs are unknown here.
        """
        if self.processes is None:
            raise ConfigError("hydra/launcher=local: works below hydra/sweeper=arms: use pgx sweep")
        first, count = initial_job_idx, len(job_overrides)
        outcomes = self.processes.run(self.processes.work.jobs[first : first + count])
        return [
            JobReturn(status=JobStatus.COMPLETED, _return_value=outcome) for outcome in outcomes
        ]
