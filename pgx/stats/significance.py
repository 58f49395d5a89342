"""How surprising a paired difference is if the arms do not differ, and how many runs would tell."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.random import Generator
from scipy.stats import norm

from pgx.stats.aggregates import Array

EXACT = 16  #: pairs up to which every assignment of signs is tried
FLIPS = 10_000  #: assignments drawn beyond that
ALPHA = 0.05  #: share of false verdicts that is allowed in a study without any difference
POWER = 0.8  #: chance to find a difference that is there, for `runs_needed`

_ROUNDING = 1e-12  #: of Σ|d|, the rounding below which two sums are one
_HELD = 2**22  #: signs held at once, about 32 MB


def check_differences(differences: Array) -> Array:
    """The paired differences as float64 ``[n]``; ``ValueError`` if none or one is not finite."""
    found = np.asarray(differences, dtype=np.float64)
    if found.ndim != 1 or len(found) == 0:
        raise ValueError(f"paired differences {found.shape}: expected [n] with n at least 1")
    if not np.isfinite(found).all():
        raise ValueError("differences must be finite: decide first what a diverged run counts as")
    return found


def signed_sums(differences: Array) -> Array:
    """|Σ s_i d_i| for every assignment of signs that leaves the first as it is, ``[2^(n−1)]``.

    The others mirror these. Entry 0 has every sign as it is.
    """
    sums = differences[:1]
    for difference in differences[1:]:
        sums = np.concatenate([sums + difference, sums - difference])
    return np.abs(sums)


def sign_flip(differences: Array, generator: Generator, flips: int = FLIPS) -> float:
    """Two-sided sign-flip permutation test of paired differences.

        p = P_s(|Σ s_i d_i| ≥ |Σ d_i|),   s_i = ±1 with equal chance

    If neither arm is ahead, swapping a pair's two runs changes nothing, and so neither does a sign:
    at most a share α of such tests has p ≤ α, whatever the runs are distributed like. Up to
    `EXACT` pairs every assignment is counted. Beyond that ``flips`` are drawn and

        p = (1 + #{|Σ s_i d_i| ≥ |Σ d_i|}) / (1 + flips),

    which keeps the promise.

    Args:
        differences: ``[n]``, score of ours minus score of theirs, pair by pair.
        generator: draws the signs; not used up to `EXACT` pairs.
        flips: assignments drawn.

    Returns:
        p in 0 … 1; 1 if every difference is 0.

    Raises:
        ValueError: no difference, or one that is not finite.

    Source: Fisher 1935, The Design of Experiments, section 21; Phipson & Smyth 2010, eq. 2.
    """
    found = check_differences(differences)
    bound = abs(found.sum()) - _ROUNDING * np.abs(found).sum()
    if len(found) <= EXACT:
        return float((signed_sums(found) >= bound).mean())
    beyond, at_once = 0, max(1, _HELD // len(found))
    for start in range(0, flips, at_once):
        shape = (min(at_once, flips - start), len(found))
        signs = 2.0 * generator.integers(0, 2, size=shape, dtype=np.int8) - 1.0
        sums = (signs * found).sum(axis=1)  # no BLAS: the number of threads would move digits
        beyond += int((np.abs(sums) >= bound).sum())
    return (1 + beyond) / (1 + flips)


def smallest_p(pairs: int, flips: int = FLIPS) -> float:
    """The least p that `sign_flip` can give for ``pairs`` differences other than 0.

        2^−(n−1): of all 2ⁿ assignments, only the one seen and its mirror image

    Args:
        pairs: n; a difference of 0 is none, as its sign says nothing.
        flips: assignments drawn beyond `EXACT` pairs.
    """
    exact = 2.0 ** -max(pairs - 1, 0)
    return exact if pairs <= EXACT else max(exact, 1 / (1 + flips))


def holm(p_values: Sequence[float]) -> Array:
    """Holm's adjustment: p-values that may be compared with α as if there were one test.

        p̃_(k) = max_{j ≤ k} min(1, (m − j + 1) · p_(j)),   p_(1) ≤ … ≤ p_(m)

    Args:
        p_values: ``[m]``, of all comparisons that are looked at together.

    Returns:
        ``[m]`` in the order given. The chance of any false verdict among them is at most α.

    Source: Holm 1979, Scandinavian Journal of Statistics 6.
    """
    p = np.asarray(p_values, dtype=np.float64)
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError("a p-value lies between 0 and 1")
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    scaled = p[order] * np.arange(len(p), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return adjusted


def least_runs(alpha: float = ALPHA) -> int:
    """The fewest pairs with which a sign-flip test can have p ≤ α: 2^−(n−1) ≤ α."""
    return 1 + math.ceil(-math.log2(alpha))


def runs_needed(differences: Array, alpha: float = ALPHA, power: float = POWER) -> int | None:
    """Pairs with which a difference like the one seen would be found, in most repetitions.

        n = ((z_{1−α/2} + z_{power}) · sd / |mean|)² + z²_{1−α/2} / 2,   at least `least_runs`

    The normal approximation of a paired test, with the usual correction for an estimated sd. Few
    runs know the effect only roughly, and so does this number: an order of magnitude to plan with.

    Args:
        differences: ``[n]``, pair by pair.
        alpha: level of the test; α / m for the first step of Holm's over m comparisons.
        power: chance that the verdict is found, if mean and sd are what they seem.

    Returns:
        n, or None if it cannot be said: fewer than two pairs, or a mean of 0.

    Source: Guenther 1981, The American Statistician 35.
    """
    found = check_differences(differences)
    mean, size = abs(float(found.mean())), float(np.abs(found).max())
    if len(found) < 2 or mean <= _ROUNDING * size:
        return None
    z = float(norm.isf(alpha / 2))
    needed = ((z + float(norm.isf(1 - power))) * float(found.std(ddof=1)) / mean) ** 2 + z**2 / 2
    return max(math.ceil(needed), least_runs(alpha))
