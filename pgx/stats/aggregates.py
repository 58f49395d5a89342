"""What a set of runs is like, in one number: means, medians, profiles, and who wins how often.

Scores come as strata: one array ``[…, n]`` per environment, n runs on the last axis, any axes in
front (resamples). One environment is one stratum; several must have been brought to one scale by
`normalise` before.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Array = np.ndarray
Strata = Sequence[Array]


def check_strata(strata: Strata) -> None:
    """Raise ``ValueError`` unless there is a run in every stratum, and every score is finite."""
    if not strata or any(scores.shape[-1] == 0 for scores in strata):
        raise ValueError("no run to aggregate: every environment needs at least one")
    if not all(np.isfinite(scores).all() for scores in strata):
        raise ValueError("scores must be finite: decide first what a diverged run counts as")


def normalise(scores: Array, low: float, high: float) -> Array:
    """Scores on a scale where ``low`` is 0 and ``high`` is 1.

        (x − low) / (high − low)

    Args:
        scores: any shape.
        low: of a reference such as the random policy, in units of return.
        high: of a reference such as the environment's solving threshold, above ``low``.

    Returns:
        The same shape, without a unit.

    Raises:
        ValueError: ``high`` is not above ``low``, or one of them is not finite.
    """
    if not (np.isfinite(low) and np.isfinite(high) and high > low):
        raise ValueError(f"cannot normalise between {low} and {high}: the second must be larger")
    return (np.asarray(scores, dtype=np.float64) - low) / (high - low)


def interquartile_mean(strata: Strata) -> Array:
    """Mean of the middle half of all runs, a quarter of them cut off at either end.

        Σ_{⌊n/4⌋ < i ≤ n−⌊n/4⌋} x_(i) / (n − 2⌊n/4⌋),   x_(i) sorted over all strata

    Source: Agarwal et al. 2021, arXiv 2108.13264, section 4.3. Nothing is interpolated where n is
    no multiple of 4. Where environments have unequally many runs, every run counts the same.

    Args:
        strata: ``[…, n]`` each.

    Returns:
        ``[…]``.
    """
    pooled = np.sort(np.concatenate(list(strata), axis=-1), axis=-1)
    runs = pooled.shape[-1]
    cut = runs // 4
    return pooled[..., cut : runs - cut].mean(axis=-1)


def mean(strata: Strata) -> Array:
    """Mean over environments of the mean over runs, ``[…, n]`` each to ``[…]``."""
    return np.mean([scores.mean(axis=-1) for scores in strata], axis=0)


def median(strata: Strata) -> Array:
    """Median of all runs, ``[…, n]`` each to ``[…]``; see also `median_of_means`."""
    return np.median(np.concatenate(list(strata), axis=-1), axis=-1)


def median_of_means(strata: Strata) -> Array:
    """Median over environments of the mean over runs: the "median score" of Atari tables.

    Args:
        strata: ``[…, n]`` each; with a single one this is its mean, not its median.

    Returns:
        ``[…]``.

    Source: Mnih et al. 2015, Nature 518; Agarwal et al. 2021, arXiv 2108.13264, section 3.
    """
    return np.median([scores.mean(axis=-1) for scores in strata], axis=0)


def profile(strata: Strata, thresholds: Array) -> Array:
    """Performance profile: the fraction of runs that score above each threshold.

        F(τ) = mean over environments of (1/n) Σ_i 1[x_i > τ]

    Args:
        strata: ``[…, n]`` each.
        thresholds: τ ``[K]``, in units of the scores.

    Returns:
        ``[…, K]`` in 0 … 1.

    Source: Agarwal et al. 2021, arXiv 2108.13264, section 4.2.
    """
    above = [[(scores > tau).mean(axis=-1) for tau in thresholds] for scores in strata]
    return np.moveaxis(np.mean(above, axis=0), 0, -1)


def wins(ours: Array, theirs: Array) -> Array:
    """Who is ahead in each pair of runs: 1 ours, 0 theirs, ½ a tie.

    Args:
        ours: ``[n]``.
        theirs: ``[m]``.

    Returns:
        ``[n, m]``.
    """
    return np.heaviside(np.subtract.outer(ours, theirs), 0.5)


def probability_of_improvement(ours: Strata, theirs: Strata) -> float:
    """Chance that a run of ours scores more than a run of theirs, ties counted half.

        P(X > Y) = mean over environments of Σ_i Σ_j (1[x_i > y_j] + ½·1[x_i = y_j]) / (n·m)

    Args:
        ours: ``[n]`` per environment.
        theirs: ``[m]`` per environment, the same environments in the same order.

    Returns:
        0 … 1; ½ says that neither is ahead. It is the Mann-Whitney U over n·m.

    Raises:
        ValueError: different numbers of environments, an environment without runs, NaN.

    Source: Agarwal et al. 2021, arXiv 2108.13264, section 4.3.
    """
    check_strata(ours)
    check_strata(theirs)
    pairs = zip(ours, theirs, strict=True)
    return float(np.mean([wins(x, y).mean() for x, y in pairs]))
