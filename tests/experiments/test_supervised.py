"""Study 011: the experts are what the README says, and so are their copies."""

from __future__ import annotations

import json
from types import ModuleType

import numpy as np
import polars as pl
import pytest

from pgx.build import build
from pgx.config import compose_config
from tests.support import experiments

FOLDER = experiments.EXPERIMENTS / "011_supervised"
EXPERTS = ("expert_good", "expert_mediocre")


@pytest.fixture(scope="module")
def measure() -> ModuleType:
    return experiments.measure(FOLDER.name)


@pytest.fixture(scope="module")
def committed() -> pl.DataFrame:
    return pl.read_csv(FOLDER / "measured.csv")


def at_the_end(table: pl.DataFrame, arm: str, who: str, actions: str) -> list[float]:
    own = table.filter(pl.col("decisions").is_null() & (pl.col("arm") == arm))
    own = own.filter((pl.col("who") == who) & (pl.col("actions") == actions))
    assert own["seed"].to_list() == list(range(20))
    return own["return"].to_list()


def along(table: pl.DataFrame, arm: str) -> dict[int, float]:
    own = table.filter(pl.col("decisions").is_not_null() & (pl.col("arm") == arm))
    mean = own.group_by("decisions").agg(pl.col("return").mean(), pl.len()).sort("decisions")
    assert mean["len"].unique().to_list() == [20]
    return dict(mean.select("decisions", "return").rows())


@pytest.mark.parametrize("arm", EXPERTS)
def test_the_committed_expert_earns_what_the_table_says(
    measure: ModuleType, committed: pl.DataFrame, arm: str
) -> None:
    """Three seeds of the table played again; another machine may round other decisions."""
    settings = compose_config(measure.words(arm))
    parts = build(settings, [0, 1, 2])
    for actions in ("sampled", "likeliest"):
        found = measure.play(parts.behaviour, settings, [0, 1, 2], actions == "likeliest")
        table = at_the_end(committed, arm, "expert", actions)[:3]
        assert np.mean(found) == pytest.approx(np.mean(table), abs=45)
    parts.env.close()


def test_a_copy_learns_again_what_the_table_says(
    measure: ModuleType, committed: pl.DataFrame
) -> None:
    """One seed alone, its first evaluations; another machine may round other decisions."""
    found = measure.learned("expert_mediocre", [0], decisions=3000)
    own = pl.col("seed").eq(0) & pl.col("decisions").is_not_null()
    again = found.filter(own).select("decisions", "return").rows()
    table = dict(
        committed.filter(own & (pl.col("arm") == "expert_mediocre"))["decisions", "return"].rows()
    )
    assert [row[0] for row in again] == sorted(table)[:3]
    assert [row[1] for row in again] == pytest.approx([table[row[0]] for row in again], abs=60)


def test_the_rows_of_an_expert_arm_are_its_experts(committed: pl.DataFrame) -> None:
    """Its final training return is what the expert earns, whatever the copy has learned."""
    said = json.loads((FOLDER / "report" / "numbers.json").read_text())
    finals = said["environments"]["cartpole-v1"]["metrics"]["final"]["summaries"]
    for arm in EXPERTS:
        expert = np.mean(at_the_end(committed, arm, "expert", "sampled"))
        assert finals[arm]["iqm"]["estimate"] == pytest.approx(expert, rel=0.1)


def test_what_the_readme_says_came_of_the_prediction(
    measure: ModuleType, committed: pl.DataFrame
) -> None:
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    good = along(committed, "expert_good")
    first = next(decisions for decisions, mean in good.items() if mean >= 475)
    assert first == 10112 and f"is {good[first]:.0f} after {first:,} decisions" in readme
    learner = measure.learners().filter(pl.col("arm") == "reward_to_go")
    curve = dict(learner.select("decisions", "return").rows())
    assert max(curve.values()) < 475 and curve[10_000] == pytest.approx(60, abs=5)
    copies, expert = (
        at_the_end(committed, "expert_mediocre", who, "sampled") for who in ("copy", "expert")
    )
    assert f"{np.mean(copies):.1f} against {np.mean(expert):.1f}" in readme
    for own in (copies, expert):
        assert f"from {min(own):.1f} to {max(own):.1f}" in readme


def test_the_readme_has_the_table(committed: pl.DataFrame) -> None:
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    for arm in EXPERTS:
        name = arm.removeprefix("expert_")
        for who in ("expert", "copy"):
            means = [np.mean(at_the_end(committed, arm, who, a)) for a in ("sampled", "likeliest")]
            assert f"| {name}, {who} | {means[0]:.1f} | {means[1]:.1f} |" in readme
