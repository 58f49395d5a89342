"""Study 005: the book's figures, from the episodes that the report ships."""

from __future__ import annotations

import re

import polars as pl
import pytest

from tests.support.experiments import EXPERIMENTS, measure, script

FOLDER = EXPERIMENTS / "005_corridor"
BY_EPISODE = script("by_episode.py")


@pytest.fixture(scope="module")
def episodes() -> pl.DataFrame:
    return BY_EPISODE.episodes(FOLDER)


@pytest.fixture(scope="module")
def table(episodes: pl.DataFrame) -> pl.DataFrame:
    return BY_EPISODE.bands(episodes, measure(FOLDER.name).LINES)


def test_every_run_has_the_thousand_episodes(episodes: pl.DataFrame) -> None:
    counts = episodes.group_by("arm", "seed").len()
    assert len(counts) == 5 * 100
    assert counts["len"].unique().to_list() == [1000]


def test_the_table_is_that_of_the_episodes(table: pl.DataFrame) -> None:
    committed = pl.read_csv(FOLDER / "measured.csv")
    assert table.columns == committed.columns
    assert table.select("arm", "first", "last", "runs").rows() == (
        committed.select("arm", "first", "last", "runs").rows()
    )
    for name in ("mean", "standard_error"):
        assert table[name].to_list() == pytest.approx(committed[name].to_list(), abs=1e-3)


def test_the_readme_has_the_table(table: pl.DataFrame) -> None:
    readme = (FOLDER / "README.md").read_text(encoding="utf-8").replace("−", "-")
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
    table: pl.DataFrame, arm: str, first: int, low: float, high: float
) -> None:
    """Sutton & Barto, figures 13.1 and 13.2; the baseline is above −13 by episode 100."""
    (mean,) = table.filter((pl.col("arm") == arm) & (pl.col("first") == first))["mean"]
    assert low < mean < high


@pytest.mark.parametrize(
    ("arm", "known"), [("rate_12", -11.7), ("rate_13", -12.42), ("rate_14", -15.09)]
)
def test_one_update_an_episode_ends_where_it_is_known_to(
    table: pl.DataFrame, arm: str, known: float
) -> None:
    """Means of 1,000 runs over episodes 901 to 1000, within three standard errors of these 100."""
    (row,) = table.filter((pl.col("arm") == arm) & (pl.col("first") == 901)).to_dicts()
    assert row["mean"] == pytest.approx(known, abs=3 * row["standard_error"])
