"""Whole analyses against rliable, and how often they are wrong between equals."""

from __future__ import annotations

import numpy as np
import pytest

from pgx.analysis.analyse import analyse
from pgx.study import Place
from tests.support.oracles import library, metrics
from tests.support.studies import BUDGET, Levels, level_evidence

FIGURES = {
    "iqm": metrics.aggregate_iqm,
    "mean": metrics.aggregate_mean,
    "median": metrics.aggregate_median,  # of the environments' means
}


def rliables(scores: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Figures ``[3]`` and their ends ``[2, 3]`` of scores ``[n, M]``."""
    np.random.seed(seed)  # noqa: NPY002 - rliable draws from the global state
    found, ends = library.get_interval_estimates(
        {"arm": scores}, lambda x: np.array([f(x) for f in FIGURES.values()]), reps=4_000
    )
    return found["arm"], ends["arm"]


def test_figures_over_all_environments_are_rliables() -> None:
    rng = np.random.default_rng(12)
    raw = rng.gamma(2.0, 10.0, size=(9, 3))  # runs, environments
    names, lows, highs = ("one", "two", "three"), np.array([0.0, -5, 2]), np.array([50.0, 45, 70])
    levels: Levels = {
        name: {"plain": list(raw[:, k]), "fancy": list(raw[::-1, k] + 1)}
        for k, name in enumerate(names)
    }
    places = {
        name: Place(name, name, BUDGET, low=lows[k], high=highs[k]) for k, name in enumerate(names)
    }
    found = analyse(level_evidence(levels, places=places)).aggregates["plain"]
    figures, ends = rliables((raw - lows) / (highs - lows), 5)
    for k, name in enumerate(FIGURES):
        width = ends[1, k] - ends[0, k]
        assert found[name].estimate == pytest.approx(figures[k], rel=1e-12), name
        assert found[name].low == pytest.approx(ends[0, k], abs=0.06 * width), name
        assert found[name].high == pytest.approx(ends[1, k], abs=0.06 * width), name
        assert found[name].runs == 27


def test_figures_of_one_environment_are_rliables() -> None:
    raw = np.random.default_rng(13).gamma(2.0, 10.0, size=(11, 1))
    levels: Levels = {"corridor": {"plain": list(raw[:, 0]), "fancy": [1.0] * 11}}
    found = analyse(level_evidence(levels)).primary.summaries[0].figures
    figures, ends = rliables(raw, 6)
    for k, name in ((0, "iqm"), (1, "mean")):
        width = ends[1, k] - ends[0, k]
        assert found[name].estimate == pytest.approx(figures[k], rel=1e-12), name
        assert found[name].low == pytest.approx(ends[0, k], abs=0.06 * width), name
        assert found[name].high == pytest.approx(ends[1, k], abs=0.06 * width), name


def test_between_equals_at_most_7_percent_of_studies_have_a_verdict() -> None:
    """100 studies of three arms like the reference: 300 comparisons of skewed, paired runs."""
    rng, wrong, small = np.random.default_rng(14), 0, 0
    for _ in range(100):
        luck = rng.normal(size=10)  # of a seed, the same for all arms
        arms = {arm: list(luck + rng.exponential(2.0, size=10)) for arm in "abcd"}
        found = analyse(level_evidence({"corridor": arms}), resamples=5).primary.comparisons
        wrong += any(one.verdict.word != "undecided" for one in found)
        small += sum(one.verdict.p <= 0.05 for one in found)
    assert wrong <= 7
    assert 5 <= small <= 25  # of 300: the test itself is not asleep
