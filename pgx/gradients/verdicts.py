"""Whether an estimator is biased, all of a command's tests considered together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pgx.gradients.measure import Measured
from pgx.stats.significance import ALPHA, holm

BIASED, UNSEEN, LOST = "biased", "none seen", "not finite"


@dataclass(frozen=True)
class Verdict:
    """Of one arm at one θ.

    Attributes:
        word: ``biased``; or ``none seen``: no bias larger than ``within`` along what was tested; or
            ``not finite``: some estimate is no number, and nothing was tested.
        within: the farther end of the bias' interval.
        p: adjusted; NaN where nothing was tested.
    """

    word: str
    within: float
    p: float


def judge(measured: Sequence[Measured]) -> list[list[Verdict]]:
    """A verdict for each arm of each θ, by Holm's adjustment over all of them at 5%.

    The chance that any of them says ``biased`` of an unbiased estimator is at most 5%; ``none
    seen`` does not prove that there is none.
    """
    figures = [row.figures for one in measured for row in one.rows]
    adjusted = iter(holm([one.p for one in figures if math.isfinite(one.p)]).tolist())
    found: list[list[Verdict]] = []
    for one in measured:
        found.append([])
        for row in one.rows:
            if not math.isfinite(row.figures.p):
                found[-1].append(Verdict(LOST, math.nan, math.nan))
                continue
            p, bias = next(adjusted), row.figures.bias
            within = max(abs(bias.low or 0.0), abs(bias.high or 0.0))
            found[-1].append(Verdict(BIASED if p <= ALPHA else UNSEEN, within, p))
    return found
