"""What a plan will cost in time and disk, and what that is based on.

Best are finished parts of the same config and number of seeds, trained on this hardware: their
rate. Where there is none, the arm is trained for a few seconds (`pgx.sweep.measure`), and what is
left of it is reckoned at the rate of the second half of that stretch. Rates change while an arm
learns. Where an iteration is a set of complete episodes, slots whose episode has ended wait for the
longest one; if all grow to the same length, as on CartPole, the rate rises by up to m = longest /
mean. How far it will is not known before, so √m is taken: off by no more than √m either way. The
rows of episodes become fewer as episodes grow, by up to their limit over their mean length; the
square root is taken there as well.
"""

from __future__ import annotations

import heapq
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from pgx.errors import ConfigError
from pgx.records import Part, read_part
from pgx.sweep.job import Job
from pgx.sweep.launcher import environment
from pgx.sweep.measure import Rates, Task
from pgx.sweep.plan import Plan
from pgx.sweep.work import Work, with_threads
from pgx.tracking.provenance import hardware

AROUND_S = 6.0  #: of a process before its first iteration and after its last, if not measured
STRETCH_S = (1.0, 4.0)  #: least and most of a measured stretch
ALL_S = 40.0  #: that measuring may take, process starts aside
MOST = 40  #: arms and environments that are measured; others take the median of those


@dataclass(frozen=True)
class Cost:
    """What one job will cost.

    Args:
        seconds: of its process.
        bytes: of its finished record.
        basis: ``recorded``, ``measured``, ``median`` or ``unknown``.
        rate: decisions per second as recorded or measured, summed over replicas.
        faster: factor by which what is left is reckoned to go faster.
    """

    seconds: float
    bytes: float
    basis: str
    rate: float = 0.0
    faster: float = 1.0


@dataclass(frozen=True)
class Estimate:
    """What a plan will cost.

    Args:
        seconds: from its start to its end.
        bytes: of all records it adds.
        basis: lines that say what this rests on.
        parts: of every job's directory.
    """

    seconds: float
    bytes: float
    basis: tuple[str, ...]
    parts: Mapping[Path, Cost]

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        parts = {str(path): asdict(cost) for path, cost in self.parts.items()}
        return {**asdict(self), "basis": list(self.basis), "parts": parts}


def estimate(
    plan: Plan, work: Work, say: Callable[[str], None], planned_s: float = 0.0
) -> Estimate:
    """What the jobs of a plan will cost; what is not recorded is measured.

    Args:
        plan: what is to be trained.
        work: the same jobs, and how many run at a time.
        say: is told what takes a while.
        planned_s: seconds that the plan took, which the sweep will take again.
    """
    parts = dict(recorded(plan))
    rest = [job for job in work.jobs if job.directory not in parts]
    basis = []
    if parts:
        basis.append(f"recorded: {_span([*parts.values()])}, {_parts(len(parts))}")
    if rest:
        found, seconds = measured(rest, work, say)
        parts |= {job.directory: cost for job, cost in found.items()}
        basis += _measured_lines([*found.values()], seconds)
    costs = [parts[job.directory] for job in work.jobs]
    spans = [cost.seconds for cost in costs]
    total = sum(cost.bytes for cost in costs)
    seconds = makespan(spans, work.at_a_time) + (planned_s if spans else 0.0)
    return Estimate(seconds, total, tuple(basis), parts)


def makespan(seconds: Sequence[float], at_a_time: int) -> float:
    """When the last of these jobs ends: longest first, so many at a time."""
    ends = [0.0] * max(1, at_a_time)
    for span in sorted(seconds, reverse=True):
        heapq.heapreplace(ends, ends[0] + span)
    return max(ends)


def recorded(plan: Plan) -> dict[Path, Cost]:
    """The cost of every job that a finished part of the same kind tells, by the job's directory."""
    here = hardware()
    found = {}
    for job in plan.jobs:
        alike = [part for part in _finished(job) if part.manifest.get("hardware") == here]
        if alike:
            found[job.directory] = _as_before(job, alike)
    return found


def _finished(job: Job) -> list[Part]:
    """The finished parts beside a job's that trained the same config with as many seeds."""
    found = []
    for path in sorted(job.directory.parent.glob("seeds-*")):
        try:
            part = read_part(path)
        except ConfigError:
            continue
        same = part.manifest["config_hash"] == job.config_hash
        alike = part.status == "finished" and same and len(part.seeds) == len(job.seeds)
        if alike and _taken(part) > 0:
            found.append(part)
    return found


def _as_before(job: Job, alike: Sequence[Part]) -> Cost:
    taken = [_taken(part) for part in alike]
    rate = sum(taken) / max(1e-9, sum(part.manifest["elapsed_s"] for part in alike))
    written = sum(f.stat().st_size for p in alike for f in p.path.rglob("*") if f.is_file())
    left = max(0, job.budget * len(job.seeds) - _done(job))
    return Cost(AROUND_S + left / rate, written / len(alike), "recorded", rate)


def _taken(part: Part) -> int:
    return sum(int(entry["decisions"]) for entry in part.manifest["seed_status"].values())


