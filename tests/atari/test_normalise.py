"""Human-normalized scores: by hand, against a slow twin, and against every published figure."""

from __future__ import annotations

import csv
from importlib import resources

import numpy as np
import pytest

from pgx.atari.normalise import SIGNED, ZERO, inverted, normalise, rule_of, summarise
from pgx.atari.scores import TITLES, load

#: Mean and median of Table 1, arXiv 1602.01783.
PUBLISHED = {
    "dqn": (121.9, 47.5),
    "gorila": (215.2, 71.3),
    "double_dqn": (332.9, 110.9),
    "dueling_dqn": (343.8, 117.1),
    "prioritized_dqn": (463.6, 127.6),
    "a3c_ff_1day": (344.1, 68.2),
    "a3c_ff": (496.8, 116.6),
    "a3c_lstm": (623.0, 112.6),
}


def of_system(system: str, rule: str) -> tuple[float, float]:
    scores = load()
    raw, reference = scores.raw[system, "human_start"], scores.reference("human_start")
    return summarise(normalise(raw, reference, rule_of(rule, system)))


@pytest.mark.parametrize("system", TITLES)
def test_the_published_rule_gives_every_published_figure(system: str) -> None:
    assert of_system(system, "published") == pytest.approx(PUBLISHED[system], abs=0.4)


def twin(system: str) -> tuple[float, float]:
    """The signed rule, written out over the lines of the file."""
    text = (resources.files("pgx.atari") / "data" / "raw_scores.csv").read_text(encoding="utf-8")
    lines = [line for line in csv.DictReader(text.splitlines()) if line["start"] == "human_start"]

    def score(name: str, game: str) -> float:
        (found,) = (x for x in lines if (x["system"], x["game"]) == (name, game))
        return float(found["score"])

    percents = []
    for line in lines:
        if line["system"] == system:
            random, human = score("random", line["game"]), score("human", line["game"])
            percents.append((float(line["score"]) - random) / (human - random) * 100)
    return float(np.mean(percents)), float(np.median(percents))


@pytest.mark.parametrize("system", TITLES)
def test_the_signed_rule_is_its_slow_twin(system: str) -> None:
    found = of_system(system, "signed")
    assert found == pytest.approx(twin(system), rel=1e-12)
    near = found == pytest.approx(PUBLISHED[system], abs=0.4)
    assert near == (system in ("dqn", "gorila"))


def test_the_signed_rule_moves_the_last_row_to_the_documented_figures() -> None:
    assert of_system("a3c_lstm", "signed") == pytest.approx((406.3, 104.7), abs=0.05)


def test_video_pinball_by_hand() -> None:
    reference = load().reference("human_start")
    assert inverted(reference) == ["video_pinball"]
    assert inverted(load().reference("noop_start")) == []
    raw = {"video_pinball": 470310.5}
    signed = 100 * (470310.5 - 20452.0) / (15641.1 - 20452.0)
    assert signed == pytest.approx(-9350.8, abs=0.05)
    assert normalise(raw, reference, SIGNED)["video_pinball"] == pytest.approx(signed)
    zero = normalise(raw, reference, ZERO)["video_pinball"]
    assert zero == pytest.approx(100 * 470310.5 / 15641.1) == pytest.approx(3006.9, abs=0.05)


@pytest.mark.parametrize("rule", [SIGNED, ZERO])
def test_elsewhere_the_rules_agree(rule: str) -> None:
    reference = {"pong": (-18.0, 15.5), "alien": (100.0, 300.0), "worse": (5.0, 4.0)}
    found = normalise({"pong": -18.0, "alien": 150.0}, reference, rule)
    assert found == {"pong": 0.0, "alien": 25.0}
    assert normalise({"pong": 15.5}, reference, rule) == {"pong": 100.0}
    worse = normalise({"worse": 6.0}, reference, rule)["worse"]
    assert worse == {SIGNED: -100.0, ZERO: 150.0}[rule]


def test_mean_and_median_count_each_game_once() -> None:
    assert summarise({"a": 0.0, "b": 10.0, "c": 50.0}) == (20.0, 10.0)
    assert summarise({"a": 0.0, "b": 10.0, "c": 50.0, "d": 20.0}) == (20.0, 15.0)


def test_own_rows_take_the_later_systems_rule() -> None:
    assert [rule_of("published", s) for s in ("dqn", "a3c_ff", None)] == [SIGNED, ZERO, ZERO]
    assert [rule_of("signed", s) for s in ("dqn", "a3c_ff", None)] == [SIGNED] * 3
