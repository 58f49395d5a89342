"""From evidence to every number that is said about a study: pure, and the same each time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.random import Generator

from pgx.analysis.aligned import Aligned, align_runs
from pgx.analysis.model import Analysis, Evidence, Measure, Profile
from pgx.analysis.record import changes, counts, remarks
from pgx.errors import ConfigError, check_choice
from pgx.stats.aggregates import Array, Strata, profile
from pgx.stats.bootstrap import RESAMPLES, Interval, band
from pgx.stats.comparison import (
    FIGURES,
    NOWHERE,
    Comparison,
    Summary,
    aggregate,
    column,
    compare,
    endless,
    settle,
    summarise,
)
from pgx.stats.curves import curve_band
from pgx.stats.verdicts import UNTESTED, Verdict
from pgx.study import METRICS, Study

THRESHOLDS = 101  #: of a performance profile
MARGIN = 0.05  #: of the range of scores, on either side of a profile

SECONDARY = "verdicts are about the primary metric"

#: One stream per purpose, so that more of one thing moves no digit of another.
_SUMMARIES, _COMPARISONS, _CURVES, _PROFILES, _AGGREGATES = range(5)


def analyse(
    evidence: Evidence, against: str | None = None, seed: int = 0, resamples: int = RESAMPLES
) -> Analysis:
    """Every number that is said about a study.

    A run counts if it finished or diverged. All are compared over the decisions that every
    finished run of the environment has reached: area and final training return are those of one
    grid. A diverged run has no score and counts as the worst that any run of the environment has,
    or as less, if the environment's low or the last returns of a diverged run are less: in scores
    and, from its end on, in curves. Where all runs of an arm diverged its figures have no interval.
    A run that ended no episode has no score either and nothing it could count as: it is left out,
    and noted.

    The comparisons of the study's metric, over all environments, are one family for Holm, those
    that cannot be tested as well; the other metrics have no verdicts.

    Args:
        evidence: the runs.
        against: arm that the others are held against; None: the study's reference.
        seed: of every generator.
        resamples: behind every interval.

    Raises:
        ConfigError: there is no such arm, or none is named and the study has no reference.
    """
    study = evidence.study
    reference = chosen_reference(study, against)
    aligned = {place: align_runs(evidence, place) for place in study.places}
    measures = {
        metric: _measure(study, metric, aligned, reference, seed, resamples) for metric in METRICS
    }
    aggregates, why = _aggregates(study, aligned, _generator(seed, _AGGREGATES), resamples)
    return Analysis(
        study=study,
        against=reference,
        primary=measures.pop(study.metric),
        secondary=tuple(map(_without_verdicts, measures.values())),
        curves={place: found.curves for place, found in aligned.items()},
        bands={place: _bands(found, seed, resamples) for place, found in aligned.items()},
        profiles={
            place: _profiles(found.scores[study.metric], found.floor, seed, resamples)
            for place, found in aligned.items()
        },
        aggregates=aggregates,
        counts=counts(evidence),
        changed=changes(evidence),
        notes=(*evidence.notes, *remarks(evidence, aligned, reference), *why),
        seed=seed,
        resamples=resamples,
    )


def chosen_reference(study: Study, against: str | None) -> str:
    """The arm that the others are held against; of a duplicate, the one that was trained.

    Raises:
        ConfigError: as `analyse`.
    """
    arms = study.trained
    if not arms:
        raise ConfigError(f"study: {study.name} has no arm; pgx sweep trains some")
    named = against or study.reference or (arms[0] if len(arms) == 1 else "")
    if not named:
        some = ", ".join(arms[:12])
        raise ConfigError(f"--against: study {study.name} has no reference arm; name one of {some}")
    check_choice("--against", named, study.arms)
    return study.duplicates.get(named, named)


def _generator(seed: int, purpose: int) -> Generator:
    return np.random.default_rng([seed, purpose])


def _measure(
    study: Study,
    metric: str,
    aligned: Mapping[str, Aligned],
    against: str,
    seed: int,
    count: int,
) -> Measure:
    """Summaries and comparisons of one metric; an arm without a run is there, without figures."""
    scores = {place: found.scores[metric] for place, found in aligned.items()}
    ran = {place: {a: s for a, s in arms.items() if s} for place, arms in scores.items()}
    floors = {place: found.floor for place, found in aligned.items()}
    made = summarise(ran, _generator(seed, _SUMMARIES), count, floors)
    found = {(s.environment, s.arm): s for s in made}
    summaries = [
        found.get((place, arm)) or _nothing(place, arm, arms)
        for place, arms in scores.items()
        for arm in arms
    ]
    comparisons: list[Comparison] = []
    if any(against in arms and len(arms) > 1 for arms in scores.values()):
        generator = _generator(seed, _COMPARISONS)
        comparisons = compare(scores, against, generator, count=count, floors=floors)
    return Measure(metric, tuple(summaries), tuple(map(_explained, comparisons)))


def _nothing(place: str, arm: str, arms: Mapping[str, Mapping[int, float]]) -> Summary:
    return Summary(arm, place, settle(arms)[arm], dict.fromkeys(FIGURES, NOWHERE))


def _explained(comparison: Comparison) -> Comparison:
    """Say which of the two has no run, where no seed is in both for that reason."""
    ours, verdict = comparison.ours, comparison.verdict
    if verdict.reason == UNTESTED.reason and not ours.scores:
        return replace(comparison, verdict=replace(verdict, reason="no finished run here"))
    return comparison


def _without_verdicts(measure: Measure) -> Measure:
    """The same figures, with nothing that could be taken for a verdict."""
    kept = [
        replace(
            c, verdict=Verdict("undecided", SECONDARY, c.verdict.pairs, math.nan, math.nan, None)
        )
        for c in measure.comparisons
    ]
    return replace(measure, comparisons=tuple(kept))


def _bands(found: Aligned, seed: int, count: int) -> dict[str, Array]:
    """The interquartile mean of every arm's curves with its pointwise interval, ``[3, G]``."""
    bands = {}
    for arm, curves in found.curves.items():
        bands[arm] = curve_band(curves.values, _generator(seed, _CURVES), count)
        if len(curves.reached):  # beyond, all have diverged: nothing that an interval could measure
            bands[arm][1:, curves.grid > curves.reached.max()] = np.nan
    return bands


