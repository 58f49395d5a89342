"""One part that a sweep wants trained: what the plan hands to a launcher."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Job:
    """The seeds of an arm in an environment that are to be trained in one process.

    Args:
        arm: slug.
        environment: slug.
        seeds: one per replica.
        action: ``train`` (nothing is there), ``resume`` (it was interrupted), or ``repeat`` (it
            failed, or its record is to be replaced).
        overrides: of ``conf/train.yaml``, complete: with ``study=``, ``arm=``, ``seeds=``,
            ``decisions=``, and ``resume=true`` or ``replace=true`` where the action needs it.
        directory: of the part.
        config_hash: of its run-relevant config.
        budget: decisions of each replica.
    """

    arm: str
    environment: str
    seeds: tuple[int, ...]
    action: str
    overrides: tuple[str, ...]
    directory: Path
    config_hash: str
    budget: int

    @property
    def name(self) -> str:
        """How it is called on the terminal."""
        return f"{self.arm} on {self.environment}, {self.directory.name}"


@dataclass(frozen=True)
class Outcome:
    """How a job ended.

    Args:
        arm: slug.
        environment: slug.
        seeds: as the job's.
        exit: status of its process: 0, 1 if a run failed, 2 the user's mistake, 128 + signal.
        directory: of the part.
        error: one line, or None.
        elapsed_s: seconds that the job took, from its start to its end.
    """

    arm: str
    environment: str
    seeds: tuple[int, ...]
    exit: int
    directory: str
    error: str | None
    elapsed_s: float
