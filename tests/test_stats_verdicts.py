"""Tests, verdicts and whole comparisons: by hand, by scipy, and by how often they are wrong."""

from __future__ import annotations

import itertools
import math
import time

import numpy as np
import pytest
from scipy import stats as scipy_stats

from pgx.stats.aggregates import interquartile_mean, mean, median
from pgx.stats.bootstrap import intervals
from pgx.stats.comparison import aggregate, compare, settle, summarise
from pgx.stats.curves import align, area, common_grid, final
from pgx.stats.significance import (
    EXACT,
    holm,
    least_runs,
    runs_needed,
    sign_flip,
    smallest_p,
)
from pgx.stats.verdicts import UNTESTED, shown, verdicts

NAN = math.nan


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def run_scores(*scores: float) -> dict[int, float]:
    return dict(enumerate(scores))


@pytest.mark.parametrize(
    ("differences", "p"),
    [
        ([1, 2, 3], 2 / 8),  # |sums| 6, 4, 2, 0, and their mirror images
        ([1, 2, -3], 1.0),
        ([3, 2, -1], 4 / 8),  # 4: 6 and 4 reach it
        ([1, 1, 1, 1, 1], 0.0625),
        ([0.1, 0.2, 0.3], 2 / 8),  # the same whatever rounding does to the sums
        ([5], 1.0),
        ([0, 0, 0], 1.0),
        ([0, 1, 2, 3], 2 / 8),  # a tie says nothing
    ],
)
def test_sign_flips_worked_by_hand(differences: list[float], p: float) -> None:
    assert sign_flip(np.array(differences), rng()) == p
    assert sign_flip(-np.array(differences), rng()) == p


def slow_sign_flip(differences: np.ndarray) -> float:
    observed = abs(differences.sum()) * (1 - 1e-12)
    signs = itertools.product([1, -1], repeat=len(differences))
    return float(np.mean([abs((differences * s).sum()) >= observed for s in signs]))


@pytest.mark.parametrize("pairs", [1, 2, 4, 7, 9])
def test_sign_flips_are_their_slow_twin_and_scipys(pairs: int) -> None:
    ours, theirs = rng(pairs).normal(0.5, 1, pairs), rng(pairs + 50).normal(size=pairs)
    found = sign_flip(ours - theirs, rng())
    assert found == slow_sign_flip(ours - theirs)
    if pairs > 1:
        oracle = scipy_stats.permutation_test(
            (ours, theirs),
            lambda x, y, axis: np.mean(x - y, axis=axis),
            permutation_type="samples",
            n_resamples=np.inf,
            vectorized=True,
        )
        assert found == pytest.approx(oracle.pvalue, abs=1e-12)


@pytest.mark.parametrize("pairs", [EXACT + 1, 40])
def test_drawn_signs_come_close_to_a_paired_t_test(pairs: int) -> None:
    differences = rng(pairs).normal(0.3, 1, pairs)
    found = sign_flip(differences, rng(1))
    assert found == sign_flip(differences, rng(1)) != sign_flip(differences, rng(2))
    assert found == pytest.approx(scipy_stats.ttest_1samp(differences, 0).pvalue, abs=0.02)


def test_drawn_signs_agree_with_all_of_them_and_never_say_zero() -> None:
    differences = rng(3).normal(0.4, 1, EXACT)
    padded = np.append(differences, 0.0)  # one more pair, a tie: the same distribution, drawn
    assert sign_flip(padded, rng()) == pytest.approx(sign_flip(differences, rng()), abs=0.015)
    assert sign_flip(np.ones(200), rng()) == 1 / 10_001 == smallest_p(200)
    assert sign_flip(np.zeros(200), rng()) == 1.0


@pytest.mark.parametrize("pairs", range(1, EXACT + 1))
def test_the_smallest_p_is_reached_by_equal_signs(pairs: int) -> None:
    assert sign_flip(rng(pairs).uniform(1, 2, pairs), rng()) == smallest_p(pairs)


def test_runs_below_which_nothing_is_decided() -> None:
    assert [smallest_p(n) for n in (1, 5, 6)] == [1.0, 0.0625, 0.03125]
    assert least_runs(0.05) == 6
    assert least_runs(0.0625) == 5
    assert least_runs(0.05 / 4) == 8  # 2^-7 = .0078


@pytest.mark.parametrize("differences", [[], [[1.0]], [1.0, NAN], [math.inf]])
def test_differences_that_make_no_sense(differences: list[float]) -> None:
    with pytest.raises(ValueError, match=r"expected \[n\]|must be finite"):
        sign_flip(np.array(differences), rng())


