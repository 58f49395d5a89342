"""What ``pgx sweep`` says at its end: what failed and where its log is, or what to do next."""

from __future__ import annotations

from rich.console import Console

from pgx.sweep.work import Ended


def conclude(ended: Ended, study: str, console: Console) -> int:
    """Print the table of failures, or a summary and the next command; the exit status."""
    raise NotImplementedError