def _profiles(
    scores: Mapping[str, Mapping[int, float]], floor: float, seed: int, count: int
) -> dict[str, Profile]:
    """Every arm's share of runs above each score, on thresholds that the arms share."""
    settled = {arm: s for arm, s in settle(scores, floor).items() if s.scores}
    if not settled:
        return {}
    every = np.concatenate([column(own.scores) for own in settled.values()])
    low, high = float(every.min()), float(every.max())
    margin = MARGIN * (high - low) or 1.0
    thresholds = np.linspace(low - margin, high + margin, THRESHOLDS)

    def shares(drawn: Strata) -> Array:
        return profile(drawn, thresholds)

    found = {}
    for arm, own in settled.items():
        values = column(own.scores)
        ends = band([values], shares, _generator(seed, _PROFILES), count)
        ends = np.full_like(ends, np.nan) if own.lost else ends
        found[arm] = Profile(thresholds, shares([values]), *ends, len(values))
    return found


def _aggregates(
    study: Study, aligned: Mapping[str, Aligned], generator: Generator, count: int
) -> tuple[dict[str, dict[str, Interval]], list[str]]:
    """Figures over all environments, normalised, of every arm that has runs in each; why not."""
    if len(study.places) < 2:
        return {}, []
    bounds = {
        slug: (place.low, place.high)
        for slug, place in study.places.items()
        if place.low is not None and place.high is not None
    }
    if lacking := sorted(study.places.keys() - bounds.keys()):
        names = ", ".join(lacking)
        return {}, [f"no figure over all environments: {names} has no low and high to normalise by"]
    settled = {p: settle(found.scores[study.metric], found.floor) for p, found in aligned.items()}
    seed, found, why = int(generator.integers(2**63)), {}, []
    for arm in study.trained:
        own = {place: arms[arm] for place, arms in settled.items() if arm in arms}
        scores = {place: one.scores for place, one in own.items()}
        if absent := sorted(set(study.places) - {place for place, s in scores.items() if s}):
            why.append(f"{arm} has no figure over all environments: no run on {', '.join(absent)}")
            continue
        found[arm] = aggregate(scores, bounds, np.random.default_rng(seed), count)
        if lost := [place for place, one in own.items() if one.lost]:
            found[arm] = {name: endless(figure) for name, figure in found[arm].items()}
            why.append(
                f"{arm} has no interval over all environments: all its runs on {', '.join(lost)} "
                "diverged"
            )
    return found, why
