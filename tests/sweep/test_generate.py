"""Arms by rule: what each rule makes, what its arms are called, and every mistake in one line."""

from __future__ import annotations

from typing import Any

import pytest

from pgx.errors import ConfigError
from pgx.sweep.generate import MOST_ARMS, Arm, generate, tails
from pgx.sweep.overrides import pairs, spelt

A2C = Arm("a2c", ("experiment=a2c", "max_grad_norm=0.5"))


def made(*entries: Any) -> dict[str, tuple[str, ...]]:
    """Name to overrides of every arm, the written one aside."""
    return {arm.name: arm.overrides for arm in generate(list(entries), [A2C]) if arm != A2C}


def test_without_rules_the_arms_are_those_written_out() -> None:
    assert generate([], [A2C]) == [A2C]


def test_a_grid_is_the_product_the_last_key_fastest() -> None:
    grid = {"estimator.discount": [0.9, 0.99], "baseline": ["none", "value"]}
    assert made({"grid": grid}) == {
        "discount=0.9_baseline=none": ("estimator.discount=0.9", "baseline=none"),
        "discount=0.9_baseline=value": ("estimator.discount=0.9", "baseline=value"),
        "discount=0.99_baseline=none": ("estimator.discount=0.99", "baseline=none"),
        "discount=0.99_baseline=value": ("estimator.discount=0.99", "baseline=value"),
    }


def test_a_zip_pairs_values() -> None:
    zipped = {"estimator": ["td", "gae"], "estimator.horizon": [8, 32]}
    assert made({"zip": zipped}) == {
        "estimator=td_horizon=8": ("estimator=td", "estimator.horizon=8"),
        "estimator=gae_horizon=32": ("estimator=gae", "estimator.horizon=32"),
    }


def test_a_part_is_left_out_of_the_arm_that_has_all() -> None:
    parts = {"clip": "max_grad_norm=null", "critic": ["baseline=none", "estimator=reinforce"]}
    assert made({"leave_one_out": {"from": "a2c", "parts": parts}}) == {
        "a2c_no_clip": (*A2C.overrides, "max_grad_norm=null"),
        "a2c_no_critic": (*A2C.overrides, "baseline=none", "estimator=reinforce"),
    }


@pytest.mark.parametrize("inside", [True, False])
def test_one_key_at_a_time_varies_from_an_arm(inside: bool) -> None:
    values = {"estimator.entropy_coefficient": [0.0, 0.01], "optimizer.learning_rate": [0.1]}
    body, beside = {"values": values}, {"from": "a2c"}
    entry = {"one_at_a_time": {**body, **beside}} if inside else {"one_at_a_time": body, **beside}
    assert made(entry) == {
        "a2c_entropy_coefficient=0.0": (*A2C.overrides, "estimator.entropy_coefficient=0.0"),
        "a2c_entropy_coefficient=0.01": (*A2C.overrides, "estimator.entropy_coefficient=0.01"),
        "a2c_learning_rate=0.1": (*A2C.overrides, "optimizer.learning_rate=0.1"),
    }


def test_a_rule_may_start_from_what_an_earlier_one_made() -> None:
    first = {"grid": {"estimator": ["td"]}}
    second = {"grid": {"from": "estimator=td", "estimator.discount": [0.5]}}
    assert made(first, second)["estimator=td_discount=0.5"] == (
        "estimator=td",
        "estimator.discount=0.5",
    )


def test_names_take_the_shortest_tail_that_says_which_key() -> None:
    keys = ["estimator.discount", "optimizer.learning_rate", "baseline.learning_rate", "discount"]
    assert tails(keys) == {
        "estimator.discount": "estimator.discount",
        "optimizer.learning_rate": "optimizer.learning_rate",
        "baseline.learning_rate": "baseline.learning_rate",
        "discount": "discount",
    }
    assert tails(["estimator.discount"]) == {"estimator.discount": "discount"}
    rates = {"optimizer.learning_rate": [0.1], "baseline.learning_rate": [0.2]}
    (name,) = made({"grid": rates})
    assert name == "optimizer.learning_rate=0.1_baseline.learning_rate=0.2"


