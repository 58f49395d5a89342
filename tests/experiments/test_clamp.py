"""Study 009: the two-action example in full, and what the runs did at the ends of [0, 1]."""

from __future__ import annotations

import re

import polars as pl
import pytest

from tests.support.experiments import EXPERIMENTS, measure

FOLDER = EXPERIMENTS / "009_clamp"
PAIRS = [(1.0, 0.0), (0.0, 1.0), (-1.0, -2.0), (2.0, 1.0)]


@pytest.fixture(scope="module")
def table() -> pl.DataFrame:
    return pl.read_csv(FOLDER / "measured.csv")


def read(
    table: pl.DataFrame,
    quantity: str,
    rewards: tuple[float, float],
    baseline: str | None = None,
    theta: float = 0.2,
    project: bool = False,
) -> float:
    """The one number of that kind."""
    own = table.filter(
        (pl.col("quantity") == quantity)
        & (pl.col("left") == rewards[0])
        & (pl.col("right") == rewards[1])
        & pl.col("baseline").eq_missing(baseline)
        & (pl.col("theta") == theta)
        & (pl.col("project") == project)
    )
    return own["value"].item()


def test_the_committed_rows_are_what_is_measured(table: pl.DataFrame) -> None:
    """The example with two pairs of rewards, a parabola, and both kinds of ends with a third."""
    module = measure(FOLDER.name)
    module.CONSTANTS = module.CONSTANTS[::5]
    rows = [*module.worked(PAIRS[1]), *module.worked(PAIRS[2]), *module.parabola(PAIRS[1])]
    rows += [row for project in (False, True) for row in module.ends(PAIRS[2], project)]
    known = {tuple(key(row)): row[-1] for row in table.iter_rows()}
    assert len({tuple(key(row)) for row in rows}) == len(rows) == 2 * 16 + 5 + 2 * 4 * 7
    for row in rows:
        assert known[tuple(key(row))] == pytest.approx(row[-1], abs=1e-8)


def key(row: tuple) -> list[object]:
    """All but the value."""
    return [round(one, 6) + 0.0 if isinstance(one, float) else one for one in row[:-1]]


@pytest.mark.parametrize("rewards", PAIRS)
def test_the_example_by_hand(table: pl.DataFrame, rewards: tuple[float, float]) -> None:
    left, right = rewards
    assert read(table, "estimate_left", rewards, "none") == pytest.approx(5 * left)
    assert read(table, "estimate_right", rewards, "none") == pytest.approx(-1.25 * right)
    value, best = 0.2 * left + 0.8 * right, 0.8 * left + 0.2 * right
    for name, constant in (("none", 0.0), ("value", value), ("optimal", best)):
        own = table.filter(pl.col("baseline") == name, theta=0.2, left=left, right=right)
        assert own["constant"].to_list() == pytest.approx([constant] * 4)
        assert read(table, "mean", rewards, name) == pytest.approx(left - right)
        spread = 6.25 * (constant - best) ** 2  # E[ℓ²] (b − b*)², with E[ℓ²] = 5 + 1.25
        assert read(table, "variance", rewards, name) == pytest.approx(spread, abs=1e-8)
    assert read(table, "variance", rewards, "leave_one_out") == pytest.approx(
        2 * (0.32 * 3.125**2 - 1)
    )


def test_the_value_is_worse_than_no_baseline(table: pl.DataFrame) -> None:
    assert read(table, "variance", (0.0, 1.0), "value") == pytest.approx(2.25)
    assert read(table, "variance", (0.0, 1.0), "none") == pytest.approx(0.25)
    assert read(table, "variance", (0.0, 1.0), "optimal") == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("rewards", [(1.0, 0.0), (0.0, 1.0)])
def test_the_parabola(table: pl.DataFrame, rewards: tuple[float, float]) -> None:
    best = 0.8 * rewards[0] + 0.2 * rewards[1]
    own = table.filter(pl.col("baseline") == "constant", left=rewards[0], right=rewards[1])
    wanted = [6.25 * (constant - best) ** 2 for constant in own["constant"]]
    assert len(wanted) == 21
    assert own["value"].to_list() == pytest.approx(wanted, abs=1e-8)


