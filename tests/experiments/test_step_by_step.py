"""Study 012: the book's figures by the book's program, from the episodes that the report ships."""

from __future__ import annotations

import polars as pl
import pytest

from tests.support.experiments import EXPERIMENTS, measure, script

FOLDER = EXPERIMENTS / "012_step_by_step"
BY_EPISODE = script("by_episode.py")

#: Means of 1,000 runs over episodes 1–20, 81–100, 181–200, 381–400 and 901–1000.
PUBLISHED = {
    "rate_12": (-61.3, -22.8, -16.6, -13.5, -12.17),
    "rate_13": (-69.5, -32.5, -22.1, -15.9, -12.33),
    "rate_14": (-75.0, -46.6, -33.5, -22.6, -14.88),
    "value": (-40.9, -12.4, -12.0, -11.95, -12.06),
}


@pytest.fixture(scope="module")
def table() -> pl.DataFrame:
    return BY_EPISODE.bands(BY_EPISODE.episodes(FOLDER), measure(FOLDER.name).LINES)


@pytest.fixture(scope="module")
def book() -> pl.DataFrame:
    return pl.read_csv(FOLDER / "book.csv")


@pytest.mark.parametrize("arm", PUBLISHED)
def test_the_books_program_has_the_published_curves(book: pl.DataFrame, arm: str) -> None:
    """Within four standard errors of the difference between two thousands of runs."""
    for row, known in zip(book.filter(arm=arm).to_dicts(), PUBLISHED[arm], strict=True):
        assert row["runs"] == 1000
        assert row["mean"] == pytest.approx(known, abs=4 * 2**0.5 * row["standard_error"]), row


@pytest.mark.parametrize("arm", PUBLISHED)
def test_the_arms_have_the_curves_of_the_books_program(
    table: pl.DataFrame, book: pl.DataFrame, arm: str
) -> None:
    """Within four standard errors of the difference between 100 runs and 1,000.

    The spread of runs is that of the thousand: at 2⁻¹² one in a hundred is stuck in the end, and a
    hundred runs with none of those look surer than they are.
    """
    pairs = zip(table.filter(arm=arm).to_dicts(), book.filter(arm=arm).to_dicts(), strict=True)
    for row, known in pairs:
        error = known["standard_error"] * (1 + 1000 / row["runs"]) ** 0.5
        assert row["mean"] == pytest.approx(known["mean"], abs=4 * error), row


def test_the_books_program_is_what_wrote_its_table(book: pl.DataFrame) -> None:
    """Its first twenty episodes again, by other runs; and an episode ends at the goal."""
    program = script("012_step_by_step/book.py")
    found = program.returns(program.CURVES["value"], seed=9, runs=300, episodes=20).mean(0)
    (row,) = book.filter(arm="value", first=1).to_dicts()
    assert found.mean() == pytest.approx(row["mean"], abs=4 * found.std() / 300**0.5)
    assert found.max() <= -3.0


@pytest.mark.parametrize(("arm", "known"), [("sum_12", -11.7), ("sum_13", -12.42)])
def test_a_sum_ends_where_it_is_known_to(table: pl.DataFrame, arm: str, known: float) -> None:
    (row,) = table.filter(arm=arm, first=901).to_dicts()
    assert row["mean"] == pytest.approx(known, abs=4 * row["standard_error"])
