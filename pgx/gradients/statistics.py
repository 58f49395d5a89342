"""What a sample of gradient estimates says about them, each figure with its interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr, stdtrit

from pgx.gradients.moments import Moments
from pgx.gradients.truth import Truth

LEVEL = 0.95  #: of every interval
ROUNDING = 1e-5  #: of the norms: a bias or deviation below it is float32's, and called none
Array = np.ndarray


@dataclass(frozen=True)
class Figure:
    """A number with the ends of its 95% interval; None is not defined here."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class PerParameter:
    """Figures of every parameter, ``[P]`` each."""

    mean: Array
    bias: Array
    bias_low: Array
    bias_high: Array
    variance: Array
    variance_low: Array
    variance_high: Array


@dataclass(frozen=True)
class Figures:
    """What is known of an estimator at one θ.

    Attributes:
        bias: length of the mean's distance to the truth, as far as one half of the sample confirms
            the direction that the other half shows; negative if it points the other way.
        p: of no bias, two-sided, before any adjustment.
        variance: trace of the covariance, of one trajectory's estimate.
        signal_to_noise: ‖∇J‖² / variance.
        cosine: of the mean to the truth.
        per_decision: variance times mean decisions of a trajectory.
        per_second: variance times mean seconds of a trajectory.
        decisions: mean of a trajectory.
        seconds: mean of a trajectory.
        draws: independent estimates.
        parameters: one by one.
    """

    bias: Figure
    p: float
    variance: Figure
    signal_to_noise: Figure
    cosine: Figure
    per_decision: Figure
    per_second: Figure
    decisions: float
    seconds: float
    draws: int
    parameters: PerParameter


