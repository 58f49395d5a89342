"""The charts: their rows are the analysis', their looks tell arms apart, their schema is Vega's."""

from __future__ import annotations

import json
import re
from itertools import pairwise

import altair
import numpy as np
import pytest

from pgx.analysis.analyse import analyse
from pgx.report.captions import caption, span
from pgx.report.charts import HEIGHT, ROOM, charts
from pgx.report.data import arms, curves, datasets, differences, labels, profiles
from pgx.report.drawing import figure, ordered
from pgx.report.looks import DARK, LIGHT, WORDS, apart, colour, dashes, variables, word_colour
from tests.report.fabricated import evidence, lost
from tests.support.studies import BUDGET, level_evidence

#: Returns are levels: every curve is flat, every score is its level.
LEVELS = {"a": [10.0, 20.0, 30.0], "b": [11.0, 22.0, 33.0], "c": [5.0, "diverged", 15.0]}
HAND = analyse(level_evidence({"here": LEVELS}), resamples=4_000)


def test_rows_of_curves_by_hand() -> None:
    found = curves(HAND, "here")
    assert found.columns == ("arm", "decisions", "value", "low", "high", "n")
    last = {row[0]: row[1:] for row in found.rows}
    assert last[0] == (BUDGET, 20, 10, 30, 3)  # 1 of 27 resamples is all 10: over 2.5%
    assert last[1][:2] == (BUDGET, 22)
    assert last[2][:2] == (BUDGET, pytest.approx((5 + 0 + 15) / 3))  # seed 1 had 0 when it stopped
    assert last[2][-1] == 3
    assert found.values(["a", "b", "c"], ["A", "B", "C"])[-1]["label"] == "C"
    assert found.span("decisions") == (min(row[1] for row in found.rows), BUDGET)


def test_curves_begin_at_0_and_profiles_where_scores_do() -> None:
    scales = {
        name: spec["layer"][1]["encoding"]["x"]["scale"]["domain"]
        for name, spec in charts(HAND).items()
        if not name.startswith("differences")
    }
    assert scales["curves-here"] == [0, BUDGET]
    assert scales["profiles-here"] == pytest.approx([0 - 1.65, 33 + 1.65])  # 5% of the range


def test_rows_of_differences_by_hand() -> None:
    found = differences(HAND, "here")
    by_arm = {row[0]: dict(zip(found.columns, row, strict=True)) for row in found.rows}
    assert set(by_arm) == {1, 2}
    assert by_arm[1]["difference"] == 2
    assert (by_arm[1]["low"], by_arm[1]["high"]) == (1, 3)
    assert (by_arm[1]["n"], by_arm[1]["verdict"]) == (3, "undecided at 3 runs")
    assert by_arm[1]["decided"] is False
    assert by_arm[2]["difference"] == pytest.approx((-5 - 20 - 15) / 3)


def test_rows_of_profiles_are_shares_of_runs() -> None:
    found = profiles(HAND, "here")
    own = [row for row in found.rows if row[0] == 0]
    assert {row[2] for row in own} == {0, 0.3333333, 0.6666667, 1}
    assert [share for _, score, share, *_ in own if score < 10] == [1] * sum(r[1] < 10 for r in own)
    assert {row[-1] for row in own} == {3}


def test_numbers_have_seven_digits_and_none_is_no_number() -> None:
    alone = analyse(level_evidence({"here": {"a": [1 / 3], "b": [2e6 / 3]}}), resamples=20)
    last = {row[0]: row for row in curves(alone, "here").rows}
    assert last[0][2:5] == (0.3333333, None, None)
    assert last[1][2] == 666666.7


def test_the_reference_comes_first_and_looks_like_ink() -> None:
    found = analyse(evidence(), against="gae", resamples=20)
    assert arms(found) == ["gae", "total_return", "reward_to_go"]
    assert labels(found) == ["GAE", "total return", "reward-to-go"]
    made = charts(found)["curves-cartpole-v1"]
    scale = made["layer"][1]["encoding"]["color"]["scale"]
    assert scale == {"domain": arms(found), "range": ["var(--c0)", "var(--c1)", "var(--c2)"]}


