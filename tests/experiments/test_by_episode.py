"""What studies share that show the book's figures: bands of episodes, and how lines look."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from omegaconf import OmegaConf

from pgx.report.looks import LIGHT
from tests.conftest import ROOT
from tests.support.experiments import EXPERIMENTS, measure, script

BY_EPISODE = script("by_episode.py")
STUDIES = ("005_corridor", "012_step_by_step")


def made(runs: dict[tuple[str, int], list[int]]) -> pl.DataFrame:
    """Rows as a report ships them, the last first; an episode's return is minus its length."""
    rows = []
    for (arm, seed), returns in runs.items():
        decisions = 0
        for episode, value in enumerate(returns):
            decisions -= value
            rows.append(("corridor", arm, seed, episode, decisions, value))
    names = ["environment", "arm", "seed", "episode", "decisions", "return_raw"]
    told = pl.DataFrame(rows[::-1], schema=names, orient="row")
    return told.with_columns(pl.col("environment", "arm").cast(pl.Categorical))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Arm b: 1003 episodes of seed 4, a step of two returns, and 1000 of seed 9; arm a: one run."""
    (tmp_path / "report").mkdir()
    runs = {("b", 4): [-8] * 20 + [-2] * 983, ("b", 9): [-4] * 1000, ("a", 7): [-3] * 1000}
    made(runs).write_parquet(tmp_path / "report" / "episodes.parquet")
    return tmp_path


def test_episodes_are_numbered_in_time_and_end_at_a_thousand(folder: Path) -> None:
    rows = BY_EPISODE.episodes(folder)
    assert rows.columns == ["arm", "seed", "number", "return_raw"]
    own = rows.filter(pl.col("seed") == 4)
    assert own["number"].to_list() == list(range(1, 1001))
    assert own["return_raw"].to_list() == [-8] * 20 + [-2] * 980


def test_bands_by_hand(folder: Path) -> None:
    """Runs of −8 and −4, then of −2 and −4: half their distance is their mean's error."""
    table = BY_EPISODE.bands(BY_EPISODE.episodes(folder), ["b", "a"])
    assert table["arm"].to_list() == ["b"] * 5 + ["a"] * 5
    assert table["first"].to_list() == [1, 81, 181, 381, 901] * 2
    own = table.filter(pl.col("arm") == "b")
    assert own.row(0) == ("b", 1, 20, -6.0, 2.0, 2)
    assert own.row(4) == ("b", 901, 1000, -3.0, 1.0, 2)
    assert table.row(9) == ("a", 901, 1000, -3.0, None, 1)