def _done(job: Job) -> int:
    """Decisions that an interrupted part has already."""
    return _taken(read_part(job.directory)) if job.action == "resume" else 0


def measured(
    jobs: Sequence[Job], work: Work, say: Callable[[str], None]
) -> tuple[dict[Job, Cost], float]:
    """What every job will cost by a measured stretch of its training; and how long each was."""
    kinds: dict[str, Job] = {}
    for job in jobs:
        kinds.setdefault(_kind(job), job)
    chosen = list(kinds)[:: -(-len(kinds) // MOST)]
    workers = max(1, min(work.at_a_time, len(chosen)))
    seconds = min(max(STRETCH_S[0], ALL_S * workers / len(chosen)), STRETCH_S[1])
    say(f"measuring {_parts(len(chosen))} for {seconds:.0f} s each, {workers} at a time")
    tasks = [
        Task(
            key=key,
            overrides=with_threads(kinds[key].overrides),
            directories=tuple(map(str, work.directories)),
            seconds=seconds,
        )
        for key in chosen
    ]
    rates = _measure(tasks, workers)
    most = max((found.around_s for found in rates.values()), default=0.0)  # imports are done once
    rates = {key: replace(found, around_s=most) for key, found in rates.items()}
    costs = {key: _cost(kinds[key], found) for key, found in rates.items()}
    return {job: _of(job, costs, rates) for job in jobs}, seconds


def _kind(job: Job) -> str:
    return f"{job.config_hash} {len(job.seeds)}"


def _of(job: Job, costs: Mapping[str, Cost], rates: Mapping[str, Rates]) -> Cost:
    """A job's own cost, or the median of what was measured."""
    if (own := rates.get(_kind(job))) is not None:
        return _cost(job, own)
    if not costs:
        return Cost(0.0, 0.0, "unknown")
    some = list(costs.values())
    seconds, size = median(c.seconds for c in some), median(c.bytes for c in some)
    return Cost(seconds, size, "median", median(c.rate for c in some))


def _cost(job: Job, found: Rates) -> Cost:
    """What a stretch of a job's training says about the whole of it."""
    total = job.budget * len(job.seeds)
    if found.ended or found.rate <= 0:
        return Cost(found.around_s + found.seconds, found.bytes_all, "measured", found.rate)
    faster = found.rise**0.5
    rate = found.rate * faster
    if job.action == "resume":  # further on than the stretch was
        seconds = max(0, total - _done(job)) / rate
    else:
        seconds = found.seconds + max(0, total - found.taken) / rate
    rows = found.bytes_iterations + found.bytes_episodes / found.growth**0.5
    size = found.bytes_fixed + rows * total
    return Cost(found.around_s + seconds, size, "measured", found.rate, faster)


def _measure(tasks: Sequence[Task], workers: int) -> dict[str, Rates]:
    """Share the tasks out to so many processes, and collect what they found."""
    with tempfile.TemporaryDirectory(prefix="pgx-estimate-") as folder:
        processes, results = [], []
        try:
            for worker in range(workers):
                own = Path(folder) / f"tasks-{worker}.json"
                own.write_text(json.dumps([asdict(task) for task in tasks[worker::workers]]))
                results.append(Path(folder) / f"results-{worker}.json")
                processes.append(_start(own, results[-1]))
            for process in processes:
                process.wait()
        finally:
            for process in processes:
                process.kill()
                process.wait()
        found: dict[str, Any] = {}
        for path in results:
            if path.exists():
                found |= json.loads(path.read_text())
    return {key: Rates(**rates) for key, rates in found.items() if "error" not in rates}


def _start(tasks: Path, results: Path) -> subprocess.Popen[bytes]:
    words = [str(os.getpid()), str(time.time()), str(tasks), str(results)]
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "pgx.sweep.measure", *words],
        env=environment(os.environ, 1),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _measured_lines(costs: Sequence[Cost], seconds: float) -> list[str]:
    """What the measured part of an estimate rests on."""
    by = {
        basis: [cost for cost in costs if cost.basis == basis] for basis in ("measured", "median")
    }
    lines = []
    if own := by["measured"]:
        lines.append(f"measured: {_span(own)} over {seconds:.0f} s, {_parts(len(own))}")
    if growing := [cost.faster for cost in own if cost.faster > 1.05]:
        most = f"{max(growing):.1f} times as fast"
        lines.append(f"{_parts(len(growing))} of complete episodes, which grow: up to {most}")
    if rest := by["median"]:
        lines.append(f"the median of these for {len(rest)} more")
    if unknown := len(costs) - len(own) - len(rest):
        counts = f"count{'s' * (unknown == 1)}"
        lines.append(f"{_parts(unknown)} could not be measured and {counts} as nothing")
    return lines


def _span(costs: Sequence[Cost]) -> str:
    """Decisions per second, from the slowest to the fastest."""
    low, high = min(cost.rate for cost in costs), max(cost.rate for cost in costs)
    digits = -max(0, len(str(int(high))) - 2)
    low, high = round(low, digits), round(high, digits)
    return f"{low:,.0f} decisions/s" if low == high else f"{low:,.0f} to {high:,.0f} decisions/s"


def _parts(count: int) -> str:
    return f"{count} part{'s' * (count != 1)}"
