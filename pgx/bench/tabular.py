"""How fast tabular environments step and reset by themselves, without a policy, on one thread."""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from pgx.bench.contenders import run

SLOTS = 512  #: environments stepped at once, R = 1


class Rate(NamedTuple):
    """Decisions per second of one process, steps and resets together; a number per repeat."""

    name: str
    wall: list[float]  #: by the clock on the wall: less, where others use the machine
    cpu: list[float]  #: by the processor's time that was spent here


def measure(repeats: int) -> list[Rate]:
    """Time every process in a Python of its own."""
    command = [sys.executable, "-m", "pgx.bench.tabular_process", str(repeats)]
    with tempfile.TemporaryDirectory(prefix="pgx-bench-") as folder:
        printed = run(command, Path(folder), OMP_NUM_THREADS="1").stdout
    return [Rate(**row) for row in json.loads(printed.splitlines()[-1])]


def lines(rates: list[Rate]) -> list[str]:
    """What is printed of them, by medians."""
    found = [f"tabular environments, {SLOTS} at once, step and reset, one thread, decisions/s:"]
    for rate in rates:
        wall, cpu = statistics.median(rate.wall), statistics.median(rate.cpu)
        spread = f"{min(rate.wall):,.0f} – {max(rate.wall):,.0f}"
        found.append(f"  {rate.name}: {wall:,.0f} ({spread}); by processor time {cpu:,.0f}")
    return found
