"""``pgx sweep``: what its words mean, and what it does with them, from the plan to the last line.

The command line imports this module; what the command needs is imported when it runs.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import typer

from pgx.sweep.asked import Asked, console_of, parse, say, work_of
from pgx.usage import SWEEP_HELP

if TYPE_CHECKING:
    from pgx.sweep.plan import Plan


def sweep(context: typer.Context) -> int:
    """Train every arm of a study: pgx sweep study=NAME; --dry-run plans."""
    if {"--help", "-h"} & set(context.args):
        typer.echo(SWEEP_HELP, nl=False)
        return 0
    return main(context.args)


def main(arguments: Sequence[str]) -> int:
    """Run ``pgx sweep`` and return its exit status.

    Raises:
        ConfigError: the user's mistake; nothing has been written.
    """
    from pgx.sweep.work import check_launcher

    begun, asked = time.monotonic(), parse(arguments)
    check_launcher(asked.launcher or "local")
    if "--smoke" in asked.flags:
        from pgx.sweep.smoke import smoke

        return smoke(asked)
    from pgx.sweep.plan import make_plan

    plan = make_plan(asked.request)
    if "--dry-run" in asked.flags:
        return _show(plan, asked, time.monotonic() - begun)
    plan.check()
    return _train(plan, asked)


def _show(plan: Plan, asked: Asked, planned_s: float) -> int:
    """``--dry-run``: the table of parts and what they will cost; nothing is written."""
    from pgx.sweep.estimate import estimate
    from pgx.sweep.render_plan import changes, estimate_lines, plan_table, summary
    from pgx.tables import show

    console, as_json = console_of(asked), "--json" in asked.flags
    work = work_of(plan, asked)
    if not as_json:
        show(plan_table(plan), console)
        say([*changes(plan), *summary(plan)], console)
    fits = not plan.wrong
    found = estimate(plan, work, lambda line: say([line], console), planned_s) if fits else None
    if as_json:
        cost = None if found is None else found.as_json()
        typer.echo(json.dumps(as_plain(plan, cost), indent=2))
    elif found is not None:
        say(estimate_lines(found, work), console)
    plan.check()
    return 0


def as_plain(plan: Plan, estimate: dict[str, Any] | None) -> dict[str, Any]:
    """The plan in plain values that JSON can hold."""
    jobs = [{**asdict(job), "directory": str(job.directory)} for job in plan.jobs]
    return {
        "study": plan.study.name,
        "output": str(plan.output),
        "rows": [asdict(row) for row in plan.rows],
        "jobs": jobs,
        "estimate": estimate,
    }


def _train(plan: Plan, asked: Asked) -> int:
    """Train what is missing, and end with what failed or with what to do next."""
    from pgx.study import write_study
    from pgx.sweep.ending import conclude
    from pgx.sweep.estimate import recorded
    from pgx.sweep.render_plan import summary
    from pgx.sweep.sweeper import sweep_through_hydra

    console, work = console_of(asked), work_of(plan, asked)
    path = write_study(plan.output, plan.study)
    say(summary(plan), console)
    left = any(row.state == "failed" for row in plan.rows)
    outcomes: list[Any] = []
    code = int(left)
    if plan.jobs:
        known = {path: cost.seconds for path, cost in recorded(plan).items()}
        work = replace(work, expected=known)
        ended = sweep_through_hydra(work, console)
        code = max(code, conclude(work, ended, console))
        outcomes = [asdict(outcome) for outcome in ended.outcomes]
    if "--json" in asked.flags:
        typer.echo(json.dumps({"study": str(path), "outcomes": outcomes}, indent=2))
    return code
