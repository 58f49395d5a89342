"""From stamps to a table: steady rates, medians with their spread, ratios. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

WARM_UP = 0.1  #: fraction of the iterations left out at the start

#: Mean return of the last 100 episodes that counts as learned; a random policy's is about 22.
LEARNED_RETURN = 50.0


class Measurement(NamedTuple):
    """One run of one contender."""

    rate: float  #: decisions per second, summed over replicas
    final_return: float  #: mean over the last episodes, and over replicas


class Row(NamedTuple):
    """All repeats of one contender."""

    name: str
    rates: list[float]
    median: float
    least: float
    most: float
    ratio: float | None  #: to the best contender on the same work
    final_return: float  #: the median repeat's
    learned: bool


def steady_rate(stamps: Sequence[tuple[float, float]]) -> float:
    """Decisions per second after the warm-up.

    Args:
        stamps: (decisions so far, seconds) at the end of every iteration, in order.

    Raises:
        ValueError: too few stamps for a slope after the warm-up.
    """
    kept = stamps[int(len(stamps) * WARM_UP) :]
    if len(kept) < 2 or kept[-1][1] <= kept[0][1]:
        raise ValueError(f"{len(stamps)} iterations are too few to measure a rate")
    return (kept[-1][0] - kept[0][0]) / (kept[-1][1] - kept[0][1])


def table(results: Mapping[str, Sequence[Measurement]], peers: Iterable[str]) -> list[Row]:
    """One row per contender.

    Args:
        results: the measurements of every contender, by its name.
        peers: names of the contenders among which the best median is the ratios' denominator.
    """
    medians = {name: statistics.median(m.rate for m in runs) for name, runs in results.items()}
    denominator = max((medians[name] for name in peers if name in medians), default=None)
    rows = []
    for name, runs in results.items():
        rates = [run.rate for run in runs]
        final = statistics.median(run.final_return for run in runs)
        rows.append(
            Row(
                name=name,
                rates=rates,
                median=medians[name],
                least=min(rates),
                most=max(rates),
                ratio=None if denominator is None else medians[name] / denominator,
                final_return=final,
                learned=final >= LEARNED_RETURN,
            )
        )
    return rows


def import_times(text: str, count: int) -> list[tuple[str, float]]:
    """The costliest top-level packages of a ``python -X importtime`` listing, in seconds.

    Args:
        text: what the interpreter wrote to stderr; other lines are skipped.
        count: how many packages to keep.
    """
    totals: dict[str, float] = {}
    for line in text.splitlines():
        fields = line.removeprefix("import time:").split("|")
        if not line.startswith("import time:") or not fields[0].strip().isdigit():
            continue
        package = fields[2].strip().split(".")[0]
        totals[package] = totals.get(package, 0.0) + int(fields[0]) / 1e6
    return sorted(totals.items(), key=lambda item: -item[1])[:count]
