"""Every number of an analysis as JSON: its shape, and that nothing is left out or rounded."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

import pytest

from pgx.analysis.analyse import analyse
from pgx.analysis.numbers import numbers, plain
from pgx.study import Place
from tests.support.studies import BUDGET, level_evidence

PLACES = {
    name: Place(name, name, BUDGET, low=0.0, high=10.0) for name in ("corridor", "acrobot-v1")
}
LEVELS = {
    "corridor": {"plain": [0.1, 2, 3], "fancy": [3, "diverged", "missing"], "none": ["failed"] * 3},
    "acrobot-v1": {"plain": [1, 2, 3], "fancy": [3, 2, 1], "none": [1, 1, 1]},
}


def leaves(value: Any) -> Iterator[Any]:
    """Everything that is no mapping and no list."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from leaves(one)
    else:
        yield value


def test_it_survives_json_to_the_last_digit() -> None:
    found = numbers(analyse(level_evidence(LEVELS, places=PLACES), resamples=50))
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert {type(leaf) for leaf in leaves(found)} <= {int, float, str, bool, type(None)}


def test_every_number_has_its_place() -> None:
    analysis = analyse(level_evidence(LEVELS, places=PLACES), seed=7, resamples=50)
    found = numbers(analysis)
    assert (found["study"], found["against"], found["metric"]) == ("lectures", "plain", "area")
    assert (found["seed"], found["resamples"]) == (7, 50)
    here = found["environments"]["corridor"]
    assert here["decisions"] == BUDGET
    assert here["counts"]["fancy"] == {"diverged": [1], "finished": [0], "missing": [2]}
    area = here["metrics"]["area"]
    assert area["primary"] and not here["metrics"]["final"]["primary"]
    assert area["summaries"]["plain"]["scores"] == {"0": 0.1, "1": 2.0, "2": 3.0}
    assert area["summaries"]["fancy"]["scores"] == {"0": 3.0, "1": 0.0}  # its own last
    assert area["summaries"]["fancy"]["floor"] == 0.0
    assert area["summaries"]["fancy"]["diverged"] == [1]
    assert area["summaries"]["fancy"]["missing"] == [2]
    assert area["summaries"]["plain"]["iqm"] == {
        "estimate": pytest.approx(5.1 / 3),
        "low": analysis.primary.summaries[0].figures["iqm"].low,
        "high": analysis.primary.summaries[0].figures["iqm"].high,
        "runs": 3,
        "level": 0.95,
        "method": "stratified percentile bootstrap",
    }
    assert area["summaries"]["none"]["iqm"]["estimate"] is None
    compared = area["comparisons"]["fancy"]
    assert compared["difference"]["estimate"] == pytest.approx((2.9 - 2.0) / 2)
    assert (compared["pairs"], compared["unpaired"]) == (2, [2])
    assert compared["p"] == 1.0 and compared["verdict"] == "undecided"
    assert area["comparisons"]["none"]["p"] is None
    assert area["comparisons"]["none"]["reason"] == "no finished run here"
    assert not {"p", "p_adjusted", "verdict", "needed", "reason"} & set(
        here["metrics"]["final"]["comparisons"]["fancy"]
    )
    curve = here["curves"]["plain"]
    assert curve["grid"][0] == 0 and curve["grid"][-1] == BUDGET
    assert curve["iqm"][0] is None and curve["runs"][0] == 0  # no episode has ended
    assert curve["iqm"][-1] == pytest.approx(5.1 / 3) and curve["runs"][-1] == 3
    profile = here["profiles"]["plain"]
    assert profile["share"][0] == 1 and profile["share"][-1] == 0 and profile["runs"] == 3
    assert set(found["aggregates"]) == {"plain", "fancy"}
    assert found["aggregates"]["plain"]["mean"]["runs"] == 6
    assert any("none has no figure over all environments" in note for note in found["notes"])


def test_the_floats_are_the_analysis_own() -> None:
    analysis = analyse(level_evidence(LEVELS, places=PLACES), resamples=50)
    found = numbers(analysis)
    for place, arms in analysis.bands.items():
        for arm, band in arms.items():
            shown = found["environments"][place]["curves"][arm]
            for name, values in zip(("iqm", "low", "high"), band, strict=True):
                assert shown[name] == [None if math.isnan(v) else float(v) for v in values]


def test_what_is_not_finite_is_none() -> None:
    assert [plain(v) for v in (1.5, math.nan, math.inf, -math.inf)] == [1.5, None, None, None]
