"""Figures and intervals of runs: numbers worked by hand, scipy and rliable as oracles."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats as scipy_stats

from pgx.stats.aggregates import (
    interquartile_mean,
    mean,
    median,
    median_of_means,
    normalise,
    probability_of_improvement,
    profile,
    wins,
)
from pgx.stats.bootstrap import HELD, band, improvement_interval, intervals, resamples
from tests.support.oracles import library, metrics

FIGURES = {"iqm": interquartile_mean, "mean": mean, "median": median_of_means}


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def draws(runs: int, environments: int, seed: int) -> np.ndarray:
    """Skewed scores ``[n, M]``, the layout of rliable."""
    return rng(seed).lognormal(1.0, 0.8, size=(runs, environments))


def strata(scores: np.ndarray) -> list[np.ndarray]:
    return list(scores.T)


def test_figures_worked_by_hand() -> None:
    runs = [np.array([9.0, 1.0, 2.0, 100.0, 4.0])]  # a quarter of 5 is 1.25: one cut at each end
    assert interquartile_mean(runs) == 5.0  # (2 + 4 + 9) / 3
    assert mean(runs) == 23.2
    assert median(runs) == 4.0
    two = [np.array([1.0, 3.0]), np.array([10.0, 20.0, 60.0])]
    assert interquartile_mean(two) == 11.0  # 3, 10, 20
    assert mean(two) == 16.0  # of 2 and 30
    assert median(two) == 10.0
    assert median_of_means([*two, np.array([7.0])]) == 7.0  # of 2, 30, 7


@pytest.mark.parametrize("runs", range(1, 13))
def test_the_interquartile_mean_is_scipys(runs: int) -> None:
    scores = draws(runs, 3, runs)
    assert interquartile_mean(strata(scores)) == pytest.approx(
        scipy_stats.trim_mean(scores, 0.25, axis=None), rel=1e-14
    )
    assert interquartile_mean([scores.T]) == pytest.approx(  # three sets at once
        scipy_stats.trim_mean(scores, 0.25, axis=0), rel=1e-14
    )


@pytest.mark.parametrize(("runs", "environments"), [(3, 1), (5, 4), (10, 7)])
def test_aggregates_are_rliables(runs: int, environments: int) -> None:
    scores = draws(runs, environments, 7)
    theirs = {
        "iqm": metrics.aggregate_iqm,
        "mean": metrics.aggregate_mean,
        "median": metrics.aggregate_median,
    }
    for name, ours in FIGURES.items():
        assert ours(strata(scores)) == pytest.approx(theirs[name](scores), rel=1e-13), name


def test_improvement_worked_by_hand() -> None:
    ours, theirs = np.array([1.0, 2.0, 3.0]), np.array([2.0, 0.0])
    assert wins(ours, theirs).tolist() == [[0, 1], [0.5, 1], [1, 1]]
    assert probability_of_improvement([ours], [theirs]) == 4.5 / 6
    assert probability_of_improvement([theirs], [ours]) == 1.5 / 6
    assert probability_of_improvement([ours, theirs], [theirs, theirs]) == (4.5 / 6 + 0.5) / 2


def test_improvement_is_rliables_and_scipys() -> None:
    ours, theirs = np.round(draws(8, 3, 1), 0), np.round(draws(6, 3, 2), 0)  # with ties
    found = probability_of_improvement(strata(ours), strata(theirs))
    assert found == pytest.approx(metrics.probability_of_improvement(ours, theirs), rel=1e-13)
    single = probability_of_improvement([ours[:, 0]], [theirs[:, 0]])
    u = scipy_stats.mannwhitneyu(ours[:, 0], theirs[:, 0]).statistic
    assert single == pytest.approx(u / 48, rel=1e-13)


def test_profile_by_hand_and_by_rliable() -> None:
    runs = [np.array([1.0, 2.0]), np.array([2.0, 3.0, 4.0, 5.0])]
    assert profile(runs, np.array([0.0, 2.0, 4.5, 5.0])).tolist() == [1, 3 / 8, 1 / 8, 0]
    scores, thresholds = draws(6, 4, 3), np.linspace(0, 8, 17)
    theirs = library.score_distributions(scores, thresholds)
    assert profile(strata(scores), thresholds) == pytest.approx(theirs, abs=1e-15)
    stacked = [np.stack([x, x + 1]) for x in strata(scores)]
    assert profile(stacked, thresholds).shape == (2, 17)
    assert profile(stacked, thresholds)[0] == pytest.approx(theirs, abs=1e-15)


def test_normalise() -> None:
    assert normalise(np.array([-1.0, 0.0, 3.0]), -1.0, 1.0).tolist() == [0.0, 0.5, 2.0]
    for low, high in [(1.0, 1.0), (2.0, 1.0), (math.nan, 1.0), (0.0, math.inf)]:
        with pytest.raises(ValueError, match="cannot normalise"):
            normalise(np.ones(3), low, high)


def test_resamples_stay_in_their_environment_and_are_all_there() -> None:
    runs = [np.array([1.0, 2.0, 3.0]), np.arange(10.0, 15.0)]
    parts = list(resamples(runs, rng(), HELD // 8 + 5))
    assert len(parts) == 2  # memory is bounded
    assert sum(len(part[0]) for part in parts) == HELD // 8 + 5
    for part in parts:
        assert [scores.shape[1] for scores in part] == [3, 5]
        assert set(np.unique(part[0])) == {1, 2, 3}
        assert set(np.unique(part[1])) == {10, 11, 12, 13, 14}


def test_the_interval_of_two_runs_is_known() -> None:
    """Of two runs 0 and 1 the resampled mean is 0, ½, 1 with chances ¼, ½, ¼."""
    found = intervals([np.array([0.0, 1.0])], {"mean": mean}, rng())["mean"]
    assert (found.estimate, found.low, found.high, found.runs) == (0.5, 0.0, 1.0, 2)
    assert (found.level, found.method) == (0.95, "stratified percentile bootstrap")
    figures = np.concatenate([mean(part) for part in resamples([np.array([0.0, 1.0])], rng())])
    assert len(figures) == 10_000
    assert np.mean(figures == 0.5) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("runs", [5, 20])
def test_intervals_are_scipys(runs: int) -> None:
    scores = draws(runs, 1, 5)[:, 0]
    found = intervals([scores], {"mean": mean, "median": median}, rng(1))
    for name, statistic in {"mean": np.mean, "median": np.median}.items():
        theirs = scipy_stats.bootstrap(
            (scores,), statistic, n_resamples=10_000, method="percentile", rng=rng(2)
        ).confidence_interval
        width = theirs.high - theirs.low
        assert found[name].low == pytest.approx(theirs.low, abs=0.06 * width), name
        assert found[name].high == pytest.approx(theirs.high, abs=0.06 * width), name


def test_stratified_intervals_are_rliables() -> None:
    scores = draws(6, 4, 11)
    np.random.seed(3)  # noqa: NPY002 - rliable draws from the global state
    _, theirs = library.get_interval_estimates(
        {"arm": scores},
        lambda x: np.array(
            [metrics.aggregate_iqm(x), metrics.aggregate_mean(x), metrics.aggregate_median(x)]
        ),
        reps=4_000,
    )
    found = intervals(strata(scores), FIGURES, rng(1))
    for name, (low, high) in zip(FIGURES, theirs["arm"].T, strict=True):
        assert found[name].low == pytest.approx(low, abs=0.06 * (high - low)), name
        assert found[name].high == pytest.approx(high, abs=0.06 * (high - low)), name
        assert found[name].runs == 24


def test_improvement_intervals_are_rliables() -> None:
    ours, theirs = draws(7, 3, 1), draws(5, 3, 2)
    np.random.seed(4)  # noqa: NPY002 - rliable draws from the global state
    _, ends = library.get_interval_estimates(
        {"pair": [ours, theirs]},
        lambda x, y: np.array([metrics.probability_of_improvement(x, y)]),
        reps=1_000,
    )
    (low,), (high,) = ends["pair"]
    found = improvement_interval(strata(ours), strata(theirs), rng())
    assert found.low == pytest.approx(low, abs=0.1 * (high - low))
    assert found.high == pytest.approx(high, abs=0.1 * (high - low))
    assert found.runs == 15


def test_improvement_intervals_are_their_slow_twins() -> None:
    ours, theirs = np.array([1.0, 2.0, 2.0, 5.0]), np.array([2.0, 3.0, 0.0])
    found = improvement_interval([ours], [theirs], rng())
    generator = rng(1)
    slow = [
        probability_of_improvement([generator.choice(ours, 4)], [generator.choice(theirs, 3)])
        for _ in range(4_000)
    ]
    low, high = np.quantile(slow, [0.025, 0.975])
    assert (found.low, found.high) == pytest.approx((low, high), abs=1 / 12 + 1e-9)


def test_the_same_seed_gives_the_same_digits() -> None:
    scores = [draws(9, 1, 4)[:, 0]]
    first, again, other = (intervals(scores, FIGURES, rng(seed)) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    pairs = [improvement_interval(scores, [scores[0][:5]], rng(seed)) for seed in (1, 1)]
    assert pairs[0] == pairs[1]


def test_one_run_has_a_figure_and_no_interval() -> None:
    for found in intervals([np.array([3.0])], FIGURES, rng()).values():
        assert found.estimate == 3.0
        assert math.isnan(found.low) and math.isnan(found.high)
    found = improvement_interval([np.array([1.0])], [np.array([0.0])], rng())
    assert found.estimate == 1.0 and math.isnan(found.low) and math.isnan(found.high)


def test_a_band_has_an_interval_per_threshold() -> None:
    scores, thresholds = [draws(8, 1, 6)[:, 0]], np.array([-1.0, 3.0, 1e9])
    low, high = band(scores, lambda drawn: profile(drawn, thresholds), rng())
    assert (low[0], high[0]) == (1.0, 1.0)
    assert (low[2], high[2]) == (0.0, 0.0)
    assert low[1] < profile(scores, thresholds)[1] < high[1]


@pytest.mark.parametrize("empty", [[], [np.array([])], [np.ones(3), np.array([])]])
def test_nothing_to_aggregate_is_an_error(empty: list[np.ndarray]) -> None:
    with pytest.raises(ValueError, match="no run to aggregate"):
        intervals(empty, FIGURES, rng())
    with pytest.raises(ValueError, match="no run to aggregate"):
        probability_of_improvement(empty, empty)


@pytest.mark.parametrize("odd", [math.nan, math.inf])
def test_a_score_that_is_not_finite_is_an_error(odd: float) -> None:
    with pytest.raises(ValueError, match="must be finite"):
        intervals([np.array([1.0, odd])], FIGURES, rng())
    with pytest.raises(ValueError, match="must be finite"):
        improvement_interval([np.ones(2)], [np.array([odd])], rng())
