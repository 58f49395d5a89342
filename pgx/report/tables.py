"""The tables of a report, for people as cells and for programs as records."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pgx.analysis.model import Analysis, Measure
from pgx.analysis.words import chance, needed, precision
from pgx.report.data import UNTOLD, by_arm
from pgx.report.spelling import bounds, comma, latex, number
from pgx.stats.bootstrap import Interval
from pgx.stats.comparison import Comparison, Summary
from pgx.stats.verdicts import shown
from pgx.study import METRICS
from pgx.tables import NOTHING, seed_span

STATUSES = ("finished", "diverged", "failed", "interrupted", "running", "missing")
COUNTED = ("finished", "diverged")  #: statuses of runs that are in the figures
FIGURES = {"iqm": "IQM", "mean": "mean", "median": "median"}

Record = dict[str, Any]


@dataclass(frozen=True)
class Cell:
    """What a cell says, and what it adds in smaller type."""

    main: str
    small: str = ""


@dataclass(frozen=True)
class Table:
    """A table for people.

    Args:
        slug: names it, and its file.
        caption: what it holds.
        head: of each column.
        rows: cells; the first of each names its row.
        marked: which rows to set off: the reference's.
    """

    slug: str
    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    marked: tuple[int, ...] = ()


def tables(analysis: Analysis) -> list[Table]:
    """The tables of numbers: figures and comparisons per environment, then over all."""
    made = []
    for environment in analysis.study.places:
        made.append(figure_table(analysis, environment))
        if by_arm(analysis.primary, environment, "comparisons"):
            made.append(comparison_table(analysis, environment))
    return [*made, *([aggregate_table(analysis)] if analysis.aggregates else [])]


def figure_table(analysis: Analysis, environment: str) -> Table:
    """Every arm's runs: the primary metric as IQM, mean and median, the others as IQM."""
    measures = (analysis.primary, *analysis.secondary)
    found = [by_arm(measure, environment) for measure in measures]
    digits = [_digits(_figures(summaries.values())) for summaries in found]
    metric = analysis.primary.metric
    head = ["arm", "runs", *(f"{metric}, {name}" for name in FIGURES.values())]
    head += [f"{measure.metric}, IQM" for measure in analysis.secondary]
    rows, marked = [], []
    for place, arm in enumerate(order(analysis, environment)):
        summaries = [here[arm] for here in found]
        wanted = [(0, name) for name in FIGURES] + [(i, "iqm") for i in range(1, len(found))]
        cells = [_figure(summaries[i], name, digits[i]) for i, name in wanted]
        rows.append((_arm(analysis, arm), _runs(analysis, environment, arm), *cells))
        if arm == analysis.against:
            marked.append(place)
    caption = f"{environment}: {METRICS[metric]}"
    return Table(f"figures-{environment}", caption, tuple(head), tuple(rows), tuple(marked))


def comparison_table(analysis: Analysis, environment: str) -> Table:
    """Every other arm held against the reference: difference, chance, p, verdict, runs needed."""
    found = by_arm(analysis.primary, environment, "comparisons")
    digits = _digits(one.difference for one in found.values())
    head = (
        "arm",
        "pairs",
        "difference",
        "P(improvement)",
        "p after Holm",
        "verdict",
        "runs needed",
    )
    rows = [
        (
            _arm(analysis, arm),
            Cell(str(found[arm].verdict.pairs), _unpaired(found[arm])),
            _interval(found[arm].difference, digits, signed=True),
            _improvement(found[arm].improvement),
            _chance(found[arm]),
            _verdict(found[arm]),
            Cell(needed(found[arm])),
        )
        for arm in order(analysis, environment)
        if arm in found
    ]
    against = analysis.study.label(analysis.against)
    caption = f"{environment}: difference in {METRICS[analysis.primary.metric]} to {against}"
    return Table(f"comparisons-{environment}", caption, head, tuple(rows))


def aggregate_table(analysis: Analysis) -> Table:
    """Figures over all environments, each brought to its own scale of 0 to 1."""
    head = ("arm", "IQM", "mean", "median of means")
    rows = [
        (_arm(analysis, arm), *(_interval(found[name], 3) for name in FIGURES))
        for arm, found in analysis.aggregates.items()
    ]
    caption = f"All environments, normalised: {METRICS[analysis.primary.metric]}"
    return Table("aggregates", caption, head, tuple(rows))


def order(analysis: Analysis, environment: str) -> list[str]:
    """The arms that the study wants here, as it shows them; the reference keeps its place."""
    known = by_arm(analysis.primary, environment)
    return [arm for arm in analysis.study.trained if arm in known]


def _figures(summaries: Iterable[Summary]) -> list[Interval]:
    return [interval for summary in summaries for interval in summary.figures.values()]


def _digits(intervals: Iterable[Interval]) -> int:
    """Decimals for figures beside each other, as `pgx compare` has them."""
    return precision(end for one in intervals for end in (one.estimate, one.low, one.high))


def _arm(analysis: Analysis, arm: str) -> Cell:
    label = analysis.study.label(arm)
    words = [arm] if label != arm else []
    words += ["reference"] if arm == analysis.against else []
    return Cell(label, ", ".join(words))


