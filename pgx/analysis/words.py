"""An analysis in words: the verdict in one sentence, and everything that stands behind it.

Arms are called by their labels, which anyone may have written: whoever shows these lines escapes
them. Numbers are spelt here as tables spell them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from pgx.analysis.model import Analysis
from pgx.stats.bootstrap import Interval
from pgx.stats.comparison import Comparison
from pgx.stats.verdicts import shown
from pgx.study import METRICS
from pgx.tables import NOTHING

FEW = 3  #: comparisons that the headline tells one by one, and arms it names of a kind

STATUSES = ("finished", "diverged", "running", "interrupted", "failed", "missing")


def headline(analysis: Analysis) -> str:
    """The verdict in one sentence: every comparison if there are few, else how many went which way.

    Args:
        analysis: of `pgx.analysis.analyse.analyse`.
    """
    found = analysis.primary.comparisons
    if not any(summary.settled.scores for summary in analysis.primary.summaries):
        return f"No run of {analysis.study.name} has a score: nothing can be said yet."
    if not found:
        return f"{label(analysis, analysis.against)} is the only arm: there is nothing to compare."
    clauses = []
    for place in analysis.study.places:
        here = [one for one in found if one.environment == place]
        if here:
            told = _each(analysis, here) if len(found) <= FEW else _counted(analysis, here)
            clauses.append(f"on {place}, {told}")
    return _sentence("; ".join(clauses))


def sentences(analysis: Analysis) -> list[str]:
    """One sentence per comparison, then the figures over all environments, then the runs' state.

    Args:
        analysis: of `pgx.analysis.analyse.analyse`.
    """
    told = [
        _sentence(f"on {one.environment}, {_clause(analysis, one, True)}")
        for one in analysis.primary.comparisons
    ]
    if analysis.aggregates:
        metric, count = analysis.primary.metric, len(analysis.study.places)
        figures = "; ".join(
            f"{label(analysis, arm)} {spelt(found['iqm'])}"
            for arm, found in analysis.aggregates.items()
        )
        told.append(f"Over all {count} environments, IQM of the normalised {metric}: {figures}.")
    return [*told, completeness(analysis)]


def method(analysis: Analysis) -> list[str]:
    """How every figure was computed, a line each: nothing is without its name and n."""
    study, primary = analysis.study, analysis.primary.metric
    places = ", ".join(
        f"{place}: {curves.grid[-1]:,.0f}"
        for place, arms in analysis.curves.items()
        for curves in list(arms.values())[:1]
    )
    known = [s.figures["iqm"] for s in analysis.primary.summaries if s.figures["iqm"].runs]
    name = known[0].method if known else Interval(0, 0, 0, 0).method
    others = ", ".join(one.metric for one in analysis.secondary)
    return [
        f"primary metric: {primary}, {METRICS[primary]}; each point of a curve and the final "
        f"return are means of the last {study.last} training episodes",
        f"[…] are 95% intervals: {name}, {analysis.resamples:,} resamples of the runs, seed "
        f"{analysis.seed}; IQM: mean of the middle half of the runs",
        "difference and p are of runs paired by seed; P(improvement): chance that a run scores "
        f"more than one of {label(analysis, analysis.against)}",
        f"verdicts: two-sided sign-flip permutation test on {primary} at 5%, {_holm(analysis)}; "
        f"{others}: no verdict",
        "the 5% holds for a number of seeds that was fixed beforehand; adding seeds until a "
        "verdict appears is wrong more often",
        f"a diverged run counts as {_floors(analysis)}the least of all scores there, of the "
        "environment's low if one is given, and of what each diverged run had over its last "
        f"{study.last} episodes",
        f"decisions over which runs are compared, of each run: {places}",
    ]


def family(analysis: Analysis) -> list[Comparison]:
    """The comparisons that Holm counts: all, where the reference itself is wanted."""
    return [
        one
        for one in analysis.primary.comparisons
        if analysis.against in analysis.curves[one.environment]
    ]


def _holm(analysis: Analysis) -> str:
    """``Holm over 7 comparisons, 2 of them without a pair and counted as p = 1``."""
    many = family(analysis)
    lost = sum(not one.verdict.pairs for one in many)
    if lost == len(many):
        return "none to test"
    said = f"Holm over {len(many)} comparison{'s' * (len(many) != 1)}"
    return f"{said}, {lost} of them without a pair and counted as p = 1" if lost else said


def _floors(analysis: Analysis) -> str:
    """``22.0 on cartpole-v1: ``, of environments where runs diverged."""
    found = {
        one.environment: one.settled.floor
        for one in analysis.primary.summaries
        if one.settled.diverged and one.settled.scores
    }
    told = [f"{fixed(floor, precision([floor]))} on {place}" for place, floor in found.items()]
    return f"{', '.join(told)}: " if told else ""


def completeness(analysis: Analysis) -> str:
    """How many runs there are of those asked for, and what became of the others."""
    totals = dict.fromkeys(STATUSES, 0)
    for arms in analysis.counts.values():
        for here in arms.values():
            for status, seeds in here.items():
                totals[status] += len(seeds)
    every = sum(totals.values())
    if totals["finished"] == every:
        return f"All {every} runs finished." if every != 1 else "The one run finished."
    words = [f"{totals['finished']} finished"]
    if lost := totals["diverged"]:
        verb = "counts" if lost == 1 else "count"
        words.append(f"{lost} diverged and {verb} as the worst score")
    words += [f"{totals[s]} {_is(totals[s])} {s}" for s in STATUSES[2:4] if totals[s]]
    words += [f"{totals['failed']} failed"] if totals["failed"] else []
    words += [f"{totals['missing']} {_is(totals['missing'])} missing"] if totals["missing"] else []
    open_ = any(totals[status] for status in ("running", "interrupted", "missing"))
    hold = ": verdicts may change when they are in" if open_ else ""
    return f"Of {every} run{'s' * (every != 1)} asked for, {_listed(words)}{hold}."


def label(analysis: Analysis, arm: str) -> str:
    """How an arm is written for people, on one line."""
    return " ".join(analysis.study.label(arm).split()) or arm


def precision(values: Iterable[float]) -> int:
    """Decimals with which numbers beside each other are written, by the largest of them."""
    largest = max((abs(value) for value in values if math.isfinite(value)), default=0.0)
    if largest >= 10_000:
        return 0
    if largest >= 10 or largest == 0:
        return 1
    return 2 if largest >= 1 else min(2 - math.floor(math.log10(largest)), 6)


def spelt(interval: Interval, decimals: int | None = None, signed: bool = False) -> str:
    """``57.3 [41.2, 73.1]``; without the ends where there are none, and a dash for no figure.

    Args:
        interval: a figure.
        decimals: None: by `precision` of the figure and its ends.
        signed: whether the figure gets a plus.
    """
    values = (interval.estimate, interval.low, interval.high)
    if math.isnan(values[0]):
        return NOTHING
    digits = precision(values) if decimals is None else decimals
    figure = fixed(values[0], digits, signed)
    low, high = (fixed(end, digits) for end in values[1:])
    return figure if math.isnan(interval.low) else f"{figure} [{low}, {high}]"


def fixed(value: float, decimals: int, signed: bool = False) -> str:
    """A number with so many decimals, a comma at thousands, no minus before a rounded 0."""
    if not math.isfinite(value):
        return NOTHING
    value = round(value, decimals) + 0.0
    return f"{value:+,.{decimals}f}" if signed else f"{value:,.{decimals}f}"


def chance(interval: Interval) -> str:
    """A probability with its interval: ``.97 [.93, .99]``."""
    if math.isnan(interval.estimate):
        return NOTHING
    values = (interval.estimate, interval.low, interval.high)
    figure, low, high = (f"{value:.2f}".removeprefix("0") for value in values)
    return figure if math.isnan(interval.low) else f"{figure} [{low}, {high}]"


def needed(comparison: Comparison) -> str:
    """The runs that would decide: ``60``, or ``>20`` where the guess is below what there is."""
    verdict = comparison.verdict
    if verdict.word != "undecided" or not verdict.pairs:
        return NOTHING
    if verdict.needed is None:
        return NOTHING
    return f"{verdict.needed:,}" if verdict.needed > verdict.pairs else f">{verdict.pairs}"


def _each(analysis: Analysis, comparisons: Sequence[Comparison]) -> str:
    return "; ".join(_clause(analysis, one, n == 0) for n, one in enumerate(comparisons))


def _clause(analysis: Analysis, one: Comparison, named: bool) -> str:
    """``b is better than a (area +57.3 [41.2, 73.1], n = 20 pairs, p < .0001 after Holm)``."""
    arm, other, verdict = label(analysis, one.arm), label(analysis, one.against), one.verdict
    if not verdict.pairs:
        with_ = f" with {other}" if named else ""
        return f"{arm} cannot be compared{with_}: {verdict.reason}"
    pairs = f"n = {verdict.pairs} pair{'s' * (verdict.pairs != 1)}"
    p = shown(verdict.p_adjusted)
    p = f"p {p[0]} {p[1:]}" if p.startswith("<") else f"p = {p}"
    facts = [f"{analysis.primary.metric} {spelt(one.difference, signed=True)}", pairs]
    facts.append(p + (" after Holm" if len(family(analysis)) > 1 else ""))
    if lost := _lost(one, other):
        facts.append(lost)
    if verdict.word != "undecided":
        than = f"{verdict.word} than {other}" if named else verdict.word
        return f"{arm} is {than} ({', '.join(facts)})"
    against = f" against {other}" if named else ""
    runs = f"{verdict.pairs} run{'s' * (verdict.pairs != 1)}"
    outlook = _outlook(one)
    return f"{arm}{against} is undecided at {runs} ({', '.join(facts)}{outlook})"


def _lost(one: Comparison, against: str) -> str:
    """Whose runs have all diverged, so that no interval is shown; nothing if no one's have."""
    if one.ours.lost and one.theirs.lost:
        return "all runs of both diverged"
    if one.ours.lost:
        return "all its runs diverged"
    return f"all runs of {against} diverged" if one.theirs.lost else ""


