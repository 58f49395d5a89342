"""``pgx bench --tracking``: what tracker=wandb costs, by runs with and without it in turn.

Offline: W&B's client does its work in a process beside training, and what is left of it at the end
is the run's wait. No server takes part, so the network's own time is not in the figures;
``pgx bench --faults`` measures servers that fail.
"""

from __future__ import annotations

import json
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from pgx.bench.contenders import PGX, PGX_WORK, read_part, run

CALIBRATION = 300_000  #: decisions, over all replicas, of the run that sizes the others

#: The trackers; the first is what the others are compared with.
KINDS = {"files": "tracker=files", "wandb, offline": "tracker=wandb"}


class Timed(NamedTuple):
    """One run."""

    rate: float  #: decisions per second of the training loop, without its first tenth
    total_s: float  #: from start to exit
    wait_s: float  #: of it for the mirror, after training


class Cost(NamedTuple):
    """A kind of run beside ``files``, over all repeats; ratios are within a repeat."""

    replicas: int
    kind: str
    rate: float  #: median
    slowdown: list[float]  #: of the training loop, as a fraction: files' rate / its rate - 1
    longer: list[float]  #: the whole command, as a fraction: its seconds / files' seconds - 1
    wait_s: list[float]


def measure(replicas: int, repeats: int, seconds: float) -> list[Cost]:
    """Time every kind of run in turn, in an order that rotates.

    Args:
        replicas: R.
        repeats: of every kind.
        seconds: about how long each run trains.
    """
    rate = timed("files", replicas, -(-CALIBRATION // replicas)).rate
    decisions = int(rate * seconds / replicas)
    kinds = list(KINDS)
    found: dict[str, list[Timed]] = {kind: [] for kind in kinds}
    for repeat in range(repeats):
        turn = repeat % len(kinds)
        for kind in kinds[turn:] + kinds[:turn]:
            line = f"R={replicas}, repeat {repeat + 1} of {repeats}: {kind}"
            print(line, file=sys.stderr, flush=True)
            found[kind].append(timed(kind, replicas, decisions))
    return costs(replicas, found)


def costs(replicas: int, found: dict[str, list[Timed]]) -> list[Cost]:
    """What each kind costs beside ``files`` of the same repeat."""
    without = found["files"]
    return [
        Cost(
            replicas,
            kind,
            statistics.median(one.rate for one in runs),
            [off.rate / on.rate - 1 for off, on in zip(without, runs, strict=True)],
            [on.total_s / off.total_s - 1 for off, on in zip(without, runs, strict=True)],
            [one.wait_s for one in runs],
        )
        for kind, runs in found.items()
    ]


def timed(kind: str, replicas: int, decisions: int) -> Timed:
    """Train in an empty folder."""
    words = [*PGX_WORK, f"seeds={replicas}", f"decisions={decisions}", KINDS[kind]]
    with tempfile.TemporaryDirectory(prefix="pgx-bench-") as folder:
        start = time.perf_counter()
        run([*PGX, "train", *words], Path(folder))
        total_s = time.perf_counter() - start
        (manifest,) = Path(folder).glob("outputs/*/*/*/*/manifest.json")
        rate = read_part(manifest.parent, replicas).rate
        return Timed(rate, total_s, waited_s((manifest.parent / "train.log").read_text()))


def waited_s(log: str) -> float:
    """Seconds that a run waited for its mirror, by its ``train.log``; 0 without one."""
    return sum(float(match[1]) for match in re.finditer(r"the mirror ended after ([\d.]+) s", log))


def main(repeats: int, replicas: Sequence[int], seconds: float, as_json: bool) -> int:
    """Measure and print; 0.

    Args:
        repeats: of every kind of run.
        replicas: R, one group of rows each.
        seconds: about how long each run trains.
        as_json: print JSON instead of a table.
    """
    from pgx.bench.startup import machine

    rows = [cost for count in replicas for cost in measure(count, repeats, seconds)]
    if as_json:
        fields = {"machine": machine(), "seconds": seconds, "rows": [c._asdict() for c in rows]}
        print(json.dumps(fields, indent=2))
    else:
        render(rows, f"{machine()}; runs of about {seconds:g} s, n = {repeats} repeats")
    return 0


def render(rows: Sequence[Cost], title: str) -> None:
    """Print the table."""
    from rich.console import Console

    from pgx.tables import plain_table, show

    console = Console(soft_wrap=True, highlight=False)
    console.print(title)
    table = plain_table("R", "tracker", "decisions/s", "training", "whole run", "wait at the end")
    for column in (table.columns[0], *table.columns[2:]):
        column.justify = "right"
    for row in rows:
        own = row.kind != "files"
        table.add_row(
            str(row.replicas),
            row.kind,
            f"{row.rate:,.0f}",
            _percent(row.slowdown) if own else "",
            _percent(row.longer) if own else "",
            f"{statistics.median(row.wait_s):.2f} s" if own else "",
        )
    show(table, console)
    console.print(
        "training: how much slower the training loop is than files of the same repeat\n"
        "whole run: how much longer the command takes, imports and the wait at the end included\n"
        "medians over repeats, with the smallest and the largest; files are written in every row"
    )


def _percent(fractions: list[float]) -> str:
    middle, least, most = statistics.median(fractions), min(fractions), max(fractions)
    return f"{middle:+.1%} ({least:+.1%} – {most:+.1%})"
