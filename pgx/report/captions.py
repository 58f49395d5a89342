"""What each figure shows, in words: no interval without its name and its n."""

from __future__ import annotations

from collections.abc import Sequence

from pgx.analysis.model import Analysis
from pgx.study import METRICS


def caption(analysis: Analysis, name: str) -> str:
    """What lines, bands and marks are, with the interval's name and its n.

    Args:
        analysis: that is shown.
        name: of the figure, ``curves``, ``differences`` or ``profiles``, or of one of its charts:
            then n is that of its environment alone.
    """
    kind, _, place = name.partition("-")
    summaries = [one for one in analysis.primary.summaries if place in ("", one.environment)]
    compared = [one for one in analysis.primary.comparisons if place in ("", one.environment)]
    resamples, metric = f"{analysis.resamples:,} resamples", METRICS[analysis.primary.metric]
    runs = f"n\u00a0=\u00a0{span([one.figures['iqm'].runs for one in summaries])}"
    name = "stratified percentile bootstrap"
    lost = any(one.settled.lost for one in summaries)
    gone = "; where all runs of an arm have, there is no band" if lost else ""
    if kind == "curves":
        return (
            f"Line: interquartile mean of an arm's runs ({runs}). Band: pointwise 95% "
            f"{name} interval, {resamples}. Each run's curve is the mean of its last "
            f"{analysis.study.last} training episodes. A diverged run counts as the worst from its "
            f"end on{gone}."
        )
    if kind == "profiles":
        return (
            f"Share of an arm's runs ({runs}) whose {metric} is above τ. Band: pointwise "
            f"95% {name} interval, {resamples}. A line further to the right is better."
        )
    pairs = f"n\u00a0=\u00a0{span([one.verdict.pairs for one in compared])} pairs"
    return (
        f"Mean over seeds of the paired difference in {metric} ({pairs}), with its 95% "
        f"{name} interval, {resamples}. Right of the dashed line is better than "
        f"{analysis.study.label(analysis.against)}. Filled: decided by the Holm-adjusted sign-flip "
        "test at 5%; hollow: undecided, wherever the interval lies."
    )


def span(counts: Sequence[int]) -> str:
    """``20``, or ``18 to 20`` where they differ; arms without any are not shown."""
    known = [count for count in counts if count] or [0]
    least, most = min(known), max(known)
    return str(least) if least == most else f"{least} to {most}"