def describe(
    moments: Moments, truth: Truth, unit: int, decisions: Array, seconds: float
) -> Figures:
    """Every figure of one estimator.

        variance = m · tr S²,   signal-to-noise = ‖∇J‖² / variance
        cosine = ⟨ḡ, ∇J⟩ / √(‖ḡ‖²_u ‖∇J‖²),   ‖ḡ‖²_u = ‖ḡ‖² − tr S² / n

    over n draws, each the mean of m trajectories, with sample covariance S². ‖ḡ‖²_u is the squared
    norm of the mean without the bias that noise gives it; the reference run's is taken likewise.

    Intervals: of bias Student t; of the others by the jackknife that leaves out one group at a time
    (Efron & Stein 1981), on the logarithm of what is positive.

    Args:
        moments: of the draws.
        truth: what they are held against.
        unit: m, trajectories of a draw.
        decisions: ``[K]``, decisions of each group's trajectories.
        seconds: of a trajectory, measured.
    """
    count, total, square = moments.without()
    mean = total / count
    spread = np.maximum(square - total * mean, 0.0) / (count - 1)
    variance = unit * spread
    trace = variance.sum(1)
    trace = np.where(trace <= _rounding(mean[0], truth) ** 2, 0.0, trace)  # NaN stays NaN
    target, norm = _target(truth, len(count))
    own = (mean**2).sum(1) - spread.sum(1) / count[:, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        cosine = (mean * target).sum(1) / np.sqrt(own * norm)
        ratio = np.where(norm > 0, norm, np.nan) / trace
    length = _without(decisions) / (count[:, 0] * unit)
    bias, p = _bias(moments, truth)
    return Figures(
        bias=bias,
        p=p,
        variance=jackknife(trace, positive=True),
        signal_to_noise=jackknife(ratio, positive=True),
        cosine=_clipped(jackknife(cosine)),
        per_decision=jackknife(trace * length, positive=True),
        per_second=jackknife(trace * seconds, positive=True),
        decisions=float(length[0]),
        seconds=seconds,
        draws=int(count[0, 0]),
        parameters=_per_parameter(count[0, 0], mean[0], spread[0], variance, truth),
    )


def reference_norm(truth: Truth) -> Figure:
    """‖∇J‖² as the reference run knows it, without the bias that noise gives a squared norm."""
    return jackknife(_target(truth, 1 + len(truth.moments.count) if truth.moments else 2)[1])


def jackknife(values: Array, positive: bool = False) -> Figure:
    """The figure of the whole sample, with an interval from those with a group left out.

        s² = (K − 1)/K Σ_k (v_(k) − v̄)²,   v ± t_{K−1} s

    Args:
        values: ``[K + 1]``: of all, then with one of K groups left out.
        positive: whether the interval is that of log v.
    """
    whole, parts = values[0], values[1:]
    if not np.isfinite(whole):
        return Figure(None)
    if not np.isfinite(parts).all():
        return Figure(float(whole))
    if positive and not (values > 0).all():
        return Figure(float(whole), *((float(whole),) * 2 if (parts == whole).all() else ()))
    moved, centre = (np.log(parts), np.log(whole)) if positive else (parts, whole)
    half = _quantile(len(parts) - 1) * np.sqrt(len(parts) - 1) * float(moved.std())
    low, high = centre - half, centre + half
    ends = (np.exp(low), np.exp(high)) if positive else (low, high)
    return Figure(float(whole), float(ends[0]), float(ends[1]))


def _bias(moments: Moments, truth: Truth) -> tuple[Figure, float]:
    """The bias along the direction that every other group shows, measured in the others.

    The norm of a mean is never 0, however unbiased. Here the direction u is taken from one half of
    the sample, so that in the other half ⟨ḡ − ∇J, u⟩ has mean 0 if there is no bias: Student t. Of
    estimates that are not finite neither is known.
    """
    away = moments.total / moments.count[:, None]
    if truth.moments is None:
        away = away - truth.gradient
    else:  # both are independent: pairs of their groups are too
        away = away - truth.moments.total / truth.moments.count[:, None]
    if not np.isfinite(away).all():
        return Figure(None), float("nan")
    shown, held = away[0::2], away[1::2]
    direction, norm = shown.mean(0), np.linalg.norm(shown.mean(0))
    along = held @ (direction / norm) if norm > 0 else np.zeros(len(held))
    value, error = float(along.mean()), float(along.std(ddof=1) / len(held) ** 0.5)
    rounding = _rounding(moments.total.sum(0) / moments.count.sum(), truth)
    half = _quantile(len(held) - 1) * error + rounding
    excess = max(abs(value) - rounding, 0.0)
    p = 1.0 if excess == 0 else 0.0
    if error > 0 and excess > 0:
        p = 2.0 * float(stdtr(len(held) - 1, -excess / error))
    return Figure(value, value - half, value + half), p


def _rounding(mean: Array, truth: Truth) -> float:
    """What float32 may add to the length of an estimate."""
    return ROUNDING * float(np.linalg.norm(mean) + np.linalg.norm(truth.gradient))


def _per_parameter(
    count: float, mean: Array, spread: Array, variance: Array, truth: Truth
) -> PerParameter:
    error = spread / count
    if truth.moments is not None:
        known, total, square = (rows[0] for rows in truth.moments.without())
        error = error + np.maximum(square - total**2 / known, 0.0) / (known - 1) / known
    half = _quantile(count - 1) * np.sqrt(error)
    bias = mean - truth.gradient
    rows = [jackknife(column, positive=True) for column in variance.T]
    ends = np.array([[row.low or 0.0, row.high or 0.0] for row in rows]).T
    return PerParameter(mean, bias, bias - half, bias + half, variance[0], *ends)


def _target(truth: Truth, rows: int) -> tuple[Array, Array]:
    """∇J ``[K + 1, P]`` and ‖∇J‖² ``[K + 1]``, the latter without the reference run's noise."""
    if truth.moments is None:
        norm = float(truth.gradient @ truth.gradient)
        return np.broadcast_to(truth.gradient, (rows, len(truth.gradient))), np.full(rows, norm)
    count, total, square = truth.moments.without()
    pairs = (total**2).sum(1) - square.sum(1)
    return total / count, pairs / (count * (count - 1))[:, 0]


def _without(parts: Array) -> Array:
    """The sum of all groups, then with each left out, ``[K + 1]``."""
    return np.concatenate([parts.sum(keepdims=True), parts.sum() - parts])


def _clipped(figure: Figure) -> Figure:
    ends = (figure.value, figure.low, figure.high)
    return Figure(*(None if x is None else min(1.0, max(-1.0, x)) for x in ends))


def _quantile(freedom: float) -> float:
    return float(stdtrit(freedom, (1 + LEVEL) / 2))
