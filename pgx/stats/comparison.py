"""Arms beside each other, on one metric: figures of each, paired comparisons, verdicts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator

from pgx.stats.aggregates import interquartile_mean, mean, median, median_of_means, normalise
from pgx.stats.bootstrap import RESAMPLES, Interval, improvement_interval, intervals
from pgx.stats.significance import ALPHA
from pgx.stats.verdicts import UNTESTED, Verdict, verdicts

Scores = Mapping[int, float]  #: an arm's runs: seed to score; not finite where the run diverged
Arms = Mapping[str, Scores]  #: the arms that ran in one environment
Floors = Mapping[str, float]  #: environment to what a diverged run there counts as at most

FIGURES = {"iqm": interquartile_mean, "mean": mean, "median": median}
NOWHERE = Interval(math.nan, math.nan, math.nan, 0)  #: a figure of no runs


@dataclass(frozen=True)
class Settled:
    """An arm's runs in one environment, the diverged ones counted as the worst.

    Args:
        scores: seed to finite score, by seed. Empty if no run of any arm has a finite score.
        diverged: the seeds whose score is `floor` because they had none.
        missing: seeds that other arms have in this environment and this one lacks.
        floor: the worst finite score of any arm in this environment, or what was given if less.
    """

    scores: Scores
    diverged: tuple[int, ...]
    missing: tuple[int, ...]
    floor: float

    @property
    def lost(self) -> bool:
        """Whether all runs diverged: their figures are the floor, and measure no spread."""
        return bool(self.scores) and len(self.diverged) == len(self.scores)


@dataclass(frozen=True)
class Summary:
    """What an arm's runs in one environment are like.

    Args:
        arm: its name.
        environment: its name.
        settled: the runs behind the figures, and what is wrong with them.
        figures: ``iqm``, ``mean`` and ``median``, each with a 95% interval; without its ends
            where all runs diverged.
    """

    arm: str
    environment: str
    settled: Settled
    figures: Mapping[str, Interval]


@dataclass(frozen=True)
class Comparison:
    """An arm held against another in one environment.

    Args:
        arm: its name.
        against: the other's.
        environment: its name.
        difference: mean over seeds of arm minus other, with a 95% interval over pairs.
        improvement: chance that a run of the arm scores more than a run of the other; its n is
            that of the arm with fewer runs.
        verdict: with p-values, and runs needed. Where all runs of one of the two diverged, the
            reason says so, and the intervals have no ends.
        ours: the arm's runs, with what is wrong with them.
        theirs: the other's.
    """

    arm: str
    against: str
    environment: str
    difference: Interval
    improvement: Interval
    verdict: Verdict
    ours: Settled
    theirs: Settled

    @property
    def unpaired(self) -> tuple[int, ...]:
        """Seeds that one of the two lacks: they are in no difference and in no verdict."""
        return tuple(sorted(self.ours.scores.keys() ^ self.theirs.scores.keys()))


def settle(arms: Arms, floor: float = math.nan) -> dict[str, Settled]:
    """Decide what runs without a score count as: the worst score that any arm has here, or less.

    An arm gains nothing from a run that diverged, as it would if the run were left out; and a
    figure stays finite. What the worst is depends on which arms are there, so it is shown. Among
    runs that all went well the worst score is a good one: ``floor`` keeps a diverged run below it.

    Args:
        arms: of one environment.
        floor: what a diverged run counts as at most, such as what it had when it stopped; NaN:
            nothing is known.
    """
    every = [score for scores in arms.values() for score in scores.values()]
    worst = float(min(filter(math.isfinite, every), default=math.nan))
    scored = not math.isnan(worst)
    worst = min(worst, floor) if math.isfinite(floor) else worst
    seeds = {seed for scores in arms.values() for seed in scores}
    settled = {}
    for arm, scores in arms.items():
        lost = {seed for seed, score in scores.items() if not math.isfinite(score)}
        kept = {s: worst if s in lost else float(scores[s]) for s in sorted(scores)}
        missing = tuple(sorted(seeds - scores.keys()))
        settled[arm] = Settled(kept if scored else {}, tuple(sorted(lost)), missing, worst)
    return settled


def endless(interval: Interval) -> Interval:
    """The figure without its ends, where there is no spread that could have been measured."""
    return replace(interval, low=math.nan, high=math.nan)


def column(scores: Scores) -> np.ndarray:
    """Scores by seed, float64 ``[n]``."""
    return np.array([scores[seed] for seed in sorted(scores)], dtype=np.float64)


def differences(ours: Scores, theirs: Scores) -> np.ndarray:
    """Ours minus theirs for every seed that both have, float64 ``[n]``, by seed."""
    both = sorted(ours.keys() & theirs.keys())
    return np.array([ours[seed] - theirs[seed] for seed in both], dtype=np.float64)


def summarise(
    environments: Mapping[str, Arms],
    generator: Generator,
    count: int = RESAMPLES,
    floors: Floors | None = None,
) -> list[Summary]:
    """Figures of every arm in every environment, on one metric.

    Args:
        environments: environment to arm to seed to score; not finite: the run diverged.
        generator: one draw, from which every arm's resamples start anew: its digits do not
            depend on which other arms there are.
        count: resamples.
        floors: as `settle`, by environment.

    Raises:
        ValueError: an arm without runs.
    """
    seed, found = int(generator.integers(2**63)), []
    for environment, arms in environments.items():
        for arm, settled in settle(arms, (floors or {}).get(environment, math.nan)).items():
            if not settled.diverged and not settled.scores:
                raise ValueError(f"{arm} has no run in {environment}")
            figures = dict.fromkeys(FIGURES, NOWHERE)
            if settled.scores:
                own = np.random.default_rng(seed)
                figures = intervals([column(settled.scores)], FIGURES, own, count)
            if settled.lost:
                figures = {name: endless(figure) for name, figure in figures.items()}
            found.append(Summary(arm, environment, settled, figures))
    return found


def compare(
    environments: Mapping[str, Arms],
    against: str,
    generator: Generator,
    alpha: float = ALPHA,
    count: int = RESAMPLES,
    floors: Floors | None = None,
) -> list[Comparison]:
    """Hold every arm against one of them, paired by seed, in every environment where both are.

    All comparisons are one family: the verdicts hold together. An arm that cannot be compared,
    for want of a common seed, is there as undecided, and counts in the family: if a crash made it
    smaller, it would help the others. Where ``against`` itself is not wanted (the environment does
    not have it, not even without runs), nothing was to be compared, and nothing counts.

    Args:
        environments: environment to arm to seed to score; not finite: the run diverged.
        against: the arm that the others are held against.
        generator: draws; as `summarise`.
        alpha: chance of any false verdict among all.
        count: resamples.
        floors: as `settle`, by environment.

    Raises:
        ValueError: no environment has ``against`` and another arm.
    """
    places = []
    for environment, arms in environments.items():
        settled = settle({against: {}, **arms}, (floors or {}).get(environment, math.nan))
        others = [arm for arm in settled if arm != against]
        places += [(environment, arm, settled[arm], settled[against]) for arm in others]
    if not any(against in arms and len(arms) > 1 for arms in environments.values()):
        raise ValueError(f"nothing to compare: no environment has {against} and another arm")
    asked = [differences(x.scores, y.scores) for e, _, x, y in places if against in environments[e]]
    judged = iter(verdicts(asked, generator, alpha))
    seed, found = int(generator.integers(2**63)), []
    for environment, arm, ours, theirs in places:
        verdict = next(judged) if against in environments[environment] else UNTESTED
        difference, improvement = _held(ours, theirs, seed, count)
        verdict = replace(verdict, reason=_reason(verdict, against, ours, theirs))
        row = (arm, against, environment, difference, improvement, verdict, ours, theirs)
        found.append(Comparison(*row))
    return found


def _held(ours: Settled, theirs: Settled, seed: int, count: int) -> tuple[Interval, Interval]:
    """Difference and chance of improvement, each from resamples that start anew at ``seed``."""
    difference = improvement = NOWHERE
    paired = differences(ours.scores, theirs.scores)
    if paired.size:
        own = np.random.default_rng(seed)
        difference = intervals([paired], {"mean": mean}, own, count)["mean"]
    if ours.scores and theirs.scores:
        x, y = column(ours.scores), column(theirs.scores)
        improvement = improvement_interval([x], [y], np.random.default_rng(seed), count)
    if ours.lost or theirs.lost:
        return endless(difference), endless(improvement)
    return difference, improvement


def _reason(verdict: Verdict, against: str, ours: Settled, theirs: Settled) -> str:
    """Why the verdict is what it is, and whether a side has nothing but diverged runs."""
    if ours.diverged and not ours.scores:
        return "no run of any arm has a score here"
    if not theirs.scores:
        return f"{against} has no run here"
    if ours.lost and theirs.lost:
        return "all runs of both diverged"
    if ours.lost or theirs.lost:
        whose = "all its runs" if ours.lost else f"all runs of {against}"
        return f"{whose} diverged; {verdict.reason}"
    return verdict.reason


def aggregate(
    environments: Mapping[str, Scores],
    bounds: Mapping[str, tuple[float, float]],
    generator: Generator,
    count: int = RESAMPLES,
) -> dict[str, Interval]:
    """Figures of one arm over several environments, each brought to one scale first.

    Args:
        environments: environment to seed to score, as `settle` leaves them.
        bounds: environment to the scores that count as 0 and as 1.
        generator: draws.
        count: resamples; runs are drawn within each environment.

    Returns:
        ``iqm``, ``mean`` and ``median`` (of the environments' means), without a unit.

    Raises:
        ValueError: an environment without bounds, whose returns have a unit of their own.
    """
    lacking = sorted(environments.keys() - bounds.keys())
    if lacking:
        raise ValueError(
            f"no aggregate across environments without normalisation: {', '.join(lacking)} "
            "needs the scores that count as 0 and as 1"
        )
    strata = [normalise(column(s), *bounds[name]) for name, s in environments.items()]
    figures = {"iqm": interquartile_mean, "mean": mean, "median": median_of_means}
    return intervals(strata, figures, generator, count)