@pytest.mark.parametrize("rewards", PAIRS)
def test_outside_nothing_moves_and_on_the_edge_one_reward_decides(
    table: pl.DataFrame, rewards: tuple[float, float]
) -> None:
    left, right = rewards
    for theta, inside, estimate in ((-0.3, 0.0, -right), (1.3, 1.0, left)):
        assert read(table, "slope", rewards, None, theta) == 0.0
        assert read(table, "slope", rewards, None, theta, True) == pytest.approx(left - right)
        for name in ("none", "value"):
            assert read(table, "mean", rewards, name, theta) == 0.0
            assert read(table, "after", rewards, name, theta) == pytest.approx(theta)
        assert read(table, "start", rewards, None, theta, True) == inside
        found = read(table, "mean", rewards, "none", theta, True)
        assert found == pytest.approx(estimate)
        after = min(max(inside + 0.1 * found, 0.0), 1.0)
        assert read(table, "after", rewards, "none", theta, True) == pytest.approx(after)
        assert read(table, "mean", rewards, "value", theta, True) == pytest.approx(0.0, abs=1e-9)


def test_the_readme_has_the_figures(table: pl.DataFrame) -> None:
    readme = (FOLDER / "README.md").read_text(encoding="utf-8").replace("−", "-")
    lines = readme.partition("## Measured exactly")[2].splitlines()
    said = [line for line in lines if line.startswith("| (")]
    assert len(said) == 4 + 5
    for line in said[:4]:
        pair, *numbers = cells(line)
        wanted = [read(table, f"estimate_{side}", pair, "none") for side in ("left", "right")]
        wanted.append(read(table, "mean", pair, "none"))
        own = table.filter(theta=0.2, left=pair[0], right=pair[1], quantity="mean")
        wanted += [own.filter(baseline=name)["constant"].item() for name in ("value", "optimal")]
        names = ("none", "value", "optimal", "leave_one_out")
        wanted += [read(table, "variance", pair, name) for name in names]
        assert numbers == pytest.approx(wanted, abs=1e-8)
    for line in said[4:]:
        pair, theta, *numbers = cells(line)
        wanted = [read(table, name, pair, None, theta) for name in ("objective", "slope")]
        wanted.append(read(table, "mean", pair, "none", theta))
        wanted += [read(table, name, pair, None, theta, True) for name in ("start", "slope")]
        wanted += [read(table, name, pair, "none", theta, True) for name in ("mean", "after")]
        assert numbers == pytest.approx(wanted, abs=1e-8)


def cells(line: str) -> list:
    """The pair of rewards, then numbers."""
    pair, *rest = (one.strip() for one in line.strip("|").split("|"))
    left, right = re.findall(r"-?[\d.]+", pair)
    return [(float(left), float(right)), *map(float, rest)]


def test_who_was_lost_and_when() -> None:
    rows = pl.read_parquet(FOLDER / "report" / "episodes.parquet").sort("seed", "decisions")
    reward = pl.col("return_raw").cast(pl.Float64)
    told = rows.group_by("arm", "environment", "seed", maintain_order=True).agg(
        reward.tail(100).mean().alias("final"), reward.slice(4).max().alias("best_after_one")
    )
    best = {"two_action": 1.0, "bandit": -1.0}
    for (arm, environment), own in told.group_by("arm", "environment"):
        lost = own.filter(pl.col("final") < best[environment] - 1e-9)
        if environment == "bandit" and arm in ("none", "value"):
            assert lost["seed"].to_list() == [2, 8]
            assert lost["best_after_one"].to_list() == [-2.0, -2.0]  # by the first update
        elif environment == "bandit" and arm == "none_projected":
            assert len(lost) == 20 and lost["final"].min() > -1.5
            assert own["final"].mean() == pytest.approx(-1.18, abs=0.005)
        else:
            assert len(own) == 20 and lost.is_empty()


def test_the_figure_names_three_points_of_either_curve(table: pl.DataFrame) -> None:
    lines, marks = measure(FOLDER.name).places(table)
    assert len(lines) == 2 * 21
    where = {(mark["pair"], mark["name"]): (mark["b"], mark["variance"]) for mark in marks}
    assert where["R = (0, 1)", "V"] == pytest.approx((0.8, 2.25))
    assert where["R = (1, 0)", "best"] == pytest.approx((0.8, 0.0))
    assert "<svg" in (FOLDER / "figures" / "variance.svg").read_text(encoding="utf-8")
