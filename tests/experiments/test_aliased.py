"""Study 010: the exact answers worked again, and what the README says of them."""

from __future__ import annotations

import json
from types import ModuleType

import polars as pl
import pytest
import torch

from tests.support import experiments

FOLDER = experiments.EXPERIMENTS / "010_aliased"


@pytest.fixture(scope="module")
def measure() -> ModuleType:
    return experiments.measure(FOLDER.name)


@pytest.fixture(scope="module")
def committed() -> pl.DataFrame:
    return pl.read_csv(FOLDER / "measured.csv")


def of(table: pl.DataFrame, environment: str, quantity: str) -> dict[float | None, float]:
    own = table.filter((pl.col("environment") == environment) & (pl.col("quantity") == quantity))
    return dict(own.select("x", "J").rows())


def final(arm: str, environment: str) -> float:
    said = json.loads((FOLDER / "report" / "numbers.json").read_text())
    metrics = said["environments"][environment]["metrics"]
    return float(metrics["final"]["summaries"][arm]["iqm"]["estimate"])


def test_the_table_is_what_linear_algebra_says(
    measure: ModuleType, committed: pl.DataFrame
) -> None:
    found = [row for puzzle in measure.puzzles().values() for row in measure.exact(puzzle)]
    table = pl.DataFrame(found, infer_schema_length=None)
    kept = committed.filter(~pl.col("quantity").str.starts_with("end_of"))
    assert kept.drop("J").rows() == table.drop("J").rows()
    assert kept["J"].to_list() == pytest.approx(table["J"].to_list(), abs=2e-6)


def test_the_gridworld_by_hand(committed: pl.DataFrame) -> None:
    """From the five cells: right answers cost .04 a move; one half of the map is out of reach."""
    reached = 0.88 + 0.92 + 0.96  # three, two and one decisions to the goal, which pays 1
    assert of(committed, "gridworld", "best_deterministic")[None] == pytest.approx(
        (reached - 25 * 0.04 * 2) / 5
    )
    # by chance: 4 decisions from the grey cells, x = (2 + 2 + x) / 2, and 5 from the corners
    chance = (0.96 + 2 * (1 - 4 * 0.04) + 2 * (1 - 5 * 0.04)) / 5
    assert of(committed, "gridworld", "best_stochastic")[None] == pytest.approx(chance, abs=2e-4)


def test_the_corridor_by_the_book(committed: pl.DataFrame) -> None:
    """J(p) = −2 (2 − p) / (p (1 − p)) where 100 decisions are as good as no limit."""
    curve = of(committed, "corridor", "right")
    for p in (0.45, 0.5, 0.6):
        assert curve[p] == pytest.approx(-2 * (2 - p) / (p * (1 - p)), abs=2e-3)
    assert curve[0.0] == curve[1.0] == -100.0
    best = of(committed, "corridor", "best_stochastic")[None]
    assert best == pytest.approx(-6 - 4 * 2**0.5, abs=1e-3) and best >= max(curve.values())


def test_nothing_that_is_listed_is_better_than_the_best(measure: ModuleType) -> None:
    """Ascent on logits ends as near to the optimum as a softmax comes."""
    generator = torch.Generator().manual_seed(0)
    for puzzle in measure.puzzles().values():
        best = puzzle.best()
        shape = (40, puzzle.kinds, puzzle.mdp.actions)
        near = best + 0.02 * torch.rand(shape, generator=generator, dtype=torch.float64)
        others = (puzzle.deterministic(), puzzle.shared(), near / near.sum(-1, keepdim=True))
        for tables in others:
            assert float(puzzle.returns(best)) >= float(puzzle.returns(tables).max()) - 1e-7


def test_a_linear_function_of_the_features_is_a_table(measure: ModuleType) -> None:
    """Observations are linearly independent: values of one say nothing about another."""
    for puzzle, kinds in zip(measure.puzzles().values(), (4, 1), strict=True):
        live = puzzle.mdp.features[~puzzle.mdp.terminal]
        assert puzzle.kinds == kinds == int(torch.linalg.matrix_rank(live))
        assert len(puzzle.deterministic()) == puzzle.mdp.actions**kinds