def test_holm_worked_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]).tolist() == [1.0, 1.0]
    assert holm([0.04]).tolist() == [0.04]
    assert holm([]).tolist() == []
    with pytest.raises(ValueError, match="between 0 and 1"):
        holm([0.5, NAN])


def test_holm_rejects_what_its_steps_reject() -> None:
    for seed in range(50):
        p = rng(seed).uniform(0, 0.1, 7)
        order, rejected = np.argsort(p), set()
        for step, index in enumerate(order):  # as the paper writes it: stop at the first failure
            if p[index] > 0.05 / (7 - step):
                break
            rejected.add(int(index))
        assert set(np.flatnonzero(holm(p) <= 0.05)) == rejected


def test_runs_needed_worked_by_hand() -> None:
    differences = np.array([0.0, 2.0])  # mean 1, sd √2: (1.959964 + .841621)²·2 + 1.92 = 17.6
    assert runs_needed(differences) == 18
    assert runs_needed(np.array([1.0, 1.0, 1.0])) == 6  # no spread: what 2^-(n-1) needs
    assert runs_needed(np.array([1.0, -1.0])) is None
    assert runs_needed(np.array([1.0])) is None
    assert runs_needed(differences, 0.05 / 4) > 18


def test_the_runs_needed_find_the_difference_four_times_in_five() -> None:
    effect = np.array([-0.2, 1.8]) / np.std([-0.2, 1.8], ddof=1)  # mean .57 standard deviations
    runs = runs_needed(effect)
    assert runs is not None
    samples = rng(1).normal(effect.mean(), 1.0, size=(400, runs))
    found = np.mean([sign_flip(sample, rng(2), 1_000) <= 0.05 for sample in samples])
    assert found == pytest.approx(0.8, abs=0.05)


def test_five_runs_can_never_decide_and_say_so() -> None:
    (found,) = verdicts([np.full(5, 100.0)], rng())
    assert str(found) == "undecided at 5 runs"
    assert found.reason == (
        "with 5 pairs the smallest possible p is .0625: 5 runs can never decide"
    )
    assert (found.p, found.p_adjusted, found.needed) == (0.0625, 0.0625, 6)


def test_six_runs_decide_alone_but_never_in_a_family() -> None:
    differences = rng().uniform(1, 2, 6)
    better, worse = (verdicts([sign * differences], rng())[0] for sign in (1, -1))
    assert (str(better), str(worse)) == ("better", "worse")
    assert better.reason == "p .0312"
    family = verdicts([differences] * 4, rng())
    assert {str(found) for found in family} == {"undecided at 6 runs"}
    assert (better.needed, family[0].needed) == (6, 8)  # 2^-7 is below .05 / 4
    assert family[0].reason == (
        "with 6 pairs the smallest possible p is .0312, .125 after Holm over 4 comparisons: "
        "6 runs can never decide"
    )


def test_a_difference_in_the_noise_is_undecided_with_the_runs_it_needs() -> None:
    (found,) = verdicts([np.array([3.0, -2.0, 1.0, 4.0, -3.0, 2.0, -1.0, 2.0])], rng())
    assert str(found) == "undecided at 8 runs"
    assert found.needed is not None and found.needed > 8
    assert found.reason == f"p {shown(found.p)}; about {found.needed} runs would be needed"


def test_ties_and_missing_pairs_are_said() -> None:
    tied, equal, none, one = verdicts(
        [np.array([0, 0, 1.0, 2, 3, 4]), np.zeros(8), np.array([]), np.array([2.0])], rng()
    )
    assert tied.reason.startswith("with 6 pairs, 2 of them tied, the smallest possible p is .125,")
    assert tied.reason.endswith("over 4 comparisons: these runs can never decide")
    assert (equal.reason, equal.p, equal.needed) == ("every difference is 0", 1.0, None)
    assert none is UNTESTED and math.isnan(none.p)
    assert one.reason.startswith("with 1 pair the smallest possible p is 1")
    assert one.reason.endswith(": 1 run can never decide")
    assert all(found.word == "undecided" for found in (tied, equal, none, one))


def test_a_comparison_does_not_depend_on_which_others_there_are_but_through_holm() -> None:
    first, second = rng(1).normal(0.5, 1, 30), rng(2).normal(0.1, 1, 25)
    alone, among = verdicts([first], rng())[0], verdicts([second, first], rng())[1]
    assert alone.p == among.p
    assert alone.p_adjusted <= among.p_adjusted


