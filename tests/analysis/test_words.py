"""Verdicts in words, to the letter."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from pgx.analysis.analyse import analyse
from pgx.analysis.model import Analysis
from pgx.analysis.words import (
    chance,
    completeness,
    fixed,
    headline,
    method,
    needed,
    precision,
    sentences,
    spelt,
)
from pgx.stats.bootstrap import Interval
from pgx.study import Place
from tests.support.studies import BUDGET, Levels, level_evidence

NAN = math.nan


def analysed(levels: Levels, **changes: object) -> Analysis:
    return analyse(level_evidence(levels, **changes), resamples=200)


BETTER = {"plain": [1.0] * 8, "fancy": [3.0] * 8}


def test_a_verdict_in_one_sentence() -> None:
    assert headline(analysed({"corridor": BETTER})) == (
        "On corridor, fancy is better than plain (area +2.00 [2.00, 2.00], n = 8 pairs, "
        "p = .00781)."
    )


def test_the_reference_is_named_once_and_the_outlook_is_said() -> None:
    arms = {**BETTER, "worse": [0.5] * 8, "open": [1, 1, 1, 1, 0, 0, 3, 3]}
    assert headline(analysed({"corridor": arms})) == (
        "On corridor, fancy is better than plain (area +2.00 [2.00, 2.00], n = 8 pairs, "
        "p = .0234 after Holm); worse is worse (area -0.500 [-0.500, -0.500], n = 8 pairs, "
        "p = .0234 after Holm); open is undecided at 8 runs (area +0.25 [-0.50, 1.00], "
        "n = 8 pairs, p = .75 after Holm; about 231 would decide)."
    )


def test_many_comparisons_are_counted_and_the_largest_named() -> None:
    here = {"plain": [0.0] * 10, **{f"up{k}": [float(k)] * 10 for k in range(1, 6)}}
    there = {"plain": [0.0] * 10, "up1": [-1.0] * 10, "up2": ["missing"] * 10, "up3": [0.0] * 10}
    assert headline(analysed({"corridor": here, "acrobot-v1": there})) == (
        "On corridor, of 5 arms held against plain, 5 are better (up5, up4, up3, 2 more); on "
        "acrobot-v1, of 5 arms held against plain, 1 is worse (up1), 1 is undecided at 10 runs "
        "(up3) and 3 cannot be compared (up2, up4, up5)."
    )


def test_labels_are_how_arms_are_called() -> None:
    found = analysed({"corridor": BETTER}, labels={"fancy": "Fancy\n(γ = 1)", "plain": "  "})
    assert headline(found).startswith("On corridor, Fancy (γ = 1) is better than plain (")


def test_nothing_to_say_is_said() -> None:
    assert headline(analysed({"corridor": {"plain": ["missing"], "fancy": ["failed"]}})) == (
        "No run of lectures has a score: nothing can be said yet."
    )
    assert headline(analysed({"corridor": {"plain": [1.0]}})) == (
        "plain is the only arm: there is nothing to compare."
    )
    assert headline(analysed({"corridor": {"plain": [1.0], "fancy": ["missing"]}})) == (
        "On corridor, fancy cannot be compared with plain: no finished run here."
    )


def test_one_pair_is_singular_and_can_never_decide() -> None:
    assert headline(analysed({"corridor": {"plain": [1], "fancy": [3]}})) == (
        "On corridor, fancy against plain is undecided at 1 run (area +2.00, n = 1 pair, p = 1; "
        "with 1 pair the smallest possible p is 1: 1 run can never decide)."
    )


def test_every_comparison_and_the_state_of_the_runs() -> None:
    arms = {
        "plain": [0.0] * 7 + ["diverged"],
        "fancy": [1, 1, 1, 1, "missing", "running", "failed", "running"],
    }
    places = {
        name: Place(name, name, BUDGET, low=0.0, high=2.0) for name in ("corridor", "cartpole-v1")
    }
    told = sentences(analysed({"corridor": arms, "cartpole-v1": BETTER}, places=places))
    assert len(told) == 4
    assert told[0].startswith("On corridor, fancy against plain is undecided at 4 runs (area +1.00")
    assert told[1].startswith("On cartpole-v1, fancy is better than plain (area +2.00")
    assert told[2].startswith("Over all 2 environments, IQM of the normalised area: plain 0.250 [")
    assert told[3] == (
        "Of 32 runs asked for, 27 finished, 1 diverged and counts as the worst score, "
        "2 are running, 1 failed and 1 is missing: verdicts may change when they are in."
    )


def test_a_complete_study_says_so() -> None:
    assert completeness(analysed({"corridor": BETTER})) == "All 16 runs finished."
    assert completeness(analysed({"corridor": {"plain": [1.0]}})) == "The one run finished."


def test_the_method_names_its_intervals_tests_and_numbers() -> None:
    told = " ".join(method(analysed({"corridor": BETTER}, metric="final")))
    for words in (
        "primary metric: final, final training return",
        "means of the last 4 training episodes",
        "95% intervals: stratified percentile bootstrap, 200 resamples of the runs, seed 0",
        "sign-flip permutation test on final at 5%, Holm over 1 comparison; area: no verdict",
        "5% holds for a number of seeds that was fixed beforehand; adding seeds until",
        "a diverged run counts as the least of all scores there, of the environment's low",
        "corridor: 1,000",
    ):
        assert words in told


def test_what_a_diverged_run_counts_as_is_said() -> None:
    levels = {"corridor": {"plain": [5, 6], "fancy": [7, "diverged"]}, "acrobot-v1": BETTER}
    told = " ".join(method(analysed(levels)))
    assert "a diverged run counts as 0.0 on corridor: the least of all scores there" in told
    deep = {"corridor": Place("corridor", "corridor", BUDGET, low=-21.0, high=21.0)}
    levels = {"corridor": levels["corridor"]}
    assert "counts as -21.0 on corridor: the least" in " ".join(
        method(analysed(levels, places=deep))
    )


def test_arms_without_a_run_count_in_the_family() -> None:
    levels = {"corridor": {**BETTER, "other": ["missing"] * 8, "third": ["failed"] * 8}}
    found = analysed(levels)
    assert "Holm over 3 comparisons, 2 of them without a pair and counted as p = 1;" in " ".join(
        method(found)
    )
    assert "n = 8 pairs, p = .0234 after Holm" in headline(found)
    excluded = (("plain", "lake", "no"),)
    nowhere = {**levels, "lake": {"fancy": [1.0] * 8}}
    assert "Holm over 3 comparisons" in " ".join(method(analysed(nowhere, excluded=excluded)))


def test_an_arm_whose_runs_all_diverged_is_not_shown_as_measured() -> None:
    levels = {"corridor": {"plain": [40.0] * 8, "frozen": ["diverged"] * 8}}
    assert headline(analysed(levels)) == (
        "On corridor, frozen is worse than plain (area -40.0, n = 8 pairs, p = .00781, all its "
        "runs diverged)."
    )
    against = headline(analysed(levels, reference="frozen"))
    assert against.endswith("p = .00781, all runs of frozen diverged).")
    both = {"corridor": {"a": ["diverged"] * 8, "b": ["diverged"] * 8, "c": [1.0] * 8}}
    assert "b against a is undecided at 8 runs (area 0.0, n = 8 pairs, p = 1 after Holm, all" in (
        headline(analysed(both)).replace("+0.0", "0.0")
    )


@pytest.mark.parametrize(
    ("values", "decimals"),
    [
        ([12_345.6, 1], 0),
        ([-1_200.0], 1),
        ([57.3, NAN], 1),
        ([9.99], 2),
        ([0.5], 3),
        ([0.0123], 4),
        ([1e-12], 6),
        ([0.0], 1),
        ([], 1),
    ],
)
def test_decimals_follow_the_largest(values: list[float], decimals: int) -> None:
    assert precision(values) == decimals


def test_numbers_are_spelt() -> None:
    assert fixed(-0.04, 1) == "0.0" and fixed(-1234.56, 1, signed=True) == "-1,234.6"
    assert fixed(NAN, 1) == "–"
    assert spelt(Interval(57.31, 41.2, 73.14, 20), signed=True) == "+57.3 [41.2, 73.1]"
    assert spelt(Interval(57.31, NAN, NAN, 1)) == "57.3"
    assert spelt(Interval(NAN, NAN, NAN, 0)) == "–"
    assert chance(Interval(0.968, 0.93, 1.0, 20)) == ".97 [.93, 1.00]"
    assert chance(Interval(1.0, NAN, NAN, 1)) == "1.00"


def test_runs_needed_are_never_fewer_than_there_are() -> None:
    rng = np.random.default_rng(3)
    found = analysed({"corridor": {"plain": [0.0] * 20, "open": list(rng.normal(0.3, 1, 20))}})
    one = found.primary.comparisons[0]
    assert one.verdict.word == "undecided" and needed(one) == f"{one.verdict.needed:,}"
    few = replace(one, verdict=replace(one.verdict, needed=12))
    assert needed(few) == ">20"
    assert needed(replace(one, verdict=replace(one.verdict, word="better"))) == "–"