@pytest.mark.parametrize("environment", ["gridworld", "corridor"])
def test_values_that_stay_as_they_are_earn_less_than_values_that_change(
    committed: pl.DataFrame, environment: str
) -> None:
    bound = of(committed, environment, "best_epsilon_greedy")[0.1]
    frozen = of(committed, environment, "end_of_value_based")
    assert list(frozen) == [float(seed) for seed in range(20)]
    assert max(frozen.values()) <= bound + 1e-4
    best = of(committed, environment, "best_stochastic")[None]
    learning = final("value_based", environment)
    assert bound < learning < final("stochastic", environment)
    assert final("deterministic", environment) < learning < best


def test_what_the_readme_says_came_of_the_prediction(committed: pl.DataFrame) -> None:
    readme = (FOLDER / "README.md").read_text(encoding="utf-8").replace("−", "-")
    best = of(committed, "gridworld", "best_deterministic")[None]
    search = list(of(committed, "gridworld", "end_of_deterministic").values())
    assert f"{search.count(best)} of {len(search)} runs" in readme and max(search) == best
    greedy = of(committed, "gridworld", "best_epsilon_greedy")
    values = list(of(committed, "gridworld", "end_of_value_based").values())
    assert f"{values.count(greedy[0.1])} of {len(values)} runs at exactly .200" in readme
    assert set(of(committed, "corridor", "end_of_value_based").values()) == {-40.074764}
    learning = final("value_based", "gridworld"), final("value_based", "corridor")
    assert f"earns {learning[0]:.3f} and {learning[1]:.1f}".replace("0.", ".", 1) in readme
    assert f"says {final('deterministic', 'gridworld'):.3f}".replace("0.", ".", 1) in readme
    optimum = {
        name: of(committed, name, "best_stochastic")[None] for name in ("gridworld", "corridor")
    }
    tried = [share for share in greedy if share]
    assert max(greedy[e] for e in tried) < 0.26 * optimum["gridworld"]
    near = of(committed, "corridor", "best_epsilon_greedy")[0.8]
    assert optimum["corridor"] - 0.01 < near < optimum["corridor"]


def test_the_last_iterations_of_the_search_are_worse_than_its_final_return() -> None:
    """Episodes that end past the budget are left out of it, and they are the long ones."""
    rows = pl.read_parquet(FOLDER / "report" / "episodes.parquet")
    texts = [pl.col(name).cast(pl.String) for name in ("arm", "environment")]
    own = rows.filter((texts[0] == "deterministic") & (texts[1] == "gridworld"))
    last = [runs["return_raw"].tail(200).mean() for _, runs in own.group_by("seed")]
    mean = sum(last) / 20
    assert len(last) == 20 and mean < final("deterministic", "gridworld")
    readme = (FOLDER / "README.md").read_text(encoding="utf-8").replace("−", "-")
    assert f"last iterations is {mean:.3f}".replace("0.", ".", 1) in readme


def test_the_readme_has_the_table(committed: pl.DataFrame) -> None:
    readme = (FOLDER / "README.md").read_text(encoding="utf-8").replace("−", "-")
    places = ("gridworld", "corridor")
    rows = {
        "best stochastic": ("best_stochastic", None),
        "best deterministic": ("best_deterministic", None),
        "every action alike": ("every_action_alike", None),
        **{f"best {e}-greedy": ("best_epsilon_greedy", e) for e in (0.01, 0.1, 0.3, 0.8)},
    }
    lines = {
        name: [of(committed, place, quantity)[x] for place in places]
        for name, (quantity, x) in rows.items()
    }
    for arm in ("stochastic", "deterministic", "value_based"):
        ends = [of(committed, place, f"end_of_{arm}").values() for place in places]
        lines[f"{arm}, at the end"] = [sum(values) / len(values) for values in ends]
    for name, (grid, corridor) in lines.items():
        assert f"| {name} | {grid:.3f} | {corridor:.2f} |" in readme