@pytest.mark.parametrize(
    ("p", "text"), [(0.0625, ".0625"), (0.03125, ".0312"), (1.0, "1"), (1e-5, "<.0001")]
)
def test_p_values_are_shown_short(p: float, text: str) -> None:
    assert shown(p) == text


def arms_alike(shape: str, pairs: int, seed: int) -> np.ndarray:
    """Differences ``[1000, n]`` of an arm and itself, of runs that are far from normal."""
    generator, size = rng(seed), (2, 1_000, pairs)
    draws = {
        "normal": lambda: generator.normal(size=size),
        "skewed": lambda: generator.lognormal(0.0, 1.5, size),
        "two modes": lambda: generator.normal(size=size) + 20 * (generator.random(size) < 0.3),
    }
    ours, theirs = draws[shape]()
    return ours - theirs


@pytest.mark.parametrize("shape", ["normal", "skewed", "two modes"])
@pytest.mark.parametrize("pairs", [5, 10, 20])
def test_at_most_seven_percent_of_a_thousand_verdicts_between_equals_are_false(
    shape: str, pairs: int
) -> None:
    false = 0
    for seed, differences in enumerate(arms_alike(shape, pairs, pairs)):
        (found,) = verdicts([differences], rng(seed), flips=2_000)
        false += found.word != "undecided"
    assert false <= 70
    assert (false == 0) == (pairs == 5)


def test_a_family_of_four_between_equals_is_wrong_no_more_often() -> None:
    false = 0
    for differences in arms_alike("skewed", 10 * 4, 9)[:500]:
        found = verdicts(list(differences.reshape(4, 10)), rng())
        false += any(verdict.word != "undecided" for verdict in found)
    assert 0 < false <= 35


def test_intervals_would_give_more_false_verdicts_than_the_test() -> None:
    false = 0
    for seed, differences in enumerate(arms_alike("normal", 5, 3)):
        found = intervals([differences], {"mean": mean}, rng(seed), 1_000)["mean"]
        false += not found.low <= 0 <= found.high
    assert false > 100  # why a verdict is not read off an interval


def test_a_diverged_run_counts_as_the_worst_and_a_missing_one_is_named() -> None:
    settled = settle({"a": {0: 5.0, 1: NAN, 2: 7.0}, "b": {0: 3.0, 2: math.inf, 3: 9.0}})
    assert settled["a"].scores == {0: 5.0, 1: 3.0, 2: 7.0}
    assert settled["b"].scores == {0: 3.0, 2: 3.0, 3: 9.0}
    assert (settled["a"].diverged, settled["a"].missing) == ((1,), (3,))
    assert (settled["b"].diverged, settled["b"].missing) == ((2,), (1,))
    assert settled["a"].floor == settled["b"].floor == 3.0


def test_a_crash_makes_no_other_p_smaller() -> None:
    base = {"base": run_scores(*range(8)), "arm": run_scores(*range(1, 9))}
    crashed = {"maze": {**base, "other": {}, "third": {}}}
    whole = {"maze": {**base, "other": run_scores(*range(8)), "third": run_scores(*range(8))}}
    for environments in (crashed, whole):
        verdict = compare(environments, "base", rng(), count=100)[0].verdict
        assert (verdict.p, verdict.p_adjusted) == (2 / 2**8, 3 * 2 / 2**8)
    assert [r.verdict for r in compare(crashed, "base", rng(), count=100)[1:]] == [UNTESTED] * 2


def test_untested_comparisons_count_as_p_1() -> None:
    steep, flat = np.arange(1.0, 9.0), np.array([1.0, -1, 2, -2, 3, -3, 4, 4])
    found = verdicts([steep, np.array([]), flat], rng())
    assert found[0].p_adjusted == 3 * found[0].p  # smallest of three
    assert found[2].p_adjusted == min(2 * found[2].p, 1.0) > found[2].p  # before the p of 1
    assert found[1] is UNTESTED


def test_a_floor_that_is_less_is_what_a_diverged_run_counts_as() -> None:
    arms = {"a": {0: 41.0, 1: NAN}, "b": {0: 40.0, 1: 43.0}}
    assert settle(arms)["a"].scores == settle(arms, 50.0)["a"].scores == {0: 41.0, 1: 40.0}
    assert settle(arms, 22.0)["a"].scores == {0: 41.0, 1: 22.0}
    assert settle(arms, 22.0)["b"].scores == {0: 40.0, 1: 43.0}  # what was measured stays
    floors = {"maze": 22.0}
    summary = summarise({"maze": arms}, rng(), 100, floors)[0]
    assert (summary.figures["mean"].estimate, summary.settled.floor) == (31.5, 22.0)
    (found,) = compare({"maze": arms}, "b", rng(), count=100, floors=floors)
    assert found.difference.estimate == (1.0 - 21.0) / 2
    assert settle({"a": {0: NAN}}, 22.0)["a"].scores == {}  # no run was measured at all


