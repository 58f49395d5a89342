"""What one call of ``pgx sweep`` trains, and how its jobs ended: what goes to a launcher and back.

Hydra imports this with every plugin of its, so that nothing heavy may be imported here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pgx.errors import ConfigError, check_choice
from pgx.sweep.job import Job, Outcome

#: What ``--launcher`` may be, and the command that installs it where pgx does not bring it.
LAUNCHERS = {
    "local": None,
    "joblib": "pip install 'pgx-lab[joblib]'",
    "submitit_local": "pip install 'pgx-lab[slurm]'",
}


@dataclass(frozen=True)
class Work:
    """The jobs of one call of ``pgx sweep``.

    Args:
        study: its name.
        output: directory below which studies are written.
        jobs: what is to be trained, in the order of the study.
        directories: of the user's own configs, as ``--config-dir`` names them.
        launcher: a key of `LAUNCHERS`.
        parallel: jobs at a time; None is as many as there are cores for.
        expected: seconds that a job is expected to take, by its directory, where that is known.
        hydra: overrides of Hydra's own keys, such as ``hydra.launcher.n_jobs=3``; the last word.
    """

    study: str
    output: Path
    jobs: tuple[Job, ...]
    directories: tuple[Path, ...] = ()
    launcher: str = "local"
    parallel: int | None = None
    expected: Mapping[Path, float] = field(default_factory=dict)
    hydra: tuple[str, ...] = ()

    @property
    def at_a_time(self) -> int:
        """Jobs that run at once: as many as the cores that this process may use have room for.

        A job computes with one thread unless ``threads=`` says otherwise; one that uses a GPU has
        it for itself.
        """
        if self.parallel is not None:
            return max(1, min(self.parallel, len(self.jobs)))
        if any(_value(job.overrides, "device").startswith("cuda") for job in self.jobs):
            return 1
        threads = max((threads_of(job.overrides) for job in self.jobs), default=1)
        return max(1, min(len(os.sched_getaffinity(0)) // threads, len(self.jobs)))


@dataclass(frozen=True)
class Ended:
    """How the jobs of a call ended.

    Args:
        outcomes: of the jobs that were begun, in the order in which they ended.
        received: the signal that ended the call, if one did.
    """

    outcomes: tuple[Outcome, ...]
    received: int | None = None

    @property
    def exit(self) -> int:
        """The exit status: 128 + signal, or 1 if a run failed, or 0."""
        if self.received is not None:
            return 128 + self.received
        return int(any(outcome.exit != 0 for outcome in self.outcomes))


def check_launcher(name: str) -> None:
    """Refuse a launcher that does not exist, or whose package is not installed.

    Raises:
        ConfigError: with the command that installs it.
    """
    from importlib.util import find_spec

    check_choice("--launcher", name, LAUNCHERS)
    remedy = LAUNCHERS[name]
    package = f"hydra_plugins.hydra_{name.partition('_')[0]}_launcher"
    if remedy is not None and find_spec(package) is None:
        raise ConfigError(f"--launcher={name}: {package} is not installed; {remedy}")


def with_threads(overrides: Sequence[str]) -> tuple[str, ...]:
    """The overrides of a job with its number of threads: 1 where nothing is said.

    It does not depend on how many jobs run at once: the last part of a sweep, trained alone, gives
    the digits that it would have given among others.
    """
    return (*overrides,) if _value(overrides, "threads") else (*overrides, "threads=1")


def threads_of(overrides: Sequence[str]) -> int:
    """How many threads a job asks for; 1 where it does not say, or says no number."""
    value = _value(overrides, "threads")
    return int(value) if value.isdigit() and int(value) > 0 else 1


def _value(overrides: Sequence[str], key: str) -> str:
    """The last value given to a key, as text; empty if none is."""
    pairs = [word.lstrip("+").partition("=") for word in overrides]
    return next((value for name, _, value in reversed(pairs) if name == key), "")