def drawn(folder: Path, *lines: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """How arms b and a look, and the points of their lines."""
    rows = BY_EPISODE.episodes(folder)
    arms = dict(zip(("b", "a"), lines, strict=True))
    spec = BY_EPISODE.chart(rows, arms, ["Told."])
    assert spec["title"]["subtitle"] == ["Told."]
    return spec["layer"][0]["encoding"], spec["layer"][0]["data"]["values"]


def test_a_point_is_the_mean_of_ten_episodes_of_all_runs(folder: Path) -> None:
    line = BY_EPISODE.Line
    looks, values = drawn(folder, line("B", LIGHT[2]), line("A", LIGHT[1]))
    points = {(value["arm"], value["number"]): value["return_raw"] for value in values}
    assert len(points) == 2 * 100
    assert [points["B", number] for number in (10, 20, 30, 1000)] == [-6, -6, -3, -3]
    assert looks["y"]["title"] == "return, mean of 3 runs"


def test_the_legend_shows_dashes_where_a_colour_is_shared(folder: Path) -> None:
    line = BY_EPISODE.Line
    looks, _ = drawn(folder, line("B", LIGHT[2]), line("A", LIGHT[1], (6, 3)))
    assert looks["strokeDash"]["legend"] is None
    looks, _ = drawn(folder, line("B", LIGHT[2]), line("A", LIGHT[2], (6, 3)))
    assert looks["strokeDash"]["legend"] == looks["color"]["legend"] is not None
    assert looks["strokeDash"]["scale"] == {"domain": ["B", "A"], "range": [[1, 0], [6, 3]]}


def test_the_table_and_the_figure_are_written(folder: Path) -> None:
    line = BY_EPISODE.Line
    BY_EPISODE.write(folder, {"b": line("One", LIGHT[2]), "a": line("Two", LIGHT[1])}, ["Told."])
    assert pl.read_csv(folder / "measured.csv")["arm"].to_list() == ["b"] * 5 + ["a"] * 5
    svg = (folder / "figures" / "episodes.svg").read_text(encoding="utf-8")
    assert svg.startswith("<svg") and all(f">{text}<" in svg for text in ("One", "Two", "Told."))


@pytest.mark.parametrize("study", STUDIES)
def test_every_arm_has_a_line_that_looks_like_no_other(study: str) -> None:
    lines = measure(study).LINES
    arms = OmegaConf.load(ROOT / "conf" / "study" / f"{study}.yaml").arms
    assert list(lines) == list(arms)
    assert len({line.label for line in lines.values()}) == len(lines)
    assert len({(line.colour, line.dashes) for line in lines.values()}) == len(lines)


def test_the_committed_figure_names_every_line() -> None:
    svg = (EXPERIMENTS / "005_corridor" / "figures" / "episodes.svg").read_text(encoding="utf-8")
    names = [line.label for line in measure("005_corridor").LINES.values()]
    assert all(f">{text}<" in svg for text in [*names, *measure("005_corridor").SUBTITLE])


@pytest.fixture(scope="module", params=STUDIES)
def shown(request: pytest.FixtureRequest) -> tuple[str, pl.DataFrame, pl.DataFrame]:
    """A study, its episodes and their table."""
    episodes = BY_EPISODE.episodes(EXPERIMENTS / request.param)
    return request.param, episodes, BY_EPISODE.bands(episodes, measure(request.param).LINES)


def test_every_run_has_the_thousand_episodes(shown: tuple[str, pl.DataFrame, pl.DataFrame]) -> None:
    study, episodes, _ = shown
    counts = episodes.group_by("arm", "seed").len()
    assert len(counts) == len(measure(study).LINES) * 100
    assert counts["len"].unique().to_list() == [1000]


def test_the_table_is_that_of_the_episodes(shown: tuple[str, pl.DataFrame, pl.DataFrame]) -> None:
    study, _, table = shown
    committed = pl.read_csv(EXPERIMENTS / study / "measured.csv")
    assert table.columns == committed.columns
    names = ("arm", "first", "last", "runs")
    assert table.select(names).rows() == committed.select(names).rows()
    for name in ("mean", "standard_error"):
        assert table[name].to_list() == pytest.approx(committed[name].to_list(), abs=1e-3)


def test_the_readme_has_the_table(shown: tuple[str, pl.DataFrame, pl.DataFrame]) -> None:
    study, _, table = shown
    readme = (EXPERIMENTS / study / "README.md").read_text(encoding="utf-8").replace("−", "-")
    for arm, rows in table.group_by("arm", maintain_order=True):
        line = next(text for text in readme.splitlines() if text.startswith(f"| {arm[0]} |"))
        said = [float(number) for number in re.findall(r"(-?[\d.]+) ±", line)]
        assert said == pytest.approx(rows["mean"].to_list(), abs=0.051)


@pytest.mark.parametrize(
    ("arm", "first", "low", "high"),
    [
        ("rate_13", 901, -13.0, -11.7),
        ("rate_14", 901, -15.5, -14.3),
        ("value", 81, -13.0, -11.0),
    ],
)
def test_the_bands_of_the_figures(
    shown: tuple[str, pl.DataFrame, pl.DataFrame], arm: str, first: int, low: float, high: float
) -> None:
    """Sutton & Barto, figures 13.1 and 13.2; the baseline is above −13 by episode 100."""
    (mean,) = shown[2].filter(arm=arm, first=first)["mean"]
    assert low < mean < high
