"""Learning curves on a grid of decisions, and the numbers read off them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pgx.stats.aggregates import interquartile_mean
from pgx.stats.bootstrap import band
from pgx.stats.curves import Curves, align, area, common_grid, curve_band, final

NAN = math.nan
ENDED, RETURNS = np.array([10, 30, 30, 55]), np.array([1.0, 2.0, 6.0, 4.0])


def curve(grid, last=2, reached=60.0, ended=ENDED, returns=RETURNS):
    return align(ended, returns, np.array(grid, dtype=float), last, reached)


def test_a_curve_worked_by_hand() -> None:
    found = curve([0, 9, 10, 29, 30, 54, 55, 60, 61])
    assert found == pytest.approx([NAN, NAN, 1, 1, 4, 4, 5, 5, NAN], nan_ok=True)
    assert curve([30, 60], last=1).tolist() == [6.0, 4.0]
    assert curve([30, 60], last=99).tolist() == [3.0, 3.25]


def test_a_curve_is_its_slow_twin() -> None:
    generator = np.random.default_rng(0)
    ended, returns = np.cumsum(generator.integers(0, 9, 80)), generator.normal(size=80)
    grid = np.linspace(0, 500, 37)
    for last in (1, 7, 200):
        slow = []
        for point in grid:
            seen = [r for e, r in zip(ended, returns, strict=True) if e <= point <= 400]
            slow.append(np.mean(seen[-last:]) if seen else NAN)
        assert align(ended, returns, grid, last, 400) == pytest.approx(slow, nan_ok=True)


def test_a_return_that_is_not_finite_spoils_only_its_own_means() -> None:
    for odd in (NAN, math.inf):
        found = curve([10, 30, 55], returns=np.array([1.0, odd, 6.0, 4.0]))
        assert found == pytest.approx([1, NAN, 5], nan_ok=True)


def test_a_run_without_an_episode_has_no_value() -> None:
    empty = np.array([], dtype=int)
    assert np.isnan(curve([0, 60], ended=empty, returns=np.array([]))).all()
    assert math.isnan(final(empty, np.array([]), 5, 100))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ended": np.array([10, 30, 20, 55])}, "order in which they ended"),
        ({"returns": np.ones(3)}, "one per episode"),
        ({"last": 0}, "at least 1"),
    ],
)
def test_episodes_that_make_no_sense(change, message) -> None:
    with pytest.raises(ValueError, match=message):
        curve([0, 60], **change)


def test_final_performance_counts_up_to_where_all_runs_came() -> None:
    assert final(ENDED, RETURNS, 2, 60) == 5.0
    assert final(ENDED, RETURNS, 2, 54) == 4.0  # the last episode ended beyond
    assert final(ENDED, RETURNS, 100, 60) == 3.25
    assert math.isnan(final(ENDED, RETURNS, 2, 9))


def test_the_grid_ends_where_the_shortest_run_did() -> None:
    assert common_grid([100, 80, 120], 5).tolist() == [0, 20, 40, 60, 80]
    for reached, points in [([], 5), ([100, 0], 5), ([100], 1)]:
        with pytest.raises(ValueError, match="grid needs"):
            common_grid(reached, points)


def test_an_area_worked_by_hand() -> None:
    grid = np.array([0.0, 10.0, 30.0])
    curves = np.array([[2.0, 4.0, 1.0], [NAN, 4.0, 1.0], [NAN, NAN, 3.0]])
    # 10·3 + 20·2.5 = 80; before the first episode the first value stands: 10·4 + 20·2.5 = 90
    assert area(grid, curves) == pytest.approx([80 / 30, 90 / 30, 3.0], rel=1e-14)


def test_a_curve_that_ends_early_or_has_a_gap_has_no_area() -> None:
    grid = np.array([0.0, 10.0, 30.0])
    curves = np.array([[2.0, 4.0, NAN], [2.0, NAN, 1.0], [NAN, NAN, NAN]])
    assert np.isnan(area(grid, curves)).all()


def test_the_area_of_a_constant_is_the_constant_whatever_the_range() -> None:
    for end in (7.0, 1e6):
        found = area(np.linspace(0, end, 11), np.full((2, 11), -3.0))
        assert found == pytest.approx([-3.0, -3.0], rel=1e-14)


@pytest.mark.parametrize(
    ("grid", "curves"), [([0.0], [[1.0]]), ([0.0, 0.0], [[1.0, 2.0]]), ([0.0, 1.0], [1.0, 2.0])]
)
def test_an_area_without_a_range_is_an_error(grid, curves) -> None:
    with pytest.raises(ValueError, match=r"increasing|expected \[n, G\]"):
        area(np.array(grid), np.array(curves))


def test_ragged_runs_are_counted_and_named() -> None:
    values = np.array([[1.0, 2.0, 3.0], [NAN, 2.0, NAN]])
    curves = Curves(np.array([0.0, 5.0, 9.0]), values, np.array([9, 6]))
    assert curves.runs.tolist() == [1, 2, 1]
    assert curves.ragged.tolist() == [False, True]


@pytest.mark.parametrize("runs", [2, 5, 8, 13])
def test_a_band_is_the_bootstrap_of_the_interquartile_mean(runs: int) -> None:
    values = np.random.default_rng(runs).lognormal(size=(runs, 3))
    figure, low, high = curve_band(values, np.random.default_rng(1))
    for point, scores in enumerate(values.T):
        ends = band([scores], interquartile_mean, np.random.default_rng(2))
        assert figure[point] == interquartile_mean([scores])
        width = float(ends[1] - ends[0])
        assert (low[point], high[point]) == pytest.approx(tuple(ends), abs=0.1 * width)


def test_the_band_of_two_runs_is_the_runs_and_that_of_equals_is_flat() -> None:
    _, low, high = curve_band(np.array([[3.0, 1.0], [5.0, 1.0]]), np.random.default_rng(0))
    assert (low.tolist(), high.tolist()) == ([3.0, 1.0], [5.0, 1.0])


def test_a_band_of_ragged_curves() -> None:
    values = np.array([[NAN, 1.0, 2.0, 4.0], [NAN, NAN, 3.0, 8.0], [NAN, NAN, 5.0, NAN]])
    figure, low, high = curve_band(values, np.random.default_rng(0))
    assert figure == pytest.approx([NAN, 1.0, 10 / 3, 6.0], nan_ok=True)
    assert np.isnan(low).tolist() == [True, True, False, False]
    assert (low[2:] < figure[2:]).all() and (figure[2:] < high[2:]).all()
    again = curve_band(values, np.random.default_rng(0))
    assert np.array_equal(again, np.stack([figure, low, high]), equal_nan=True)