def test_an_arm_that_froze_early_does_not_tie_with_a_good_reference() -> None:
    arms = {"base": run_scores(*[40.1] * 8), "frozen": run_scores(*[NAN] * 8)}
    before = compare({"maze": arms}, "base", rng(), count=100)[0]
    assert before.verdict.reason == "all its runs diverged; every difference is 0"
    after = compare({"maze": arms}, "base", rng(), count=100, floors={"maze": 22.0})[0]
    assert after.verdict.word == "worse"
    assert after.difference.estimate == pytest.approx(-18.1)
    assert after.verdict.reason == "all its runs diverged; p .00781"


def test_where_all_runs_diverged_there_is_no_interval() -> None:
    arms = {"base": run_scores(5.0, 6.0), "lost": run_scores(NAN, NAN), "gone": run_scores(NAN)}
    base, lost, gone = summarise({"maze": arms}, rng(), 100)
    assert (base.settled.lost, lost.settled.lost, gone.settled.lost) == (False, True, True)
    assert math.isfinite(base.figures["iqm"].low)
    for figure in lost.figures.values():
        assert (figure.estimate, figure.runs) == (5.0, 2)
        assert math.isnan(figure.low) and math.isnan(figure.high)
    theirs = compare({"maze": arms}, "lost", rng(), count=100)
    assert [row.verdict.reason.partition(";")[0] for row in theirs] == [
        "all runs of lost diverged",
        "all runs of both diverged",
    ]
    for row in theirs:
        assert math.isfinite(row.difference.estimate) and math.isnan(row.difference.low)
        assert math.isnan(row.improvement.high)
    assert not settle({"a": {}, "b": {0: 1.0}})["a"].lost


def test_divergence_never_helps() -> None:
    good, base = rng(1).uniform(10, 11, 8), rng(2).uniform(9, 9.5, 8)
    sound = {"maze": {"base": run_scores(*base), "arm": run_scores(*good)}}
    (before,) = compare(sound, "base", rng(), count=100)
    lost = {"maze": {**sound["maze"], "arm": run_scores(*good[:5], NAN, NAN, NAN)}}
    (after,) = compare(lost, "base", rng(), count=100)
    assert str(before.verdict) == "better"
    assert after.verdict.word == "undecided"
    assert after.ours.diverged == (5, 6, 7)
    assert after.difference.runs == 8
    assert after.difference.estimate < before.difference.estimate


def test_summaries_worked_by_hand() -> None:
    arms = {"a": run_scores(1.0, 2.0, 4.0, 9.0, 100.0), "b": {7: 3.0}}
    first, second = summarise({"maze": arms}, rng())
    assert (first.arm, first.environment, second.arm) == ("a", "maze", "b")
    assert {name: x.estimate for name, x in first.figures.items()} == {
        "iqm": 5.0,
        "mean": 23.2,
        "median": 4.0,
    }
    assert all(x.runs == 5 and x.low < x.estimate < x.high for x in first.figures.values())
    assert all(x.runs == 1 and math.isnan(x.low) for x in second.figures.values())
    assert second.settled.missing == (0, 1, 2, 3, 4)
    statistics = {"iqm": interquartile_mean, "mean": mean, "median": median}
    own = np.random.default_rng(int(rng().integers(2**63)))
    assert first.figures == intervals([np.array([1.0, 2, 4, 9, 100])], statistics, own)


def test_an_arms_digits_do_not_depend_on_its_neighbours() -> None:
    arms = {name: run_scores(*rng(i).normal(i, 1, 7 + i)) for i, name in enumerate("abc")}
    alone = summarise({"maze": {"b": arms["b"]}}, rng(), 500)[0]
    among = summarise({"maze": arms}, rng(), 500)[1]
    assert alone.figures == among.figures
    pair = {"maze": {name: arms[name] for name in "ac"}}
    alone_pair, among_pair = compare(pair, "a", rng())[0], compare({"maze": arms}, "a", rng())[1]
    assert alone_pair.difference == among_pair.difference
    assert alone_pair.improvement == among_pair.improvement


