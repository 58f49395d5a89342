"""``pgx status``: where every part of a study stands, read from its files."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from pgx.errors import ConfigError
from pgx.status_table import seeds_of, show_status
from pgx.sweep.log import plain
from pgx.tables import duration, printable, seed_span

if TYPE_CHECKING:
    from rich.console import Console

    from pgx.records import Part
    from pgx.study import Study

RATE_WINDOW = 50  #: iterations over which the present rate is measured


def status(study: str | None, root: Path) -> list[dict[str, Any]]:
    """One row per part, in plain values that JSON can hold.

    Args:
        study: its name; ``None`` takes all.
        root: the output directory.

    Returns:
        Rows of ``study, arm, environment, part`` (its directory), ``seeds``, ``status``, ``budget``
        (decisions per seed), ``decisions`` (per seed), ``recent_return`` (median over the
        ``recent_seeds`` seeds that have one), ``time_left_s`` (of a running part), ``error`` (its
        last line) and ``runs``, the rows of `pgx.records.seed_rows`. A part that cannot be read has
        status ``damaged``, and ``error`` names the file and says what to do. Of a study that was
        swept, the seeds that were asked for and are in no part are rows of status ``missing``,
        whose ``part`` is the directory that theirs would be in.

    Raises:
        ConfigError: there is no such output directory or study.
    """
    from pgx.records import part_directories
    from pgx.study import STUDY, read_study

    root = Path(root)
    swept = sorted(path.parent.name for path in root.glob(f"{study or '*'}/{STUDY}"))
    found = part_directories(root, None if study in swept else study)
    rows = [_row(path) for path in found if study in (None, path.parts[-4])]
    studies = {name: read_study(root, name) for name in swept}
    for one in studies.values():
        rows += _missing(one, root, rows)
    return sorted(rows, key=lambda row: _place(row, studies))


def _place(row: dict[str, Any], studies: Mapping[str, Study]) -> tuple[Any, ...]:
    """Where a row stands: arms and environments in their study's order, unknown ones after it."""
    study, names = studies.get(row["study"]), (row["arm"], row["environment"])
    known = (list(study.arms), list(study.places)) if study else ([], [])
    found = [
        (order.index(name) if name in order else len(order), name)
        for name, order in zip(names, known, strict=True)
    ]
    return row["study"], *found, row["seeds"]


