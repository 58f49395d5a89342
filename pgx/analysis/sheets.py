"""An analysis as tables: for people cell by cell, for programs as records."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pgx.analysis.model import Analysis, Measure
from pgx.analysis.numbers import plain
from pgx.analysis.words import STATUSES, chance, fixed, label, needed, precision, spelt
from pgx.sheets import Sheet
from pgx.stats.bootstrap import Interval
from pgx.stats.comparison import Comparison, Summary
from pgx.stats.verdicts import shown
from pgx.tables import NOTHING

COUNTED = 2  #: of `STATUSES`, those whose runs are in the figures


def chosen(analysis: Analysis, metric: str | None) -> Measure:
    """The measure of a metric; None: the primary one."""
    measures = (analysis.primary, *analysis.secondary)
    return next(one for one in measures if metric in (None, one.metric))


def sheets(analysis: Analysis, place: str, metric: str | None = None) -> list[Sheet]:
    """An environment's tables: what the arms' runs are like, and the others against the reference.

    Args:
        analysis: of `pgx.analysis.analyse.analyse`.
        place: environment.
        metric: that the tables are about; None: the primary one. Another has no verdicts.
    """
    measure = chosen(analysis, metric)
    if not _of(measure, place):
        return []  # every arm is excluded here
    made = [figure_sheet(analysis, measure, place)]
    compared = [one for one in measure.comparisons if one.environment == place]
    return [*made, comparison_sheet(analysis, measure, compared)] if compared else made


def figure_sheet(analysis: Analysis, measure: Measure, place: str) -> Sheet:
    """A row per arm: n, IQM with its interval, mean and median; IQM of the other metrics."""
    rest = [one for one in (analysis.primary, *analysis.secondary) if one is not measure]
    columns = [_of(measure, place)] + [_of(one, place) for one in rest]
    decimals = [_decimals(s.figures.values() for s in column) for column in columns]
    rows = []
    for here in zip(*columns, strict=True):
        one, first = here[0], decimals[0]
        row = [label(analysis, one.arm), _runs(analysis, one)]
        row += [spelt(one.figures["iqm"], first)]
        row += [fixed(one.figures[name].estimate, first) for name in ("mean", "median")]
        row += [spelt(s.figures["iqm"], d) for s, d in zip(here[1:], decimals[1:], strict=True)]
        rows.append(tuple(row))
    head = ("arm", "n", f"{measure.metric}: IQM [95%]", "mean", "median")
    head += tuple(f"{one.metric}: IQM [95%]" for one in rest)
    end = max((c.grid[-1] for c in analysis.curves[place].values()), default=0.0)
    return Sheet(f"{place}, over {end:,.0f} decisions of each run", head, tuple(rows), ())


def comparison_sheet(analysis: Analysis, measure: Measure, compared: Sequence[Comparison]) -> Sheet:
    """A row per arm but the reference: difference, chance, and for the primary metric a verdict."""
    judged = measure is analysis.primary
    decimals = _decimals([one.difference] for one in compared)
    rows = []
    for one in compared:
        row = [label(analysis, one.arm), str(one.verdict.pairs)]
        row += [spelt(one.difference, decimals, signed=True), chance(one.improvement)]
        if judged:
            p = shown(one.verdict.p_adjusted) if one.verdict.pairs else NOTHING
            row += [p, one.verdict.word, needed(one)]
        rows.append(tuple(row))
    head = ("arm", "pairs", f"{measure.metric}: difference [95%]", "P(improvement) [95%]")
    head += ("p (Holm)", "verdict", "runs needed") if judged else ()
    against, place = label(analysis, analysis.against), compared[0].environment
    notes = _reasons(analysis, compared) if judged else ()
    return Sheet(f"{place}, held against {against}", head, tuple(rows), notes)


def _reasons(analysis: Analysis, compared: Sequence[Comparison]) -> tuple[str, ...]:
    """Why verdicts are open for another reason than a large p, and where all runs diverged.

    Arms with the same reason are told together.
    """
    groups: dict[str, list[str]] = {}
    for one in compared:
        lost = one.ours.lost or one.theirs.lost
        if lost or (one.verdict.word == "undecided" and not one.verdict.reason.startswith("p ")):
            groups.setdefault(one.verdict.reason, []).append(label(analysis, one.arm))
    return tuple(f"{', '.join(arms)}: {reason}" for reason, arms in groups.items())


def aggregate_sheet(analysis: Analysis) -> Sheet | None:
    """Figures over all environments, normalised; None where there are none."""
    if not analysis.aggregates:
        return None
    figures = ("iqm", "mean", "median")
    rows = tuple(
        (
            label(analysis, arm),
            str(found["iqm"].runs),
            *(spelt(found[name], 3) for name in figures),
        )
        for arm, found in analysis.aggregates.items()
    )
    metric, count = analysis.primary.metric, len(analysis.study.places)
    head = ("arm", "n", f"{metric}: IQM [95%]", "mean [95%]", "median of means [95%]")
    return Sheet(f"all {count} environments, normalised", head, rows, ())


def records(analysis: Analysis, places: Iterable[str]) -> list[dict[str, Any]]:
    """A record per environment, arm and metric, unrounded; None for what there is not."""
    wanted, found = set(places), []
    for measure in (analysis.primary, *analysis.secondary):
        compared = {(one.environment, one.arm): one for one in measure.comparisons}
        for one in measure.summaries:
            if one.environment in wanted:
                pair = compared.get((one.environment, one.arm))
                found.append(
                    {
                        "environment": one.environment,
                        "arm": one.arm,
                        "label": label(analysis, one.arm),
                        "metric": measure.metric,
                        "n": len(one.settled.scores),
                        **_statuses(analysis, one),
                        **_flat("iqm", one.figures["iqm"]),
                        **_flat("mean", one.figures["mean"]),
                        **_flat("median", one.figures["median"]),
                        **_compared(analysis, pair, measure is analysis.primary),
                    }
                )
    return found


def _compared(analysis: Analysis, one: Comparison | None, judged: bool) -> dict[str, Any]:
    nothing = Interval(float("nan"), float("nan"), float("nan"), 0)
    found: dict[str, Any] = {
        "against": one and analysis.against,
        "pairs": one and one.verdict.pairs,
        **_flat("difference", one.difference if one else nothing),
        **_flat("improvement", one.improvement if one else nothing),
    }
    verdict = one.verdict if one and judged else None
    return found | {
        "p": verdict and plain(verdict.p),
        "p_holm": verdict and plain(verdict.p_adjusted),
        "verdict": verdict and verdict.word,
        "reason": verdict and verdict.reason,
        "runs_needed": verdict and verdict.needed,
    }


def _flat(name: str, interval: Interval) -> dict[str, float | None]:
    ends = (("", interval.estimate), ("_low", interval.low), ("_high", interval.high))
    return {f"{name}{end}": plain(value) for end, value in ends}


def _statuses(analysis: Analysis, one: Summary) -> dict[str, int]:
    counts = analysis.counts[one.environment][one.arm]
    return {status: len(counts.get(status, ())) for status in STATUSES}


def _of(measure: Measure, place: str) -> list[Summary]:
    return [one for one in measure.summaries if one.environment == place]


def _decimals(intervals: Iterable[Iterable[Interval]]) -> int:
    """Those of a column: all its figures are written alike."""
    every = (one for some in intervals for one in some)
    return precision(value for one in every for value in (one.estimate, one.low, one.high))


def _runs(analysis: Analysis, one: Summary) -> str:
    """``20``, or ``18 (1 diverged, 2 missing)``: of the diverged ones, n counts all."""
    counts = _statuses(analysis, one)
    told = [f"{counts[status]} {status}" for status in STATUSES[1:] if counts[status]]
    if one.settled.lost and told:
        told[0] = "all diverged"
    n = str(len(one.settled.scores))
    return f"{n} ({', '.join(told)})" if told else n
