"""From jobs to how they ended, through Hydra's multirun: the sweeper ``arms``.

Hydra imports this with every plugin of its, so that nothing heavy may be imported here.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.sweeper import Sweeper

from pgx.errors import ConfigError, RunFailed
from pgx.sweep.job import Job, Outcome
from pgx.sweep.launcher import LocalLauncher, Processes
from pgx.sweep.log import plain
from pgx.sweep.orphan import owner
from pgx.sweep.work import Ended, Work, check_launcher, with_threads

if TYPE_CHECKING:
    from hydra.types import HydraContext, TaskFunction
    from omegaconf import DictConfig
    from rich.console import Console

    from pgx.sweep.live import Watch

#: Overrides of Hydra's own that a launcher needs; ``{count}`` is how many jobs run at a time.
_LAUNCHERS = {
    "joblib": ("hydra.launcher.n_jobs={count}",),
    "submitit_local": ("hydra.launcher.timeout_min=100000",),  # an hour is its own, then it kills
}


@dataclass
class _Given:
    """What `sweep_through_hydra` leaves for the sweeper that Hydra makes, and finds there after."""

    work: Work
    console: Console
    ended: Ended | None = None
    error: Exception | None = None


_given: ContextVar[_Given | None] = ContextVar("given", default=None)


def sweep_through_hydra(work: Work, console: Console) -> Ended:
    """Train every job of a call below the launcher that it names; show how far they are.

    Args:
        work: the jobs; at least one.
        console: where progress is shown.

    Returns:
        How every job that was begun ended, and the signal that ended the call, if any.

    Raises:
        ConfigError: the launcher is not installed.
    """
    import hydra
    from hydra.core.global_hydra import GlobalHydra

    from pgx.paths import config_directory
    from pgx.sweep.worker import train_here

    check_launcher(work.launcher)
    given = _Given(work, console)
    token, typed = _given.set(given), list(sys.argv)
    sys.argv = ["pgx sweep", *_words(work)]
    try:
        GlobalHydra.instance().clear()
        hydra.main(str(config_directory()), "train", "1.3")(train_here)()
    finally:
        sys.argv = typed
        _given.reset(token)
        for name in logging.root.manager.loggerDict:
            if name.partition(".")[0] == "pgx":
                logging.getLogger(name).disabled = False  # Hydra silences what it does not know
    if given.error is not None:
        raise given.error
    assert given.ended is not None
    return given.ended


def _words(work: Work) -> list[str]:
    """The command line that Hydra reads; what the arms need is in their jobs."""
    from pgx.config import quoted, search_path

    words = [
        f"study.name={work.study}",
        f"output={quoted(str(work.output))}",
        "hydra/sweeper=arms",
        f"hydra/launcher={work.launcher}",
        *(word.format(count=work.at_a_time) for word in _LAUNCHERS.get(work.launcher, ())),
    ]
    last = {word.lstrip("+").partition("=")[0]: word for word in (*words, *work.hydra)}
    return [*last.values(), search_path(work.directories), "--multirun"]


class ArmsSweeper(Sweeper):
    """Trains what is missing of a study, below any launcher: ``hydra/sweeper=arms``.

    ``pgx sweep`` has made the plan before Hydra makes this sweeper, and says so to it. Any other
    program over pgx's configs, such as ``pgx train -m hydra/sweeper=arms study=NAME``, leaves the
    planning to it.

    Args:
        retry_failed: as ``--retry-failed`` of ``pgx sweep``.
        replace: as ``--replace``.
    """

    def __init__(self, retry_failed: bool = False, replace: bool = False) -> None:
        self.retry_failed, self.replace = retry_failed, replace
        self.launcher: Any = None
        self.config: Any = None

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Make the launcher that the config names."""
        from hydra.core.plugins import Plugins

        self.config = config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> Ended | None:
        """Train what is missing.

        Args:
            arguments: of the command line, ``study=NAME`` among them.

        Returns:
            How the jobs ended; None if an error ended the sweep that `sweep_through_hydra` raises.

        Raises:
            ConfigError: nobody else made the plan, and there is a mistake in what it is made of.
            RunFailed: nobody else does the talking, and a job did not end well.
        """
        given = _given.get()
        if given is None:
            return self._sweep_alone(arguments)
        try:
            given.ended = self._train(given.work, given.console)
        except Exception as error:  # noqa: BLE001 - raised again, out of Hydra's hands
            given.error = error
        return given.ended

    def _sweep_alone(self, arguments: Sequence[str]) -> Ended:
        from pgx.callbacks import Terminal
        from pgx.study import write_study
        from pgx.sweep.asked import PATIENCE_S
        from pgx.sweep.ending import conclude
        from pgx.sweep.plan import make_plan
        from pgx.sweep.request import Request

        hydra = self.config.hydra
        own = [url.removeprefix("file://") for url in hydra.searchpath if url.startswith("file:")]
        asked = (tuple(arguments), tuple(map(Path, own)), self.retry_failed, self.replace)
        plan = make_plan(Request(*asked, patience_s=PATIENCE_S))
        plan.check()
        write_study(plan.output, plan.study)
        launcher = str(hydra.runtime.choices["hydra/launcher"])
        work = Work(plan.study.name, plan.output, plan.jobs, plan.directories, launcher)
        ended = self._train(work, Terminal()) if plan.jobs else Ended(())
        if conclude(work, ended, Terminal()):
            raise RunFailed(f"not every part of study {work.study} ended well")
        return ended

    def _train(self, work: Work, console: Console) -> Ended:
        from pgx.sweep.live import Watch

        with Watch(work, console, told=isinstance(self.launcher, LocalLauncher)) as watch:
            return self._launch(work, watch)

    def _launch(self, work: Work, watch: Watch) -> Ended:
        if isinstance(self.launcher, LocalLauncher):
            self.launcher.processes = processes = Processes(work, watch)
            words = [job.overrides for job in work.jobs]
            done = [one.return_value for one in self.launcher.launch(words, 0)]
            return Ended(tuple(done), processes.received)
        outcomes: list[Outcome] = []
        try:
            for first, batch in _batches(work):
                words = [with_threads(job.overrides) for job in batch]
                for job, one in zip(batch, self.launcher.launch(words, first), strict=True):
                    outcomes.append(_outcome(job, one))
                    watch.ended(outcomes[-1])
        except BaseException:  # Ctrl-C and SIGTERM among them
            _stop(work.jobs)
            raise
        return Ended(tuple(outcomes))


def _stop(jobs: Sequence[Job]) -> None:
    """End what another launcher has left at work on this machine, each with its checkpoint."""
    for job in jobs:
        if pid := owner(job.directory):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)


def _batches(work: Work) -> Iterator[tuple[int, Sequence[Job]]]:
    """The jobs as a launcher gets them: submitit starts all that it is given at once."""
    count = work.at_a_time if work.launcher == "submitit_local" else len(work.jobs)
    for first in range(0, len(work.jobs), count):
        yield first, work.jobs[first : first + count]


def _outcome(job: Job, returned: JobReturn) -> Outcome:
    """How a job of another launcher ended: what it returned, or the exception that ended it."""
    if returned.status is JobStatus.COMPLETED:
        made: Outcome = returned.return_value
        return made
    error, line = returned._return_value, " ".join(str(returned._return_value).split())
    mistake = isinstance(error, ConfigError)
    return Outcome(
        arm=job.arm,
        environment=job.environment,
        seeds=job.seeds,
        exit=2 if mistake else 1,
        directory=str(job.directory),
        error=plain(line if mistake else f"{type(error).__name__}: {line}"),
        elapsed_s=0.0,
    )
