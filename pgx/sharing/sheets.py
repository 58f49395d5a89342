"""An analysis as rows of plain values: one per arm and environment, for tables made elsewhere."""

from __future__ import annotations

import math
from typing import Any

from pgx.analysis.model import Analysis
from pgx.stats.bootstrap import Interval
from pgx.stats.comparison import Comparison, Summary

FIGURES = ("iqm", "mean", "median")

#: of a row; low and high are the ends of 95% intervals
COLUMNS = (
    *("environment", "arm", "label", "runs", "diverged"),
    *(f"{figure}{end}" for figure in FIGURES for end in ("", "_low", "_high")),
    *("against", "pairs", "difference", "difference_low", "difference_high"),
    *("improvement", "improvement_low", "improvement_high"),
    *("p_holm", "verdict", "reason", "runs_needed"),
)


def rows(analysis: Analysis) -> list[dict[str, Any]]:
    """A row per environment and arm, on the primary metric, in the study's order.

    Returns:
        `COLUMNS` to value; None for what there is not: the reference has no comparison.
    """
    compared = {(c.environment, c.arm): c for c in analysis.primary.comparisons}
    found = []
    for summary in analysis.primary.summaries:
        comparison = compared.get((summary.environment, summary.arm))
        row = {**_figures(analysis, summary), **(_held(comparison) if comparison else {})}
        found.append({name: row.get(name) for name in COLUMNS})
    return found


def _figures(analysis: Analysis, summary: Summary) -> dict[str, Any]:
    row: dict[str, Any] = {
        "environment": summary.environment,
        "arm": summary.arm,
        "label": analysis.study.label(summary.arm),
        "runs": len(summary.settled.scores),
        "diverged": len(summary.settled.diverged),
    }
    for figure in FIGURES:
        row |= _interval(figure, summary.figures[figure])
    return row


def _held(comparison: Comparison) -> dict[str, Any]:
    verdict = comparison.verdict
    return {
        "against": comparison.against,
        "pairs": verdict.pairs,
        **_interval("difference", comparison.difference),
        **_interval("improvement", comparison.improvement),
        "p_holm": known(verdict.p_adjusted),
        "verdict": str(verdict),
        "reason": verdict.reason,
        "runs_needed": verdict.needed,
    }


def _interval(name: str, interval: Interval) -> dict[str, float | None]:
    ends = (("", interval.estimate), ("_low", interval.low), ("_high", interval.high))
    return {f"{name}{end}": known(value) for end, value in ends}


def known(value: float) -> float | None:
    """The number, or None for NaN, which JSON has no word for."""
    return None if math.isnan(value) else float(value)
