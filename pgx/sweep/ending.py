"""What ``pgx sweep`` says at its end: what failed and where its log is, or what to do next."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from rich.text import Text

from pgx.records import OUTPUT
from pgx.sweep.job import Outcome
from pgx.sweep.log import plain, state_of
from pgx.sweep.work import Ended, Work
from pgx.tables import plain_table, printable, seed_span, show, status_text
from pgx.tracking.manifest import LAUNCH

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


def conclude(work: Work, ended: Ended, console: Console) -> int:
    """Print what did not end well, or a summary, and the next command.

    Args:
        work: what was to be trained.
        ended: what became of it.
        console: where to print.

    Returns:
        The exit status.
    """
    stopped = 0 if ended.received is None else 128 + ended.received  # as was asked for
    wrong = [outcome for outcome in ended.outcomes if outcome.exit not in (0, stopped)]
    if wrong:
        show(_failures(wrong), console)
    for line in _lines(work, ended, wrong):
        text = printable(line, console)
        console.print(text, markup=False, highlight=False, soft_wrap=True)
    return ended.exit


def _failures(wrong: Sequence[Outcome]) -> Table:
    table = plain_table("arm", "environment", "seeds", "status", "what happened")
    table.columns[3].no_wrap = True
    for one in wrong:
        names = (one.arm, one.environment, seed_span(one.seeds))
        state = status_text(state_of(one.exit))
        table.add_row(*names, state, Text(plain(one.error or f"status {one.exit}")))
    return table


def _lines(work: Work, ended: Ended, wrong: Sequence[Outcome]) -> Iterator[str]:
    states = [state_of(outcome.exit) for outcome in ended.outcomes]
    for one in wrong:
        yield f"log of {one.arm} on {one.environment}: {_shown(Path(one.directory) / LAUNCH)}"
    yield f"{states.count('finished')} of {_parts(len(work.jobs))} done"
    if ended.received is not None:
        name = signal.Signals(ended.received).name
        yield f"interrupted by {name}: the same command continues"
        return
    if "interrupted" in states:
        yield "the same command continues what was interrupted"
    if "failed" in states:
        yield "the same command with --retry-failed repeats what failed"
    if ended.exit == 0:
        where = "" if work.output == OUTPUT else f" --output {quote(str(work.output))}"
        yield f"next: pgx compare {work.study}{where}"
        yield f"      pgx report {work.study}{where}"


def _shown(path: Path) -> Path:
    """The path from here, whichever way a launcher spelt it; whole if it lies elsewhere."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _parts(count: int) -> str:
    return f"{count} part{'' if count == 1 else 's'}"
