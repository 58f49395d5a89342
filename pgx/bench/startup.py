"""How long pgx takes before it does anything: the help, and the start of a run with its imports."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from pgx.bench.contenders import PGX, PGX_WORK, run
from pgx.bench.rates import import_times

LISTED = 10  #: packages in the list of imports


class Startup(NamedTuple):
    """Seconds, each list one number per repeat."""

    help_s: list[float]  #: ``pgx --help``
    start_s: list[float]  #: a run of a single iteration, from its start to its exit
    imports: list[tuple[str, float]]  #: the costliest packages of that run


def measure(repeats: int) -> Startup:
    """Time the help and a run of one iteration, then list what the run imports."""
    run([*PGX, "--help"], Path(tempfile.gettempdir()))
    helps = [timed([*PGX, "--help"]) for _ in range(repeats)]
    words = ["train", *PGX_WORK, "seeds=1", "decisions=1"]
    starts = [timed([*PGX, *words]) for _ in range(repeats)]
    with tempfile.TemporaryDirectory(prefix="pgx-bench-") as folder:
        command = [sys.executable, "-X", "importtime", *PGX[1:], *words]
        listing = run(command, Path(folder)).stderr
    return Startup(helps, starts, import_times(listing, LISTED))


def timed(command: list[str]) -> float:
    """Seconds a command takes in an empty folder."""
    with tempfile.TemporaryDirectory(prefix="pgx-bench-") as folder:
        start = time.perf_counter()
        run(command, Path(folder))
        return time.perf_counter() - start


def machine() -> str:
    """The processor and how many cores of it may be used."""
    name = "unknown processor"
    information = Path("/proc/cpuinfo")
    if information.is_file():
        lines = information.read_text(encoding="utf-8").splitlines()
        models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        name = models[0] if models else name
    return f"{name}, {len(os.sched_getaffinity(0))} cores"
