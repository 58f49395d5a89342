"""Names, seeds and hashes: what a command line becomes."""

from __future__ import annotations

from typing import Any

import pytest

from pgx.config import compose_config, expand
from pgx.errors import ConfigError
from pgx.names import (
    arm_name,
    config_diff,
    config_hash,
    parse_seeds,
    part_name,
    slug,
)


@pytest.mark.parametrize(
    ("value", "seeds"),
    [
        (3, (0, 1, 2)),
        ("4-6", (4, 5, 6)),
        ("0-0", (0,)),
        ([9, 2, 5], (9, 2, 5)),
        (["9", 2], (9, 2)),
    ],
)
def test_seeds(value: Any, seeds: tuple[int, ...]) -> None:
    assert parse_seeds(value) == seeds


@pytest.mark.parametrize("value", [0, -1, [], "6-4", "x", None, 1.5, True, [1, -1], [1, 1], [0.5]])
def test_no_seeds(value: Any) -> None:
    with pytest.raises(ConfigError, match="seeds="):
        parse_seeds(value)


@pytest.mark.parametrize(
    ("seeds", "name"),
    [
        ((0, 1, 2), "seeds-0-2"),
        ((7,), "seeds-7"),
        ((3, 1), "seeds-3_1"),
        (tuple(range(0, 100, 2)), "seeds-50x-"),
    ],
)
def test_part_names(seeds: tuple[int, ...], name: str) -> None:
    assert part_name(seeds).startswith(name)
    assert len(part_name(seeds)) <= 60


@pytest.mark.parametrize(
    ("overrides", "name"),
    [
        ([], "default"),
        (["experiment=a2c"], "a2c"),
        (["experiment=a2c", "seeds=3", "output=x", "threads=1", "study.name=s"], "a2c"),
        (
            ["optimizer.learning_rate=.1", "estimator=gae"],
            "estimator=gae_optimizer.learning_rate=0.1",
        ),
        (["policy.hidden=[64, 32]", "experiment=a2c"], "a2c_policy.hidden=64-32"),
        (["arm=mine", "estimator=gae"], "mine"),
    ],
)
def test_arm_names(overrides: list[str], name: str) -> None:
    assert arm_name(compose_config(overrides), overrides) == name


def test_two_spellings_of_a_number_are_one_arm() -> None:
    spelt = [["optimizer.learning_rate=.10"], ["optimizer.learning_rate=0.1"]]
    names = {arm_name(compose_config(overrides), overrides) for overrides in spelt}
    assert len(names) == 1


def test_a_long_arm_name_is_cut_and_stays_its_own() -> None:
    overrides = [[f"policy.hidden=[{','.join(['64'] * n)}]"] for n in (60, 61)]
    names = [arm_name(compose_config(o), o) for o in overrides]
    assert names[0] != names[1]
    assert all(len(name) <= 120 and slug(name) == name for name in names)


@pytest.mark.parametrize(
    "override",
    [
        "seeds=7",
        "study.name=s",
        "arm=x",
        "output=x",
        "resume=true",
        "threads=1",
        "device=cuda",
        "allocator=default",
        "checkpoint_every=1",
    ],
)
def test_where_and_how_fast_is_not_in_the_hash(override: str) -> None:
    assert config_hash(compose_config([override])) == config_hash(compose_config([]))


@pytest.mark.parametrize(
    "override",
    [
        "estimator.discount=0.9",
        "decisions=7",
        "environment.slots=4",
        "max_grad_norm=1",
        "baseline=none",
    ],
)
def test_what_is_computed_is_in_the_hash(override: str) -> None:
    assert config_hash(compose_config([override])) != config_hash(compose_config([]))


def test_a_difference_names_the_keys() -> None:
    before, after = compose_config([]), compose_config(["estimator.discount=0.9", "seeds=4"])
    difference = ", ".join(config_diff(before, after))
    assert "estimator.discount: 0.99 → 0.9" in difference
    assert "seeds" not in difference


def test_a_multirun_is_the_product_of_its_sweeps() -> None:
    jobs = expand(["estimator=gae,reinforce", "seeds=[0,1]", "optimizer.learning_rate=0.1,0.2"])
    assert len(jobs) == 4
    assert jobs[0] == ["estimator=gae", "seeds=[0,1]", "optimizer.learning_rate=0.1"]
    assert jobs[3] == ["estimator=reinforce", "seeds=[0,1]", "optimizer.learning_rate=0.2"]
