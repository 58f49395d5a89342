"""Study 005: the book's figures, from the episodes that the report ships."""

from __future__ import annotations

import polars as pl
import pytest

from tests.support.experiments import EXPERIMENTS, measure, script

FOLDER = EXPERIMENTS / "005_corridor"
BY_EPISODE = script("by_episode.py")


@pytest.fixture(scope="module")
def table() -> pl.DataFrame:
    return BY_EPISODE.bands(BY_EPISODE.episodes(FOLDER), measure(FOLDER.name).LINES)


@pytest.mark.parametrize(
    ("arm", "known"), [("rate_12", -11.7), ("rate_13", -12.42), ("rate_14", -15.09)]
)
def test_one_update_an_episode_ends_where_it_is_known_to(
    table: pl.DataFrame, arm: str, known: float
) -> None:
    """Means of 1,000 runs over episodes 901 to 1000, within three standard errors of these 100."""
    (row,) = table.filter((pl.col("arm") == arm) & (pl.col("first") == 901)).to_dicts()
    assert row["mean"] == pytest.approx(known, abs=3 * row["standard_error"])
