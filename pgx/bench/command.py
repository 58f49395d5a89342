"""Runs the contenders in turn and prints the figures."""

from __future__ import annotations

import json
import statistics
import sys
from typing import Any

from pgx.bench.contenders import PGX_WORK, StableBaselines3, contenders
from pgx.bench.rates import LEARNED_RETURN, Measurement, Row, table
from pgx.bench.startup import Startup, machine, measure
from pgx.bench.tabular import Rate, lines
from pgx.bench.tabular import measure as measure_tabular


def main(repeats: int, replicas: list[int], decisions: int, as_json: bool) -> int:
    """Measure everything and print it; 1 if some contender did not learn.

    Args:
        repeats: interleaved repeats of every contender.
        replicas: R, one pgx contender each.
        decisions: per replica, of every run.
        as_json: print JSON instead of tables.
    """
    everyone = contenders(replicas)
    results: dict[str, list[Measurement]] = {contender.name: [] for contender in everyone}
    for repeat in range(repeats):
        for contender in everyone:
            _tell(f"repeat {repeat + 1} of {repeats}: {contender.name}")
            results[contender.name].append(contender.measure(decisions, seed=repeat))
    _tell("tabular environments")
    tabular = measure_tabular(repeats)
    _tell("start-up")
    startup = measure(repeats)
    peers = [StableBaselines3("same", threads).name for threads in (1, 2)]
    rows = table(results, peers)
    if as_json:
        print(json.dumps(report(rows, tabular, startup, decisions), indent=2))
    else:
        render(rows, tabular, startup, decisions, repeats)
    return int(not all(row.learned for row in rows))


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def report(
    rows: list[Row], tabular: list[Rate], startup: Startup, decisions: int
) -> dict[str, Any]:
    """Everything measured, as plain values."""
    return {
        "machine": machine(),
        "work": list(PGX_WORK),
        "decisions": decisions,
        "rows": [row._asdict() for row in rows],
        "tabular": [rate._asdict() for rate in tabular],
        **startup._asdict(),
    }


def render(
    rows: list[Row], tabular: list[Rate], startup: Startup, decisions: int, repeats: int
) -> None:
    """Print the tables."""
    from rich.console import Console

    from pgx.tables import plain_table, show

    console = Console(soft_wrap=True, highlight=False)
    console.print(f"{machine()}; {decisions:,} decisions per replica, n = {repeats} repeats")
    rates = plain_table("contender", "decisions/s", "min – max", "ratio", "return", "note")
    for column in rates.columns[1:5]:
        column.justify = "right"
    for row in rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.1f}"
        spread = f"{row.least:,.0f} – {row.most:,.0f}"
        note = "" if row.learned else "did not learn"
        rates.add_row(
            row.name, f"{row.median:,.0f}", spread, ratio, f"{row.final_return:.0f}", note
        )
    show(rates, console)
    console.print(
        "decisions/s: median over repeats, summed over replicas, without each run's first tenth\n"
        "ratio: to the better of the rows of SB3 on the same work\n"
        f"return: mean of the last 100 episodes; learned from {LEARNED_RETURN:.0f} on\n"
    )
    console.print("\n".join(lines(tabular)) + "\n")
    console.print(f"pgx --help: {_seconds(startup.help_s)}")
    console.print(f"a run of one iteration, start to exit: {_seconds(startup.start_s)}")
    imports = ", ".join(f"{name} {seconds:.2f}" for name, seconds in startup.imports)
    console.print(f"its imports, s: {imports}")


def _seconds(times: list[float]) -> str:
    return f"{statistics.median(times):.2f} s ({min(times):.2f} – {max(times):.2f})"