def _runs(analysis: Analysis, environment: str, arm: str) -> Cell:
    """How many runs are in the figures, and what became of the others."""
    counts = analysis.counts.get(environment, {}).get(arm, {})
    counted = sum(len(counts.get(status, ())) for status in COUNTED)
    summary = by_arm(analysis.primary, environment)[arm]
    scored = summary.figures["iqm"].runs
    others = [f"{len(counts[status])} {status}" for status in STATUSES[1:] if counts.get(status)]
    if summary.settled.lost and others:
        others[0] = "all diverged"
    others += [f"{counted - scored} without a score"] if counted != scored else []
    return Cell(str(scored), ", ".join(others))


def _figure(summary: Summary, name: str, digits: int) -> Cell:
    return _interval(summary.figures[name], digits)


def _interval(interval: Interval, digits: int, signed: bool = False) -> Cell:
    """A figure; below it its interval and its n."""
    ends = bounds(interval, digits, signed)
    small = f"{ends}, n = {interval.runs}" if ends else f"n = {interval.runs}"
    return Cell(number(interval.estimate, digits, signed), small)


def _improvement(interval: Interval) -> Cell:
    """A chance; below it its interval and its n."""
    figure, _, ends = chance(interval).partition(" ")
    return Cell(figure, f"{ends}, n = {interval.runs}" if ends else f"n = {interval.runs}")


def _chance(comparison: Comparison) -> Cell:
    verdict = comparison.verdict
    if not verdict.pairs:
        return Cell(NOTHING)
    return Cell(shown(verdict.p_adjusted), f"{shown(verdict.p)} alone")


def _verdict(comparison: Comparison) -> Cell:
    verdict = comparison.verdict
    if not verdict.pairs:
        return Cell(UNTOLD, verdict.reason)
    lost = comparison.ours.lost or comparison.theirs.lost
    return Cell(str(verdict), verdict.reason if lost or verdict.word == "undecided" else "")


def _unpaired(comparison: Comparison) -> str:
    return f"without seed {seed_span(comparison.unpaired)}" if comparison.unpaired else ""


def records(analysis: Analysis) -> dict[str, list[Record]]:
    """The tables for programs, unrounded: file name without suffix to its rows."""
    measures = (analysis.primary, *analysis.secondary)
    figures = [
        {**_names(analysis, one.arm, one.environment, measure), **_flat(one.figures)}
        for measure in measures
        for one in measure.summaries
    ]
    comparisons = [_compared(analysis, one, m) for m in measures for one in m.comparisons]
    runs = [
        {
            "environment": environment,
            "arm": arm,
            **{status: len(counts.get(status, ())) for status in STATUSES},
        }
        for environment, arms_here in analysis.counts.items()
        for arm, counts in arms_here.items()
    ]
    over = [{"arm": arm, **_flat(found)} for arm, found in analysis.aggregates.items()]
    made = {"figures": figures, "comparisons": comparisons, "runs": runs, "aggregates": over}
    return {name: rows for name, rows in made.items() if rows}


def _names(analysis: Analysis, arm: str, environment: str, measure: Measure) -> Record:
    label = analysis.study.label(arm)
    return {"environment": environment, "arm": arm, "label": label, "metric": measure.metric}


def _flat(figures: Mapping[str, Interval]) -> Record:
    made: Record = {}
    for name, one in figures.items():
        made |= {name: one.estimate, f"{name}_low": one.low, f"{name}_high": one.high}
        made["runs"] = one.runs
    return made


def _compared(analysis: Analysis, one: Comparison, measure: Measure) -> Record:
    primary, verdict = measure is analysis.primary, one.verdict
    pair = {"difference": one.difference, "improvement": one.improvement}
    flat = {key: value for key, value in _flat(pair).items() if key != "runs"}
    made = {**_names(analysis, one.arm, one.environment, measure), "against": one.against}
    judged = {
        "p": verdict.p if primary else None,
        "p_adjusted": verdict.p_adjusted if primary else None,
        "verdict": verdict.word if primary else None,
        "reason": verdict.reason if primary else None,
        "runs_needed": verdict.needed if primary else None,
    }
    return {**made, "pairs": verdict.pairs, **flat, **judged}


def as_csv(rows: Sequence[Record]) -> str:
    """Records as CSV with a head; numbers unrounded, nothing for none."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(rows[0])
    writer.writerows([comma(value) for value in row.values()] for row in rows)
    return file.getvalue()


def as_latex(table: Table) -> str:
    """A ``tabular`` for the package booktabs; what a cell adds follows it in smaller type."""
    rows = [" & ".join(map(_latex_cell, row)) + r" \\" for row in table.rows]
    lines = [
        f"% {latex(table.caption)}; needs \\usepackage{{booktabs}}",
        rf"\begin{{tabular}}{{l{'r' * (len(table.head) - 1)}}}",
        r"\toprule",
        " & ".join(map(latex, table.head)) + r" \\",
        r"\midrule",
        *rows,
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


def _latex_cell(cell: Cell) -> str:
    """A cell; a bracket or a star at its start would be an option of the line above."""
    main = latex(cell.main)
    if main[:1] in ("[", "*"):
        main = f"{{}}{main}"
    return rf"{main} {{\scriptsize {latex(cell.small)}}}" if cell.small else main
