"""``pgx sweep --smoke``: one iteration of every arm in every environment, and what became of it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from pgx.config import quoted
from pgx.sweep.asked import Asked, console_of, work_of
from pgx.sweep.job import Outcome
from pgx.sweep.log import plain
from pgx.sweep.plan import Plan, make_plan
from pgx.sweep.sweeper import sweep_through_hydra
from pgx.tables import plain_table, printable, show, status_text

if TYPE_CHECKING:
    from rich.table import Table


def smoke(asked: Asked) -> int:
    """Try every combination in a temporary folder, through the same machinery as a sweep.

    Returns:
        The exit status: 0 if all are fine, 1 if one failed or does not fit, 128 + signal.

    Raises:
        ConfigError: the study as a whole is mistaken.
    """
    console = console_of(asked)
    with tempfile.TemporaryDirectory(prefix="pgx-smoke-") as folder:
        overrides = (*asked.overrides, f"output={quoted(folder)}")
        request = replace(asked.request, overrides=overrides, smoke=True)
        plan = make_plan(request)
        work = work_of(plan, asked)
        ended = sweep_through_hydra(work, console) if plan.jobs else None
        outcomes = ended.outcomes if ended else ()
        found = results(plan, {(one.arm, one.environment): one for one in outcomes}, Path(folder))
    if "--json" in asked.flags:
        typer.echo(json.dumps(found, indent=2))
    else:
        show(smoke_table(found), console)
    wrong = sum(one["status"] == "failed" for one in found)
    fine = sum(one["status"] == "finished" for one in found)
    tried = sum(one["status"] != "duplicate" for one in found)
    line = f"{fine} of {tried} combinations did one iteration"
    console.print(printable(line, console), markup=False, highlight=False)
    if ended is not None and ended.received is not None:
        return 128 + ended.received
    return int(wrong > 0)


def results(
    plan: Plan, outcomes: Mapping[tuple[str, str], Outcome], folder: Path
) -> list[dict[str, str | None]]:
    """A row for every combination: ``arm, environment, status, why``.

    Args:
        plan: of the smoke test.
        outcomes: by arm and environment.
        folder: that is gone when this is read; its name says nothing to anybody.
    """
    rows: list[dict[str, str | None]] = []
    for row in plan.rows:
        if row.state == "excluded":
            continue
        status, why = "failed", row.why
        if row.state == "duplicate":
            status = "duplicate"
        elif row.state == "to train":
            outcome = outcomes.get((row.arm, row.environment))
            status, why = _ended(outcome, folder)
        rows.append({"arm": row.arm, "environment": row.environment, "status": status, "why": why})
    return rows


def _ended(outcome: Outcome | None, folder: Path) -> tuple[str, str | None]:
    if outcome is None:
        return "interrupted", "was not begun"
    if outcome.exit == 0:
        return "finished", None
    return "failed", plain((outcome.error or "").replace(f"{folder}/", ""))


def smoke_table(rows: Sequence[Mapping[str, str | None]]) -> Table:
    """The rows of `results` for people."""
    from rich.text import Text

    table = plain_table("arm", "environment", "one iteration")
    for row in rows:
        status = str(row["status"])
        if status == "duplicate":
            cell = Text(f"same as {str(row['why']).removeprefix('of ')}", style="dim")
        else:
            cell = Text("ok", style="green") if status == "finished" else status_text(status)
            cell.append(f": {plain(row['why'])}" if row["why"] else "")
        table.add_row(str(row["arm"]), str(row["environment"]), cell)
    return table
