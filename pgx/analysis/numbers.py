"""An analysis as plain values: what ``pgx compare --json`` prints and ``pgx verify`` compares."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from pgx.analysis.model import Analysis, Measure, Profile
from pgx.stats.aggregates import Array
from pgx.stats.bootstrap import Interval
from pgx.stats.comparison import Comparison, Settled, Summary
from pgx.stats.curves import Curves


def numbers(analysis: Analysis) -> dict[str, Any]:
    """Every number of an analysis, as JSON can hold it; but for the curves of single runs.

    Floats are as they are, NaN and infinity are None, seeds as keys are text. In the order of the
    study::

        study, against, metric, seed, resamples
        environments: environment →
            decisions: the grid's end, over which all runs are compared
            counts: arm → status → seeds
            metrics: metric → {primary,
                summaries: arm → {iqm, mean, median: INTERVAL, scores: seed → score,
                                  diverged, missing: seeds, floor},
                comparisons: arm → {difference, improvement: INTERVAL, pairs, unpaired: seeds,
                                    and of the primary metric verdict, reason, p, p_adjusted,
                                    needed}}
            curves: arm → {grid, iqm, low, high, runs: per point}
            profiles: arm → {thresholds, share, low, high, runs}
        aggregates: arm → {iqm, mean, median: INTERVAL}
        changed, notes: lines

        INTERVAL: {estimate, low, high, runs, level, method}

    Args:
        analysis: of `pgx.analysis.analyse.analyse`.
    """
    measures = (analysis.primary, *analysis.secondary)
    return {
        "study": analysis.study.name,
        "against": analysis.against,
        "metric": analysis.primary.metric,
        "seed": analysis.seed,
        "resamples": analysis.resamples,
        "environments": {
            place: {
                "decisions": _end(analysis.curves[place].values()),
                "counts": {
                    arm: {status: list(seeds) for status, seeds in here.items()}
                    for arm, here in analysis.counts[place].items()
                },
                "metrics": {
                    one.metric: _metric(one, place, one is analysis.primary) for one in measures
                },
                "curves": {
                    arm: _band(curves, analysis.bands[place][arm])
                    for arm, curves in analysis.curves[place].items()
                },
                "profiles": {a: _profile(p) for a, p in analysis.profiles[place].items()},
            }
            for place in analysis.study.places
        },
        "aggregates": {arm: _figures(found) for arm, found in analysis.aggregates.items()},
        "changed": list(analysis.changed),
        "notes": list(analysis.notes),
    }


def _end(curves: Iterable[Curves]) -> float | None:
    return next((plain(one.grid[-1]) for one in curves), None)


def _metric(measure: Measure, place: str, primary: bool) -> dict[str, Any]:
    return {
        "primary": primary,
        "summaries": {
            one.arm: _summary(one) for one in measure.summaries if one.environment == place
        },
        "comparisons": {
            one.arm: _comparison(one, primary)
            for one in measure.comparisons
            if one.environment == place
        },
    }


def _summary(summary: Summary) -> dict[str, Any]:
    return {**_figures(summary.figures), **_settled(summary.settled)}


def _figures(figures: Mapping[str, Interval]) -> dict[str, Any]:
    return {name: _interval(interval) for name, interval in figures.items()}


def _settled(settled: Settled) -> dict[str, Any]:
    return {
        "scores": {str(seed): plain(score) for seed, score in settled.scores.items()},
        "diverged": list(settled.diverged),
        "missing": list(settled.missing),
        "floor": plain(settled.floor),
    }


def _comparison(comparison: Comparison, primary: bool) -> dict[str, Any]:
    verdict = comparison.verdict
    found = {
        "difference": _interval(comparison.difference),
        "improvement": _interval(comparison.improvement),
        "pairs": verdict.pairs,
        "unpaired": list(comparison.unpaired),
    }
    if not primary:
        return found
    return found | {
        "verdict": verdict.word,
        "reason": verdict.reason,
        "p": plain(verdict.p),
        "p_adjusted": plain(verdict.p_adjusted),
        "needed": verdict.needed,
    }


def _interval(interval: Interval) -> dict[str, Any]:
    return {
        "estimate": plain(interval.estimate),
        "low": plain(interval.low),
        "high": plain(interval.high),
        "runs": interval.runs,
        "level": interval.level,
        "method": interval.method,
    }


def _band(curves: Curves, band: Array) -> dict[str, Any]:
    iqm, low, high = map(_floats, band)
    runs = [int(count) for count in curves.runs]
    return {"grid": _floats(curves.grid), "iqm": iqm, "low": low, "high": high, "runs": runs}


def _profile(profile: Profile) -> dict[str, Any]:
    return {
        "thresholds": _floats(profile.thresholds),
        "share": _floats(profile.share),
        "low": _floats(profile.low),
        "high": _floats(profile.high),
        "runs": profile.runs,
    }


def _floats(values: Array) -> list[float | None]:
    return [plain(value) for value in values]


def plain(value: float) -> float | None:
    """A float of Python's own; None if it is not finite."""
    number = float(value)
    return number if math.isfinite(number) else None
