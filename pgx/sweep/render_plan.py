"""A plan for people: the table of parts, what it comes to, and what it will cost."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from rich.text import Text

from pgx.sweep.estimate import Estimate
from pgx.sweep.log import plain
from pgx.sweep.plan import Plan
from pgx.sweep.work import Work
from pgx.tables import duration, plain_table, seed_span

if TYPE_CHECKING:
    from rich.table import Table

_COLOURS = {
    "done": "green",
    "to train": "bold",
    "to resume": "yellow",
    "to repeat": "yellow",
    "running": "cyan",
    "failed": "bold red",
    "diverged": "red",
    "changed": "bold red",
    "damaged": "bold red",
    "invalid": "bold red",
    "duplicate": "dim",
    "excluded": "dim",
}


def plan_table(plan: Plan) -> Table:
    """A line for every stretch of seeds: arm, environment, seeds, what is to be done."""
    table = plain_table("arm", "environment", "seeds", "state")
    for row in plan.rows:
        state = Text()
        state.append(row.state, style=_COLOURS[row.state])
        if row.why and not row.changes:
            state.append(f"{'' if row.state == 'duplicate' else ':'} {plain(row.why)}")
        table.add_row(row.arm, row.environment, seed_span(row.seeds), state)
    return table


def changes(plan: Plan) -> list[str]:
    """A line for every key that another config under an arm's name has otherwise."""
    lines = []
    for row in plan.rows:
        if row.changes:
            lines.append(f"{row.arm} on {row.environment}, seeds {seed_span(row.seeds)}:")
            lines += [f"  {plain(line)}" for line in row.changes]
    return lines


def summary(plan: Plan) -> list[str]:
    """What the plan comes to, in a line or two."""
    asked = [row for row in plan.rows if row.state != "excluded"]
    arms = {row.arm for row in asked if row.state != "duplicate"}
    places = {row.environment for row in asked}
    runs = Counter[str]()
    for row in asked:
        runs[row.state] += len(row.seeds)
    head = f"{plan.study.name}: {_count(len(arms), 'arm')} × "
    head += f"{_count(len(places), 'environment')} × {_count(len(plan.seeds), 'seed')}"
    parts = Counter(job.action for job in plan.jobs)
    words = [
        f"{_count(parts[key], 'part')} to {key}"
        for key in ("train", "resume", "repeat")
        if parts[key]
    ]
    if runs["done"]:
        words.append(f"{_count(runs['done'], 'run')} done")
    if runs["running"]:
        words.append(f"{_count(runs['running'], 'run')} in another process's hands")
    lines = [f"{head}: {', '.join(words)}" if words else head]
    if plan.wrong:
        lines.append(
            f"{_count(len(plan.wrong), 'row')} of the table must be mended before it begins"
        )
    elif not plan.jobs:
        lines.append("nothing is missing")
    for state in ("diverged", "failed"):
        if runs[state]:
            them = "it" if runs[state] == 1 else "them"
            count = _count(runs[state], "run")
            lines.append(f"{count} {state} before; --retry-failed repeats {them}")
    return lines


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def estimate_lines(found: Estimate, work: Work) -> list[str]:
    """What the plan will cost, and what that is based on."""
    if not work.jobs:
        return []
    cost = f"about {duration(found.seconds)} and {size(found.bytes)}"
    at_a_time = _count(work.at_a_time, "part")
    return [f"estimate: {cost}, {at_a_time} at a time", *(f"basis: {line}" for line in found.basis)]


def size(count: float) -> str:
    """Bytes in the unit that leaves one to three digits."""
    units = ["B", "kB", "MB", "GB", "TB"]
    while count >= 999.5 and len(units) > 1:
        count, units = count / 1000, units[1:]
    return (
        f"{count:.1f} {units[0]}" if count < 9.95 and units[0] != "B" else f"{count:.0f} {units[0]}"
    )
