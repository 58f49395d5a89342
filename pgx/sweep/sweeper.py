"""From jobs to how they ended, through Hydra's multirun: the sweeper ``arms``."""

from __future__ import annotations

from rich.console import Console

from pgx.sweep.work import Ended, Work


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
    raise NotImplementedError