def test_no_two_of_29_arms_look_alike_and_none_like_the_reference() -> None:
    looks = [(colour(place), tuple(dashes(place))) for place in range(29)]
    assert len(set(looks)) == 29
    assert [shade for shade, _ in looks].count("var(--c0)") == 1
    assert [word_colour(place) for place in (0, 1, 8)] == ["var(--w0)", "var(--w1)", "var(--w1)"]
    for shades in (LIGHT, DARK, WORDS):
        assert len(set(shades)) == len(shades) == len(LIGHT)
    for theme in (0, 1):
        assert len(re.findall(r"--[cw]\d:#[0-9a-f]{6};", variables(theme))) == 2 * len(LIGHT)


def brightness(shade: str) -> float:
    """Relative luminance, WCAG 2.2."""
    parts = [int(shade[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


def test_names_of_lines_can_be_read_on_their_ground() -> None:
    for shades, ground in ((WORDS, "#ffffff"), (DARK, "#16181c")):
        for shade in shades:
            bright, dark = sorted(map(brightness, (shade, ground)), reverse=True)
            assert (bright + 0.05) / (dark + 0.05) >= 4.5, shade


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("count", [1, 2, 7, 20, 40])
def test_labels_are_moved_apart_and_stay_in_order(seed: int, count: int) -> None:
    places = np.random.default_rng(seed).uniform(0, HEIGHT, count).tolist()
    moved = apart(places, ROOM, HEIGHT)
    room = min(ROOM, HEIGHT / count)
    by_place = [moved[i] for i in np.argsort(places, kind="stable")]
    assert all(b - a >= room - 1e-9 for a, b in pairwise(by_place))
    assert min(moved) >= room / 2 - 1e-9
    assert max(moved) <= HEIGHT - room / 2 + 1e-9


def test_labels_with_room_stay_where_they_belong() -> None:
    assert apart([100.0, 50.0], 14, 320) == [100.0, 50.0]
    assert apart([50.0, 50.0], 14, 320) == [50.0, 64.0]
    assert apart([320.0, 320.0], 14, 320) == [299.0, 313.0]
    assert apart([], 14, 320) == []


def test_specifications_are_vega_lite_s_and_their_colours_the_page_s() -> None:
    found = analyse(evidence(), resamples=20)
    rows = datasets(found)
    for name, spec in charts(found).items():
        assert set(re.findall(r"var\(--([a-z0-9-]+)\)", json.dumps(spec))) <= {
            *re.findall(r"--([a-z0-9-]+):", variables(0))
        }
        whole = figure(found, name, spec, rows[name])
        assert "var(" not in json.dumps(whole)
        altair.Chart.from_dict(whole)  # it validates


def test_a_chart_is_drawn_only_where_there_is_something() -> None:
    gone = {
        (arm, "cartpole-v1", seed): lost(arm, "cartpole-v1", seed, "missing")
        for arm in ("total_return", "gae")
        for seed in range(2)
    }
    found = analyse(evidence(("total_return", "gae"), 2, replaced=gone), resamples=20)
    assert charts(found).keys() == {
        f"{kind}-acrobot-v1" for kind in ("curves", "differences", "profiles")
    }


def test_captions_name_the_interval_and_n() -> None:
    for kind in ("curves", "differences", "profiles"):
        words = caption(HAND, f"{kind}-here")
        assert "95% stratified percentile bootstrap interval, 4,000 resamples" in words
        assert "n\u00a0=\u00a03" in words
    assert (span([5, 0, 5]), span([4, 5]), span([])) == ("5", "4 to 5", "0")


def test_resources_of_a_pdf_are_put_in_order_in_place() -> None:
    made = b"obj\n<<\n  /X <<\n    /gs2 11 0 R\n    /gs0 7 0 R\n  >>\n  /fo0 1 0 R\n>>\n"
    want = b"obj\n<<\n  /X <<\n    /gs0 7 0 R\n    /gs2 11 0 R\n  >>\n  /fo0 1 0 R\n>>\n"
    assert ordered(made) == want
    assert len(want) == len(made)