def test_a_comparison_worked_by_hand() -> None:
    arms = {"base": {1: 1.0, 2: 2.0, 3: 3.0}, "arm": {3: 2.0, 2: 4.0, 4: 2.0}}
    (found,) = compare({"maze": arms}, "base", rng())
    assert (found.arm, found.against, found.environment) == ("arm", "base", "maze")
    assert (found.difference.estimate, found.difference.runs) == (0.5, 2)  # seeds 2 and 3
    assert (found.difference.low, found.difference.high) == (-1.0, 2.0)
    assert found.improvement.estimate == 6 / 9  # 2, 4, 2 against 1, 2, 3
    assert found.unpaired == (1, 4)
    assert found.verdict.pairs == 2


def test_each_verdict_is_reached_by_a_comparison() -> None:
    base = rng(1).normal(100, 1, 10)
    arms = {
        "base": run_scores(*base),
        "up": run_scores(*(base + rng(2).uniform(1, 3, 10))),
        "down": run_scores(*(base - rng(3).uniform(1, 3, 10))),
        "same": run_scores(*(base + rng(4).normal(0, 1, 10))),
    }
    found = {x.arm: str(x.verdict) for x in compare({"maze": arms}, "base", rng(), count=100)}
    assert found == {"up": "better", "down": "worse", "same": "undecided at 10 runs"}


def test_arms_that_cannot_be_compared_are_there_and_count_in_the_family() -> None:
    rows = compare(
        {
            "maze": {"base": run_scores(*range(8)), "arm": run_scores(*range(1, 9))},
            "void": {"base": {0: NAN}, "arm": {0: NAN}},
            "lake": {"arm": run_scores(1.0, 2.0)},
            "hill": {"base": {0: 1.0}, "arm": {1: 2.0}},
        },
        "base",
        rng(),
        count=100,
    )
    reasons = {row.environment: row.verdict.reason for row in rows}
    assert reasons == {
        "maze": "p .00781, .0234 after Holm over 3 comparisons",  # base was not wanted at the lake
        "void": "no run of any arm has a score here",
        "lake": "base has no run here",
        "hill": "no seed is in both arms",
    }
    assert math.isnan(rows[1].difference.estimate) and rows[1].ours.diverged == (0,)
    assert rows[3].improvement.estimate == 1.0
    summaries = summarise({"void": {"arm": {0: NAN}}}, rng(), 100)
    assert summaries[0].figures["iqm"].runs == 0


def test_nothing_to_compare_is_an_error() -> None:
    for environments in ({}, {"maze": {"base": {0: 1.0}}}, {"maze": {"arm": {0: 1.0}}}):
        with pytest.raises(ValueError, match="no environment has base and another arm"):
            compare(environments, "base", rng())
    with pytest.raises(ValueError, match="arm has no run in maze"):
        summarise({"maze": {"arm": {}}}, rng())


def test_no_aggregate_across_environments_without_normalisation() -> None:
    environments = {"maze": run_scores(0.0, 10.0), "hill": run_scores(-200.0, -100.0, -150.0)}
    with pytest.raises(ValueError, match="without normalisation: hill, maze"):
        aggregate(environments, {}, rng())
    with pytest.raises(ValueError, match="without normalisation: hill needs"):
        aggregate(environments, {"maze": (0.0, 10.0)}, rng())
    found = aggregate(environments, {"maze": (0.0, 10.0), "hill": (-200.0, 0.0)}, rng())
    # maze 0, 1; hill 0, ½, ¼: a quarter of 5 is one run at either end
    assert found["iqm"].estimate == 0.25
    assert found["mean"].estimate == found["median"].estimate == 0.375
    assert {x.runs for x in found.values()} == {5}


def test_two_hundred_runs_of_two_thousand_episodes_take_less_than_ten_seconds() -> None:
    generator, began = rng(), time.perf_counter()
    arms: dict[str, dict[int, float]] = {f"arm{i}": {} for i in range(20)}
    grid = common_grid([400_000] * 200)
    for arm, scores in arms.items():
        for seed in range(10):
            ended = np.sort(generator.integers(0, 400_000, 2_000))
            curve = align(ended, generator.normal(size=2_000), grid, 100, 400_000)
            scores[seed] = float(area(grid, curve[None])[0])
            assert math.isfinite(final(ended, np.ones(2_000), 100, 400_000)), arm
    assert len(summarise({"maze": arms}, rng())) == 20
    assert len(compare({"maze": arms}, "arm0", rng())) == 19
    assert time.perf_counter() - began < 10.0
