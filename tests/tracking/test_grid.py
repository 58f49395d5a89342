"""Points on a grid of decisions: worked by hand, and the same however the rows come."""

from __future__ import annotations

import numpy as np
import pytest

from pgx.tracking.episodes import RECENT
from pgx.tracking.grid import Grid, by_seed


def metrics(decisions: list[int], loss: list[float] | None = None) -> dict[str, np.ndarray]:
    rows = len(decisions)
    return {
        "seed": np.full(rows, 3),
        "iteration": np.arange(rows),
        "decisions": np.array(decisions, dtype=np.int64),
        "wall_s": np.arange(rows) / 2,
        "loss": np.array(loss if loss is not None else [float(d) for d in decisions]),
    }


def episodes(decisions: list[int], returns: list[float]) -> dict[str, np.ndarray]:
    value = np.array(returns, dtype=np.float64)
    return {
        "seed": np.full(len(returns), 3),
        "episode": np.arange(len(returns)),
        "decisions": np.array(decisions, dtype=np.int64),
        "return_raw": value,
        "return_train": -value,
        "length": np.arange(len(returns)) + 5,
        "wall_s": value,
    }


def test_points_worked_by_hand() -> None:
    """Budget 10, 3 points: cells 1-4, 5-8 and 9-10; the row at 12 is past the budget."""
    grid = Grid(10, 3)
    assert grid.width == 4
    grid.add(
        metrics([2, 4, 5, 9, 12], [0.5, 0.25, 7.0, 8.0, 9.0]),
        episodes([1, 4, 6, 9, 11], [10.0, 20.0, 30.0, 50.0, 70.0]),
    )
    found = list(grid.points())
    assert [point.step for point in found] == [0, 1]
    first, second = (point.values for point in found)
    assert first == {
        "iteration": 1,
        "decisions": 4,
        "wall_s": 0.5,
        "loss": 0.25,
        "return_raw": 15.0,
        "return_train": -15.0,
        "length": 5.5,
        "episodes": 2,
        "recent_return": 15.0,
    }
    assert second["loss"] == 7.0
    assert "return_raw" not in second  # the episode that ended at 6 belongs to the row at 9
    assert second["recent_return"] == 15.0
    (last,) = grid.points(ended=True)
    assert (last.step, last.values["decisions"]) == (2, 12)
    assert last.values["return_raw"] == 50.0
    assert last.values["recent_return"] == 36.0
    assert last.values["episodes"] == 5
    assert list(grid.points(ended=True)) == []


def test_what_few_iterations_measure_is_the_cells_last_measurement() -> None:
    """Cells of 4 decisions: measured at 1 and 3, at 5, and not at all; a loss may be NaN."""
    grid = Grid(12, 3)
    nan = np.nan
    measured = {"gradient_variance": np.array([1.0, nan, 3.0, nan, 5.0, nan, nan])}
    grid.add(metrics([1, 2, 3, 4, 5, 8, 12], [nan] * 7) | measured, {})
    values = [point.values for point in grid.points(ended=True)]
    assert [one["gradient_variance"] for one in values] == pytest.approx([3, 5, nan], nan_ok=True)
    assert all(np.isnan(one["loss"]) for one in values)


@pytest.mark.parametrize("points", [1, 2, 7, 500, 1000])
@pytest.mark.parametrize("step", [1, 3, 40, 1024])
def test_never_more_points_than_asked_for_and_the_last_row_is_one(points: int, step: int) -> None:
    budget = 2003
    grid = Grid(budget, points)
    grid.add(metrics(list(range(step, budget + step, step))), {})
    found = list(grid.points(ended=True))
    assert 0 < len(found) <= points
    steps = [point.step for point in found]
    assert steps == sorted(set(steps))
    assert max(steps) < points
    assert found[-1].values["decisions"] >= budget


def test_pieces_make_the_same_points_as_the_whole() -> None:
    generator = np.random.default_rng(0)
    decisions = np.cumsum(generator.integers(1, 30, 400)).tolist()
    ends = np.sort(generator.integers(1, decisions[-1], 700)).tolist()
    returns = generator.normal(size=700).tolist()
    whole, pieces = Grid(decisions[-1], 50), Grid(decisions[-1], 50)
    rows, ended = metrics(decisions), episodes(ends, returns)
    whole.add(rows, ended)
    found, first, shown = [], 0, 0
    for after in [1, 2, 10, 11, 190, 399, 400]:
        upto = int(np.searchsorted(ended["decisions"], decisions[after - 1], "right"))
        upto += generator.integers(0, 5)  # episodes come before the row that they belong to
        pieces.add(
            {name: column[first:after] for name, column in rows.items()},
            {name: column[shown:upto] for name, column in ended.items()},
        )
        found += pieces.points()
        first, shown = after, upto
    found += pieces.points(ended=True)
    assert len(found) > 40
    assert found == list(whole.points(ended=True))


def test_the_recent_return_is_of_the_last_episodes() -> None:
    grid = Grid(1000, 2)
    returns = [float(i) for i in range(RECENT + 30)]
    grid.add(metrics([1000]), episodes(list(range(1, RECENT + 31)), returns))
    (point,) = grid.points(ended=True)
    assert point.values["recent_return"] == np.mean(returns[30:])
    assert point.values["return_raw"] == np.mean(returns)


def test_a_point_says_how_the_latest_evaluation_went() -> None:
    """Cells 1-4, 5-8, 9-10; evaluations after the rows at 2, 4 and 12, two episodes each."""
    grid = Grid(10, 3)
    played = {
        "seed": np.full(6, 3),
        "iteration": np.array([0, 0, 1, 1, 4, 4]),
        "decisions": np.array([2, 2, 4, 4, 12, 12]),
        "episode": np.array([0, 1, 2, 3, 4, 5]),
        "return_raw": np.array([1.0, 2.0, 3.0, 7.0, 9.0, 12.0]),
        "length": np.array([1, 2, 4, 6, 8, 12]),
    }
    pieces = [
        {name: column[rows] for name, column in played.items()} for rows in (slice(4), [4, 5])
    ]
    grid.add(metrics([2, 4, 5]), {}, pieces[0])
    (first,) = grid.points()
    assert (first.values["evaluation"], first.values["evaluation_length"]) == (5.0, 5.0)
    grid.add(metrics([9, 12]), {}, pieces[1])
    second, last = grid.points(ended=True)
    assert "evaluation" not in second.values
    assert (last.values["evaluation"], last.values["evaluation_length"]) == (10.5, 10.0)


def test_rows_are_told_apart_by_seed() -> None:
    columns = {"seed": np.array([9, 4, 9, 4, 9]), "x": np.arange(5)}
    four, one, nine = by_seed(columns, (4, 1, 9))
    assert four["x"].tolist() == [1, 3]
    assert one["x"].tolist() == []
    assert nine["x"].tolist() == [0, 2, 4]
    assert list(by_seed({}, (4, 1))) == [{}, {}]
