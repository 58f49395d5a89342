"""Better, worse or undecided at n runs: the one test on a study's one primary metric."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.random import Generator

from pgx.stats.aggregates import Array
from pgx.stats.significance import ALPHA, FLIPS, holm, runs_needed, sign_flip, smallest_p

Word = Literal["better", "worse", "undecided"]


@dataclass(frozen=True)
class Verdict:
    """What a family of comparisons says about one of them.

    Args:
        word: better, worse, or undecided at ``pairs`` runs.
        reason: why, in half a sentence.
        pairs: n, seeds that both arms have.
        p: of the sign-flip test, two-sided; NaN without a pair.
        p_adjusted: after Holm over all comparisons of the family, those without a pair counted as
            p = 1; the verdict is at 5% of this.
        needed: pairs that would be needed to decide, as `runs_needed` at α / m; None: unknown.
    """

    word: Word
    reason: str
    pairs: int
    p: float
    p_adjusted: float
    needed: int | None

    def __str__(self) -> str:
        return self.word if self.word != "undecided" else f"undecided at {self.pairs} runs"


#: of a comparison that has no pair
UNTESTED = Verdict("undecided", "no seed is in both arms", 0, math.nan, math.nan, None)


def shown(p: float) -> str:
    """A p-value as tables print it: ``.0625``, ``.042``, ``<.0001``, ``1``."""
    if p < 1e-4:
        return "<.0001"
    return f"{p:.3g}".removeprefix("0")


def family(comparisons: int) -> str:
    """Where an adjusted p-value comes from, for a reason."""
    return f"after Holm over {comparisons} comparisons"


def never(differences: Array, p: float, adjusted: float, comparisons: int) -> str:
    """The reason when not even the smallest possible p-value would do.

    Args:
        differences: ``[n]``.
        p: the smallest that so many differences can have.
        adjusted: the same after Holm, were all others of the family as small as they can be.
        comparisons: m.
    """
    pairs, ties = len(differences), int((differences == 0).sum())
    tied = f", {ties} of them tied," if ties else ""
    holm_says = f", {shown(adjusted)} {family(comparisons)}" if comparisons > 1 else ""
    plural = "s" if pairs > 1 else ""
    return (
        f"with {pairs} pair{plural}{tied} the smallest possible p is {shown(p)}{holm_says}: "
        f"{'these' if ties else pairs} run{plural} can never decide"
    )


def judge(
    differences: Array,
    p: float,
    adjusted: float,
    least: float,
    bound: float,
    alpha: float,
    comparisons: int,
) -> Verdict:
    """One comparison's verdict, from what its family says.

    Args:
        differences: ``[n]``, n at least 1.
        p: of the sign-flip test.
        adjusted: after Holm.
        least: the smallest p that so many differences can have.
        bound: the same after Holm, were all others of the family as small as they can be.
        alpha: level of the verdict.
        comparisons: m, of the family.
    """
    needed = runs_needed(differences, alpha / comparisons)
    word: Word = "undecided"
    if adjusted <= alpha:
        word = "better" if differences.sum() > 0 else "worse"
    if not differences.any():
        reason = "every difference is 0"
    elif bound > alpha:
        reason = never(differences, least, bound, comparisons)
    else:
        reason = f"p {shown(p)}"
        reason += f", {shown(adjusted)} {family(comparisons)}" if comparisons > 1 else ""
        if word == "undecided" and needed:
            reason += f"; about {needed} runs would be needed"
    return Verdict(word, reason, len(differences), p, adjusted, needed)


def verdicts(
    differences: Sequence[Array], generator: Generator, alpha: float = ALPHA, flips: int = FLIPS
) -> list[Verdict]:
    """Judge all comparisons of a study together: Holm-adjusted sign-flip tests at 5%.

    A percentile interval that leaves out 0 is no verdict: at 5 to 10 runs it does so in more than
    a tenth of comparisons between an arm and itself.

    Args:
        differences: per comparison, ``[n]``: score of the arm minus score of the one it is held
            against, seed by seed; more is better. Empty where no seed is in both: nothing is
            tested there, and it counts for Holm as p = 1, so that a run that crashed, or was never
            made, makes no other p smaller.
        generator: one draw, from which every comparison starts anew: the p-value of one does not
            depend on which others there are.
        alpha: chance of any false verdict among all.
        flips: assignments of signs drawn where there are too many to try all.

    Raises:
        ValueError: a difference that is not finite.
    """
    seed, many = int(generator.integers(2**63)), len(differences)
    every = [np.asarray(d, dtype=np.float64) for d in differences]
    p = [sign_flip(d, np.random.default_rng(seed), flips) if len(d) else 1.0 for d in every]
    least = [smallest_p(int(np.count_nonzero(d)), flips) for d in every]  # 1 of none
    return [
        judge(d, own, float(adjusted), own_least, float(bound), alpha, many) if len(d) else UNTESTED
        for d, own, adjusted, own_least, bound in zip(
            every, p, holm(p), least, holm(least), strict=True
        )
    ]