def _missing(study: Study, root: Path, rows: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """A row for every arm and environment of which seeds are in no part."""
    held: dict[tuple[str, str], set[int]] = {}
    for row in rows:
        if row["study"] == study.name:
            held.setdefault((row["arm"], row["environment"]), set()).update(row["seeds"])
    left_out = {(arm, slug) for arm, slug, _ in study.excluded}
    for arm in study.trained:
        for slug, place in study.places.items():
            seeds = [seed for seed in study.seeds if seed not in held.get((arm, slug), ())]
            if seeds and (arm, slug) not in left_out:
                directory = root / study.name / arm / slug / "seeds"
                blank = {**_damaged(directory, ""), "part": os.path.abspath(directory.parent)}
                changed = {"seeds": seeds, "budget": place.decisions, "error": None}
                yield {**blank, **changed, "status": "missing"}


def _row(directory: Path) -> dict[str, Any]:
    """The row of a part, damaged or not; what changed while it was read is read once more."""
    from pgx.records import read_part

    try:
        return _whole(read_part(directory))
    except ConfigError:
        pass
    try:
        return _whole(read_part(directory))
    except ConfigError as error:
        return _damaged(directory, str(error))


def _damaged(directory: Path, error: str) -> dict[str, Any]:
    path = Path(os.path.abspath(directory))
    study, arm, environment = path.parts[-4:-1]
    return {
        "study": study,
        "arm": arm,
        "environment": environment,
        "part": str(path),
        "seeds": [],
        "status": "damaged",
        "budget": None,
        "decisions": [],
        "recent_return": None,
        "recent_seeds": 0,
        "time_left_s": None,
        "error": error,
        "runs": [],
    }


def _whole(part: Part) -> dict[str, Any]:
    from pgx.records import seed_rows

    rows = seed_rows(part)
    for row in rows:
        row["recent_return"] = _finite(row["recent_return"])
    returns = [row["recent_return"] for row in rows if row["recent_return"] is not None]
    return {
        "study": part.study,
        "arm": part.arm,
        "environment": part.environment,
        "part": str(part.path),
        "seeds": list(part.seeds),
        "status": part.status,
        "budget": part.manifest["budget"],
        "decisions": [row["decisions"] for row in rows],
        "recent_return": median(returns) if returns else None,
        "recent_seeds": len(returns),
        "time_left_s": time_left(part) if part.status == "running" else None,
        "error": part.manifest["error"] or _reason(rows),
        "runs": rows,
    }


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _reason(rows: Sequence[dict[str, Any]]) -> str | None:
    """The first reason a seed gives."""
    return next((f"seed {row['seed']}: {row['reason']}" for row in rows if row["reason"]), None)


def time_left(part: Part) -> float | None:
    """Seconds until the slowest running seed has its budget, at the rate of its last iterations.

    Returns:
        ``None`` before there is a rate to measure.
    """
    from pgx.records import metrics

    budget = part.manifest["budget"]
    table = metrics(part)
    left = []
    for seed in part.seeds:
        if part.seed_status(seed)[0] != "running":
            continue
        own = table.filter(seed=seed).tail(RATE_WINDOW + 1).select("decisions", "wall_s").rows()
        if not own:
            continue
        (first, begun), (last, now) = own[0] if len(own) > 1 else (0, 0.0), own[-1]
        if now > begun and last > first:
            left.append(max(0.0, budget - last) * (now - begun) / (last - first))
    return max(left, default=None)


def study_time_left(rows: Sequence[dict[str, Any]]) -> float | None:
    """Seconds until a study is done if it goes on as now: what is left at the present rate.

    Args:
        rows: of one study, as `status` gives them.

    Returns:
        ``None`` if nothing runs whose rate is known. What failed is not counted.
    """
    running = [row for row in rows if row["status"] == "running" and row["time_left_s"]]
    rate = sum(_left(row) / row["time_left_s"] for row in running)
    if not rate:
        return None
    open_rows = [row for row in rows if row["status"] in ("running", "interrupted", "missing")]
    longest = max(row["time_left_s"] for row in running)
    return max(longest, sum(map(_left, open_rows)) / rate)


def _left(row: dict[str, Any]) -> int:
    """Decisions that the seeds of a row have still to take; those that failed take none."""
    if not row["runs"]:
        return int(row["budget"]) * len(row["seeds"])
    going = [run for run in row["runs"] if run["status"] not in ("finished", "failed")]
    return sum(max(0, int(row["budget"]) - int(run["decisions"])) for run in going)


def render(rows: Sequence[dict[str, Any]], console: Console) -> None:
    """Print the rows of `status` as a table, and below it the last error line of each.

    On a terminal what all rows share is the title, to leave the columns their room.
    """
    if not rows:
        console.print("nothing is recorded yet")
        return
    show_status(rows, console)
    for name in sorted({row["study"] for row in rows}):
        own = [row for row in rows if row["study"] == name]
        if (left := study_time_left(own)) is not None and len(own) > 1:
            _say(f"{name}: about {duration(left)} left at this rate", console)
    for line in _twice(rows):
        _say(line, console)
    for row in rows:
        if row["error"]:
            name = f"{row['arm']} on {row['environment']}, seeds {seeds_of(row)}"
            _say(f"{name}: {plain(row['error'])}", console)


def _say(line: str, console: Console) -> None:
    console.print(printable(line, console), markup=False, highlight=False, soft_wrap=True)


def _twice(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """A line for every two parts that share seeds."""
    of: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for row in rows:
        of.setdefault((row["study"], row["arm"], row["environment"]), []).append(row)
    for (_, arm, environment), parts in of.items():
        for one, other in combinations(parts, 2):
            if shared := set(one["seeds"]) & set(other["seeds"]):
                names = " and ".join(Path(row["part"]).name for row in (one, other))
                verb = "seed {} is" if len(shared) == 1 else "seeds {} are"
                told = verb.format(seed_span(sorted(shared)))
                yield f"{arm} on {environment}: {told} in two parts, {names}; one of them counts"
