"""Analyses of small studies, worked by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from pgx.analysis.analyse import analyse
from pgx.analysis.model import Analysis, Measure
from pgx.analysis.numbers import numbers
from pgx.errors import ConfigError
from pgx.stats.comparison import Comparison, Summary
from pgx.study import Place
from tests.support.studies import BUDGET, STEP, level_evidence, level_part, level_run

COUNT = 200  #: resamples, where digits of intervals do not matter


def summary(measure: Measure, arm: str, place: str = "corridor") -> Summary:
    return next(s for s in measure.summaries if (s.arm, s.environment) == (arm, place))


def comparison(measure: Measure, arm: str, place: str = "corridor") -> Comparison:
    return next(c for c in measure.comparisons if (c.arm, c.environment) == (arm, place))


def test_a_study_worked_by_hand() -> None:
    levels = {"corridor": {"plain": [1, 2, 3, 4, 5, 6, 7], "fancy": [2, 4, 6, 8, 10, 12, 14]}}
    found = analyse(level_evidence(levels))
    assert found.against == "plain" and found.primary.metric == "area"
    for measure in (found.primary, *found.secondary):
        figures = summary(measure, "fancy").figures
        assert [figures[name].estimate for name in ("iqm", "mean", "median")] == [8, 8, 8]
        one = comparison(measure, "fancy")
        assert one.difference.estimate == 4  # of the differences 1 … 7
        # of the 49 pairs of runs, theirs is ahead in 6 + 5 + … while 2, 4 and 6 tie
        wins = sum((x > y) + (x == y) / 2 for x in range(2, 15, 2) for y in range(1, 8))
        assert one.improvement.estimate == pytest.approx(wins / 49)
        assert one.difference.runs == 7
    verdict = comparison(found.primary, "fancy").verdict
    assert (verdict.word, verdict.p, verdict.p_adjusted) == ("better", 2 / 2**7, 2 / 2**7)
    assert [m.metric for m in found.secondary] == ["final"]
    secondary = comparison(found.secondary[0], "fancy").verdict
    assert secondary.word == "undecided" and math.isnan(secondary.p)
    assert secondary.reason == "verdicts are about the primary metric"


def test_the_metric_of_the_study_is_the_one_that_verdicts_are_about() -> None:
    evidence = level_evidence({"corridor": {"plain": [1] * 6, "fancy": [2] * 6}}, metric="final")
    found = analyse(evidence, resamples=COUNT)
    assert found.primary.metric == "final" and [m.metric for m in found.secondary] == ["area"]
    assert comparison(found.primary, "fancy").verdict.word == "better"


def test_area_and_final_are_of_the_common_grid() -> None:
    evidence = level_evidence({"corridor": {"plain": [1.0], "fancy": [1.0]}}, last=1)
    steps = np.arange(1, 21)  # twice the budget of the other, returns rise by 1 per episode
    long = replace(
        level_run("fancy", "corridor", 0, 1.0, episodes=20), returns=steps.astype(np.float64)
    )
    found = analyse(replace(evidence, runs=(evidence.runs[0], long)), resamples=COUNT)
    grid = found.curves["corridor"]["fancy"].grid
    assert grid[-1] == BUDGET and len(grid) == 101  # 10 decisions apart
    assert summary(found.secondary[0], "fancy").settled.scores[0] == 10  # of the 10th, not the 20th
    # 1 over the first two episodes' decisions, then k from the end of episode k: steps of 10 points
    values = [1.0] * 20 + [float(k) for k in range(2, 10) for _ in range(10)] + [10.0]
    assert summary(found.primary, "fancy").settled.scores[0] == pytest.approx(
        np.trapezoid(values, grid) / BUDGET
    )
    assert any("took 1,000 to 2,000 decisions" in note for note in found.notes)


def test_a_diverged_run_counts_as_the_worst_and_so_does_its_curve() -> None:
    levels = {"corridor": {"plain": [5, 6, 7, 8], "fancy": [9, 10, 11, "diverged"]}}
    evidence = level_evidence(levels)
    good = replace(evidence.runs[-1], returns=np.full(3, 20.0))  # nothing to hold against it
    found = analyse(replace(evidence, runs=(*evidence.runs[:-1], good)), resamples=COUNT)
    settled = summary(found.primary, "fancy").settled
    assert settled.scores == {0: 9, 1: 10, 2: 11, 3: 5} and settled.diverged == (3,)
    assert found.counts["corridor"]["fancy"] == {"diverged": (3,), "finished": (0, 1, 2)}
    curves = found.curves["corridor"]["fancy"]
    stopped = np.searchsorted(curves.grid, 3 * STEP, side="right")
    assert (curves.values[3, 10:stopped] == 20).all()  # as recorded
    assert (curves.values[3, stopped:] == 5).all()  # as the worst of those that went on
    assert curves.ragged.tolist() == [False, False, False, True]
    assert curves.runs[-1] == 4


def test_a_diverged_run_counts_as_no_more_than_it_had_or_than_the_low() -> None:
    levels = {"corridor": {"plain": [5, 6, 7, 8], "fancy": [9, 10, 11, "diverged"]}}
    evidence = level_evidence(levels)
    returns = np.array([9.0, 4.0, math.nan, 2.0, 3.0, 1.0])  # the last four that are numbers: 2.5
    frozen = replace(evidence.runs[-1], returns=returns, decisions=STEP // 2 * np.arange(1, 7))
    evidence = replace(evidence, runs=(*evidence.runs[:-1], frozen))
    found = analyse(evidence, resamples=COUNT)
    for measure in (found.primary, *found.secondary):
        assert summary(measure, "fancy").settled.scores[3] == 2.5
        assert summary(measure, "plain").settled.floor == 2.5
    assert found.curves["corridor"]["fancy"].values[3, -1] == 2.5
    assert found.profiles["corridor"]["plain"].thresholds[0] < 2.5
    for low, floor in ((-3.0, -3.0), (4.0, 2.5)):
        places = {"corridor": Place("corridor", "corridor", BUDGET, low, 10.0)}
        study = replace(evidence.study, places=places)
        found = analyse(replace(evidence, study=study), resamples=COUNT)
        assert summary(found.primary, "fancy").settled.scores[3] == floor
        assert found.curves["corridor"]["fancy"].values[3, -1] == floor


def test_an_arm_whose_runs_all_diverged_has_no_intervals() -> None:
    runs = {"plain": [5, 6, 7, 8], "fancy": ["diverged"] * 4}
    both = places(one=(0, 10), two=(-5, 5))
    levels = {"one": runs, "two": {"plain": [1, 2, 3, 4], "fancy": [1, 2, 3, 4]}}
    found = analyse(level_evidence(levels, places=both), resamples=COUNT)
    for figure in summary(found.primary, "fancy", "one").figures.values():
        assert figure.estimate == 0 and figure.runs == 4 and math.isnan(figure.low)
    one = comparison(found.primary, "fancy", "one")
    assert one.difference.estimate == -6.5 and math.isnan(one.difference.high)
    assert one.verdict.reason.startswith("all its runs diverged; with 4 pairs")
    line, *ends = found.bands["one"]["fancy"]
    stopped = np.searchsorted(found.curves["one"]["fancy"].grid, 3 * STEP, side="right")
    assert np.isfinite(line[10:]).all() and np.isnan(np.array(ends)[:, stopped:]).all()
    assert np.isfinite(np.array(ends)[:, 10:stopped]).all()  # they were still measured there
    assert np.isfinite(found.bands["one"]["plain"][:, 10:]).all()
    profile = found.profiles["one"]["fancy"]
    assert np.isfinite(profile.share).all() and np.isnan(profile.low).all()
    assert math.isnan(found.aggregates["fancy"]["iqm"].low)
    assert "fancy has no interval over all environments: all its runs on one diverged" in (
        found.notes
    )
    assert math.isfinite(found.aggregates["plain"]["iqm"].low)


def test_a_band_ends_at_the_final_figure() -> None:
    levels = {"corridor": {"plain": [5, 6, 7, 8, 1], "fancy": [9, 3, "diverged", "diverged", 2]}}
    found = analyse(level_evidence(levels))
    final = found.secondary[0]
    for arm in ("plain", "fancy"):
        iqm = summary(final, arm).figures["iqm"]
        band = found.bands["corridor"][arm][:, -1]
        assert band[0] == iqm.estimate
        assert band[1:] == pytest.approx([iqm.low, iqm.high], abs=0.5)  # other resamples


@pytest.mark.parametrize("status", ["failed", "interrupted", "running", "missing"])
def test_runs_that_did_not_end_do_not_count_and_are_shown(status: str) -> None:
    levels = {"corridor": {"plain": [5, 6, 7], "fancy": [9, status, 11]}}
    found = analyse(level_evidence(levels), resamples=COUNT)
    assert summary(found.primary, "fancy").settled.scores == {0: 9, 2: 11}
    assert summary(found.primary, "fancy").settled.missing == (1,)
    assert found.counts["corridor"]["fancy"][status] == (1,)
    one = comparison(found.primary, "fancy")
    assert one.verdict.pairs == 2 and one.unpaired == (1,)


def test_an_arm_without_a_run_is_there_with_a_reason() -> None:
    levels = {"corridor": {"plain": [5, 6], "fancy": ["missing"] * 2, "other": [7, 8]}}
    found = analyse(level_evidence(levels), resamples=COUNT)
    assert [s.arm for s in found.primary.summaries] == ["plain", "fancy", "other"]
    assert math.isnan(summary(found.primary, "fancy").figures["iqm"].estimate)
    one = comparison(found.primary, "fancy")
    assert (one.verdict.word, one.verdict.reason) == ("undecided", "no finished run here")
    assert "fancy" not in found.profiles["corridor"]
    assert comparison(found.primary, "other").verdict.pairs == 2


def test_a_reference_without_a_run_is_said() -> None:
    levels = {"corridor": {"plain": ["failed"] * 3, "fancy": [1, 2, 3]}}
    found = analyse(level_evidence(levels), resamples=COUNT)
    assert comparison(found.primary, "fancy").verdict.reason == "plain has no run here"
    assert summary(found.primary, "fancy").figures["mean"].estimate == 2


def test_nothing_finished_anywhere() -> None:
    for status in ("missing", "diverged", "failed"):
        found = analyse(level_evidence({"corridor": {"plain": [status], "fancy": [status]}}))
        assert comparison(found.primary, "fancy").verdict.word == "undecided"
        assert found.profiles["corridor"] == {}
        assert math.isnan(summary(found.primary, "plain").figures["iqm"].estimate)


def test_one_run_has_a_figure_and_no_interval() -> None:
    found = analyse(level_evidence({"corridor": {"plain": [1], "fancy": [3]}}), resamples=COUNT)
    iqm = summary(found.primary, "fancy").figures["iqm"]
    assert iqm.estimate == 3 and math.isnan(iqm.low) and iqm.runs == 1
    assert "1 run can never decide" in comparison(found.primary, "fancy").verdict.reason


def test_a_run_without_an_episode_is_noted_and_left_out() -> None:
    evidence = level_evidence({"corridor": {"plain": [1, 2], "fancy": [3, 4]}})
    silent = replace(evidence.runs[3], decisions=np.zeros(0, int), returns=np.zeros(0))
    found = analyse(replace(evidence, runs=(*evidence.runs[:3], silent)), resamples=COUNT)
    assert summary(found.primary, "fancy").settled.scores == {0: 3}
    assert any("fancy on corridor, seed 1: finished and ended no episode" in n for n in found.notes)


def test_a_return_that_is_no_number_counts_as_the_worst_and_is_noted() -> None:
    evidence = level_evidence({"corridor": {"plain": [1, 2], "fancy": [3, 4]}})
    odd = replace(evidence.runs[3], returns=np.full(10, np.nan))
    found = analyse(replace(evidence, runs=(*evidence.runs[:3], odd)), resamples=COUNT)
    assert summary(found.primary, "fancy").settled.scores == {0: 3, 1: 1}
    assert any("a return is no finite number" in note for note in found.notes)


def test_all_environments_are_one_family_for_holm() -> None:
    runs = {"plain": [0.0] * 8, "fancy": [1.0] * 8}
    found = analyse(level_evidence({"corridor": runs, "cartpole-v1": runs}), resamples=COUNT)
    p = [(c.verdict.p, c.verdict.p_adjusted) for c in found.primary.comparisons]
    assert p == [(2 / 2**8, 4 / 2**8)] * 2


def test_without_a_study_an_arm_counts_only_where_it_ran() -> None:
    levels = {
        "corridor": {"plain": [0.0] * 8, "fancy": [1.0] * 8},
        "pendulum-v1": {"other": [1.0] * 8},
    }
    found = analyse(level_evidence(levels, reference=""), against="plain", resamples=COUNT)
    pairs = [(c.environment, c.arm, c.verdict.reason) for c in found.primary.comparisons]
    assert pairs == [
        ("corridor", "fancy", "p .00781"),
        ("pendulum-v1", "other", "plain has no run here"),
    ]
    assert list(found.curves["pendulum-v1"]) == ["other"]


def places(**bounds: tuple[float | None, float | None]) -> dict[str, Place]:
    return {name: Place(name, name, BUDGET, *ends) for name, ends in bounds.items()}


def test_aggregates_are_normalised_or_refused() -> None:
    levels = {
        "one": {"plain": [0, 10], "fancy": [10, 10]},
        "two": {"plain": [-5, 5], "fancy": [5, 5]},
    }
    both = places(one=(0, 10), two=(-5, 5))
    found = analyse(level_evidence(levels, places=both), resamples=COUNT)
    assert found.aggregates["plain"]["mean"].estimate == 0.5
    assert found.aggregates["fancy"]["iqm"].estimate == 1.0
    assert found.aggregates["fancy"]["iqm"].runs == 4
    half = places(one=(0, 10), two=(None, None))
    found = analyse(level_evidence(levels, places=half), resamples=COUNT)
    assert found.aggregates == {}
    assert any("two has no low and high" in note for note in found.notes)


def test_an_arm_that_lacks_an_environment_has_no_aggregate() -> None:
    levels = {
        "one": {"plain": [0, 10], "fancy": [10, 10]},
        "two": {"plain": [-5, 5], "fancy": ["missing"] * 2},
    }
    both = places(one=(0, 10), two=(-5, 5))
    found = analyse(level_evidence(levels, places=both), resamples=COUNT)
    assert list(found.aggregates) == ["plain"]
    assert "fancy has no figure over all environments: no run on two" in found.notes


def test_excluded_and_duplicate_arms_are_noted_and_not_missed() -> None:
    levels = {"one": {"plain": [1, 2], "fancy": [3, 4]}, "two": {"plain": [5, 6]}}
    evidence = level_evidence(
        levels,
        arms={"plain": (), "fancy": (), "twin": ()},
        duplicates={"twin": "fancy"},
        excluded=(("fancy", "two", "it needs discrete actions"),),
    )
    found = analyse(evidence, resamples=COUNT)
    assert list(found.curves["two"]) == list(found.counts["two"]) == ["plain"]
    assert [(c.arm, c.environment) for c in found.primary.comparisons] == [("fancy", "one")]
    assert "twin is the same as fancy: trained once" in found.notes
    assert "fancy on two is left out: it needs discrete actions" in found.notes
    assert analyse(evidence, against="twin", resamples=COUNT).against == "fancy"


def test_the_reference_can_be_another_and_must_exist() -> None:
    evidence = level_evidence({"corridor": {"plain": [1, 2], "fancy": [3, 4], "other": [5, 6]}})
    found = analyse(evidence, against="other", resamples=COUNT)
    assert [c.arm for c in found.primary.comparisons] == ["plain", "fancy"]
    assert "held against other, which is not the study's reference plain" in found.notes
    with pytest.raises(ConfigError, match=r"--against=fanci: did you mean 'fancy'\?"):
        analyse(evidence, against="fanci")
    undeclared = replace(evidence, study=replace(evidence.study, reference=""))
    with pytest.raises(ConfigError, match="has no reference arm; name one of plain, fancy, other"):
        analyse(undeclared)


def test_a_single_arm_has_figures_and_nothing_to_compare() -> None:
    found = analyse(level_evidence({"corridor": {"plain": [1, 2]}}, reference=""), resamples=COUNT)
    assert found.against == "plain" and found.primary.comparisons == ()
    assert summary(found.primary, "plain").figures["mean"].estimate == 1.5


@pytest.mark.parametrize(
    ("then", "now", "line"),
    [
        ("The second.", "The  second.", None),  # blanks are not words
        ("The second.", "The first.", "the prediction changed after runs were made: 1 of 2 parts"),
        (None, "The first.", "the prediction was written after runs were made: 1 of 2 parts"),
        ("The second.", "", "the prediction is gone: 1 of 2 parts"),
        (None, "", None),
    ],
)
def test_a_changed_prediction_is_flagged(then: str | None, now: str, line: str | None) -> None:
    evidence = level_evidence({"corridor": {"plain": [1], "fancy": [2]}}, prediction=now)
    before = replace(evidence.study, prediction=then or "")
    part = level_part(before, "corridor", "fancy")
    if then is None:
        part["prediction_sha256"] = None
    changed = analyse(replace(evidence, parts=(evidence.parts[0], part)), resamples=COUNT).changed
    assert len(changed) == (line is not None)
    assert not line or changed[0].startswith(line)


def test_an_arm_with_two_configs_is_flagged() -> None:
    evidence = level_evidence({"corridor": {"plain": [1, 2], "fancy": [3, 4]}})
    parts = [
        {**evidence.parts[1], "seeds": [0]},
        {**evidence.parts[1], "seeds": [1], "config_hash": "other"},
    ]
    found = analyse(replace(evidence, parts=(evidence.parts[0], *parts)), resamples=COUNT)
    assert found.changed == (
        "fancy on corridor was run with 2 configs (seeds 0: hash-of-fancy; seeds 1: other)",
    )


def test_seeds_that_were_added_later_are_noted() -> None:
    evidence = level_evidence({"corridor": {arm: [1.0] * 5 for arm in ("plain", "fancy", "odd")}})

    def at(arm: str, seeds: list[int], started: int, ended: int | None) -> dict[str, object]:
        times = [f"2026-11-01T{h:02}:00:00+00:00" if h else None for h in (started, ended)]
        changes = {"seeds": seeds, "started": times[0], "ended": times[1]}
        return level_part(evidence.study, "corridor", arm, **changes)

    parts = [at(arm, [0, 1, 2], 1, 3) for arm in ("plain", "fancy")]
    parts += [at("plain", [3, 4], 4, 5), at("fancy", [3, 4], 3, None)]
    parts += [at("odd", [0, 1, 2], 1, 3), at("odd", [3, 4], 2, 5)]  # side by side: one request
    parts += [at("odd", [1], 9, 10)]  # a seed made again is none added
    parts += [{**at("odd", [7], 9, 10), "differs": "x: 1, not 2"}]
    found = analyse(replace(evidence, parts=tuple(parts)), resamples=COUNT)
    assert [note for note in found.notes if "added" in note] == [
        "seeds 3-4 of plain, fancy on corridor were added later: seeds 0-2 had begun, and some had "
        "ended"
    ]
    assert not [n for n in analyse(evidence, resamples=COUNT).notes if "added" in n]


def same(one: Analysis, other: Analysis) -> bool:
    return numbers(one) == numbers(other)


def test_the_same_seed_gives_the_same_digits_and_another_others() -> None:
    rng = np.random.default_rng(5)
    levels = {"corridor": {arm: list(rng.normal(size=18)) for arm in ("plain", "fancy", "other")}}
    evidence = level_evidence(levels)
    first = analyse(evidence, resamples=COUNT)
    assert same(first, analyse(evidence, resamples=COUNT))
    assert not same(first, analyse(evidence, seed=1, resamples=COUNT))
    shuffled = replace(evidence, runs=tuple(evidence.runs[i] for i in rng.permutation(54)))
    assert same(first, analyse(shuffled, resamples=COUNT))


def test_an_arm_more_moves_no_figure_of_the_others() -> None:
    rng = np.random.default_rng(6)
    arms = {arm: list(rng.normal(size=5)) for arm in ("plain", "fancy", "other")}
    few = analyse(
        level_evidence({"corridor": {arm: arms[arm] for arm in ("plain", "fancy")}}),
        resamples=COUNT,
    )
    many = analyse(level_evidence({"corridor": arms}), resamples=COUNT)
    assert summary(few.primary, "fancy").figures == summary(many.primary, "fancy").figures
    one, other = (comparison(found.primary, "fancy") for found in (few, many))
    assert (one.difference, one.improvement, one.verdict.p) == (
        other.difference,
        other.improvement,
        other.verdict.p,
    )
    bands = (found.bands["corridor"]["fancy"] for found in (few, many))
    assert np.array_equal(*bands, equal_nan=True)