def test_another_rule_that_varies_the_same_tail_changes_names_and_a_disjoint_one_does_not() -> None:
    grid = {"grid": {"optimizer.learning_rate": [0.1]}}
    disjoint = {"grid": {"estimator.discount": [0.5]}}
    assert {*made(grid)} < {*made(grid, disjoint)}
    assert "learning_rate=0.1" not in made(grid, {"grid": {"baseline.learning_rate": [1.0]}})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (0.001, "0.001"),
        (1e-05, "1e-05"),
        (-3, "-3"),
        ([64, 64], "[64,64]"),
        ({"a": 1}, "{a:1}"),
        ("gae", "gae"),
        ("null", "'null'"),
        ("0.5", "'0.5'"),
        ("two words, and 'more'", "'two words, and \\'more\\''"),
        ("a${b}", "'a\\${b}'"),
    ],
)
def test_a_value_is_spelt_so_that_hydra_reads_it_back(value: Any, text: str) -> None:
    assert spelt(value) == text
    if "${" not in text:
        assert pairs([f"key={text}"]) == {"key": value}


def test_a_list_in_a_name_becomes_a_slug() -> None:
    assert list(made({"grid": {"policy.hidden": [[64, 64], [32]]}})) == [
        "hidden=64-64",
        "hidden=32",
    ]


MISTAKES: dict[str, tuple[list[Any], str, str]] = {
    "no list": ([], "study.generate", "list of rules"),
    "no rule": ([3], "study.generate[0]", "grid:"),
    "unknown rule": ([{"gird": {}}], "study.generate[0].gird", "'grid'"),
    "two rules": (
        [{"grid": {"a": [1]}, "zip": {"b": [1]}}],
        "study.generate[0]",
        "an entry of its own",
    ),
    "only a start": ([{"from": "a2c"}], "study.generate[0]", "give one of"),
    "no mapping": ([{"grid": [1]}], "study.generate[0].grid", "give its keys"),
    "no keys": ([{"grid": {}}], "study.generate[0].grid", "at least one key"),
    "no values": ([{"grid": {"a": 1}}], "study.generate[0].grid.a", "a list of values"),
    "empty values": ([{"grid": {"a": []}}], "study.generate[0].grid.a", "a list of values"),
    "unequal zip": (
        [{"zip": {"a": [1, 2], "b": [1]}}],
        "study.generate[0].zip",
        "a has 2, b has 1",
    ),
    "unknown start": (
        [{"grid": {"from": "a2d", "a": [1]}}],
        "study.generate[0].grid: from=a2d",
        "'a2c'",
    ),
    "leave one out of nothing": (
        [{"leave_one_out": {"parts": {"a": "b=1"}}}],
        "study.generate[0].leave_one_out",
        "from is needed",
    ),
    "key of a rule": (
        [{"leave_one_out": {"from": "a2c", "prats": {}}}],
        "leave_one_out.prats",
        "parts",
    ),
    "no parts": (
        [{"leave_one_out": {"from": "a2c"}}],
        "leave_one_out.parts",
        "at least one key",
    ),
    "two of a name": (
        [{"grid": {"a": [1, 1]}}],
        "study.generate[0]",
        "two arms a=1",
    ),
    "a swept key": ([{"grid": {"seeds": [1, 2]}}], "study.generate[0].grid.seeds", "of the study"),
    "a slug": (
        [{"leave_one_out": {"from": "a2c", "parts": {"My Part": "a=1"}}}],
        "a2c_no_My Part",
        "lower case",
    ),
    "too many": (
        [{"grid": {"a": list(range(40)), "b": list(range(40))}}],
        "study.generate[0]",
        f"{MOST_ARMS:,}",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_names_the_key_and_what_would_work(name: str) -> None:
    entries, key, works = MISTAKES[name]
    given: Any = {"grid": {}} if name == "no list" else entries
    with pytest.raises(ConfigError) as caught:
        generate(given, [A2C])
    line = str(caught.value)
    assert key in line and works in line and "\n" not in line