def _outlook(one: Comparison) -> str:
    """What would decide, as far as it can be said."""
    verdict = one.verdict
    if verdict.needed is None:
        return f"; {verdict.reason}"
    if verdict.needed > verdict.pairs:
        return f"; about {verdict.needed:,} would decide"
    return f"; it takes more than {verdict.pairs}"


def _counted(analysis: Analysis, here: Sequence[Comparison]) -> str:
    """``of 7 arms held against a 3 are better (b, c, d) and 4 undecided at 20 runs (…)``."""
    words = []
    for word in ("better", "worse"):
        found = [one for one in here if one.verdict.word == word]
        found.sort(key=lambda one: -abs(one.difference.estimate))
        if found:
            words.append(f"{len(found)} {_is(len(found))} {word} ({_names(analysis, found)})")
    open_ = [one for one in here if one.verdict.word == "undecided"]
    tested = [one for one in open_ if one.verdict.pairs]
    if tested:
        pairs = sorted({one.verdict.pairs for one in tested})
        runs = f"{pairs[0]}" if len(pairs) == 1 else f"{pairs[0]} to {pairs[-1]}"
        runs += f" run{'s' * (pairs[-1] != 1)}"
        names = _names(analysis, tested)
        words.append(f"{len(tested)} {_is(len(tested))} undecided at {runs} ({names})")
    if lost := [one for one in open_ if not one.verdict.pairs]:
        words.append(f"{len(lost)} cannot be compared ({_names(analysis, lost)})")
    count = f"{len(here)} arm{'s' * (len(here) != 1)}"
    return f"of {count} held against {label(analysis, analysis.against)}, {_listed(words)}"


def _names(analysis: Analysis, comparisons: Sequence[Comparison]) -> str:
    names = [label(analysis, one.arm) for one in comparisons]
    more = len(names) - FEW
    shown_names = names if more <= 1 else [*names[:FEW], f"{more} more"]
    return ", ".join(shown_names)


def _listed(words: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def _is(count: int) -> str:
    return "is" if count == 1 else "are"


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."
