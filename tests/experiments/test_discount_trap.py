"""Study 006: the table of slopes, where both updates end, and a field without a potential."""

from __future__ import annotations

import math
import re

import numpy as np
import polars as pl
import pytest
import torch

from pgx.environments.exact import gradient, unweighted_gradient
from pgx.environments.table import Table
from tests.support.experiments import EXPERIMENTS, measure

FOLDER = EXPERIMENTS / "006_discount_trap"


@pytest.fixture(scope="module")
def table() -> pl.DataFrame:
    return pl.read_csv(FOLDER / "measured.csv")


def read(table: pl.DataFrame, quantity: str, process: str, update: str) -> list[float]:
    where = {"quantity": quantity, "process": process, "update": update}
    return table.filter(pl.col(name) == value for name, value in where.items())["value"].to_list()


def test_the_committed_rows_are_what_is_measured(table: pl.DataFrame) -> None:
    """All but the large process's limits, which take long, and the field, half of it."""
    module = measure(FOLDER.name)
    module.GRID = module.GRID[::2]
    fields = [
        row for name, update in module.sigmoids().items() for row in module.field(update, name)
    ]
    rows = [*module.slopes("large"), *module.slopes("minimal"), *module.limits("minimal"), *fields]
    known = {row[:5]: row[5] for row in table.iter_rows()}
    assert len({row[:5] for row in rows}) == len(rows) == 6 * 3 + 6 * 3 + 6 + 2 * (2 * 25 + 6)
    for row in rows:
        assert known[row[:5]] == pytest.approx(row[5], rel=1e-9, abs=1e-10)


@pytest.mark.parametrize(
    ("process", "weighted", "undiscounted", "without"),
    [("large", 0.36384, 99.0, -0.5904), ("minimal", 0.375, 0.25, -0.25)],
)
def test_the_table_of_slopes(
    table: pl.DataFrame, process: str, weighted: float, undiscounted: float, without: float
) -> None:
    wanted = {"with": weighted, "undiscounted": undiscounted, "without": without}
    for update, slope in wanted.items():
        assert read(table, "slope", process, update) == pytest.approx([slope] * 3, rel=1e-6)
    assert min(read(table, "limit", process, "with")) > 0.99
    assert max(read(table, "limit", process, "without")) < 0.01


def test_the_field_is_that_of_linear_algebra(table: pl.DataFrame) -> None:
    """Trajectories listed against visits and action values; sigmoids against a softmax."""
    mdp = Table([0], 1, file=str(FOLDER / "two_sigmoids.yaml")).mdp
    wide = table.filter(pl.col("quantity").str.starts_with("field")).pivot(
        "quantity", index=["update", "first", "second"], values="value"
    )
    assert len(wide) == 2 * 81
    for update, first, second, *found in wide.sample(24, seed=0).iter_rows():
        theta = torch.tensor([first, second], dtype=torch.float64, requires_grad=True)
        chosen = torch.cat([theta.sigmoid(), torch.ones(1, dtype=torch.float64)])
        policy = torch.stack([chosen, 1 - chosen], dim=-1)
        truth = gradient if update == "with" else unweighted_gradient
        (wanted,) = truth(mdp, policy, 0.5, [theta])
        assert found == pytest.approx(wanted.tolist(), abs=1e-9)


def test_with_the_weight_there_is_a_potential_and_without_it_none(table: pl.DataFrame) -> None:
    assert read(table, "asymmetry", "two_sigmoids", "with") == pytest.approx([0.0], abs=1e-10)
    assert read(table, "circulation", "two_sigmoids", "with") == pytest.approx([0.0], abs=1e-10)
    (asymmetry,) = read(table, "asymmetry", "two_sigmoids", "without")
    assert asymmetry == pytest.approx(-0.0302537417, abs=1e-10)
    (around,) = read(table, "circulation", "two_sigmoids", "without")
    side = math.tanh(1.0)  # σ(2) − σ(−2); Stokes: the asymmetry (γ−1) σ'σ' over the square
    assert around == pytest.approx((1 - 0.5) * side**2, rel=1e-9)


def finals() -> dict[tuple[str, str], list[float]]:
    """Every run's return over its last 200 episodes, seeds in order."""
    rows = pl.read_parquet(FOLDER / "report" / "episodes.parquet").sort("seed", "decisions")
    last = rows.group_by("arm", "environment", "seed", maintain_order=True).agg(
        pl.col("return_raw").cast(pl.Float64).tail(200).mean()
    )
    found: dict[tuple[str, str], list[float]] = {}
    for arm, environment, _, value in last.iter_rows():
        found.setdefault((arm, environment), []).append(value)
    return found


def test_where_the_runs_end() -> None:
    found = finals()
    for environment, low, high in (("nota_thomas", 2, 101), ("nota_thomas_minimal", 1.75, 2)):
        middle = (low + high) / 2
        for arm in ("with_weight", "exact"):
            assert min(found[arm, environment]) > middle
    assert max(found["without_weight", "nota_thomas_minimal"]) < 1.875
    away = np.flatnonzero(np.array(found["without_weight", "nota_thomas"]) > 51.5)
    assert away.tolist() == [0, 6, 12]
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert "17 of 20" in readme and "(seeds 0, 6 and 12)" in readme


def test_the_readme_has_the_figures(table: pl.DataFrame) -> None:
    readme = (FOLDER / "README.md").read_text(encoding="utf-8").replace("−", "-")
    lines = readme.partition("## Measured exactly")[2].splitlines()
    for process in ("large", "minimal"):
        (line,) = (line for line in lines if line.startswith(f"| {process} |"))
        wanted = [
            read(table, "slope", process, name)[1] for name in ("with", "undiscounted", "without")
        ]
        wanted += [read(table, "variance", process, name)[1] for name in ("with", "without")]
        wanted += [read(table, "limit", process, name)[1] for name in ("with", "without")]
        assert numbers(line) == pytest.approx(wanted, abs=5.1e-4, rel=1e-5)
    for update in ("with", "without"):
        (line,) = (line for line in lines if line.startswith(f"| {update} γᵗ |"))
        wanted = [
            read(table, name, "two_sigmoids", update)[0] for name in ("asymmetry", "circulation")
        ]
        assert numbers(line) == pytest.approx(wanted, abs=1e-7)
    ratio = (
        read(table, "variance", "large", "without")[1] / read(table, "variance", "large", "with")[1]
    )
    assert f"some {round(ratio, -2):,.0f} times" in readme


def numbers(line: str) -> list[float]:
    return [float(one) for one in re.findall(r"(?<=\| )-?[\d.]+(?= \|)", line)]


def test_the_figure_is_drawn_from_the_rows(table: pl.DataFrame) -> None:
    arrows = {name: measure(FOLDER.name).arrows(table, name) for name in ("with", "without")}
    assert [len(one) for one in arrows.values()] == [81, 81]
    steeper = [
        two["angle"] < one["angle"]
        for one, two in zip(arrows["with"], arrows["without"], strict=True)
    ]
    assert all(steeper)  # towards θ₂, which is the second decision's
    assert "<svg" in (FOLDER / "figures" / "field.svg").read_text(encoding="utf-8")
