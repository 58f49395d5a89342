"""experiments/000_competence: the table follows from the rows, which reach what was asked."""

from __future__ import annotations

import polars as pl
import pytest

from pgx.config import compose_config
from tests.support.experiments import EXPERIMENTS, script

FOLDER = EXPERIMENTS / "000_competence"
RESULTS = pl.read_csv(FOLDER / "results.csv")
SEEDS = 10
SUMMARISE = script("000_competence/summarise.py")


ASKED = {name: least for name, (least, _) in SUMMARISE.ASKED.items() if least is not None}


def test_the_readmes_table_is_made_of_the_rows() -> None:
    assert SUMMARISE.table(RESULTS) in (FOLDER / "README.md").read_text()


@pytest.mark.parametrize("environment", ASKED)
def test_the_median_run_reaches_what_was_asked(environment: str) -> None:
    rows = RESULTS.filter(pl.col("environment") == environment)
    assert sorted(rows["seed"]) == list(range(SEEDS))
    assert rows["evaluation_episodes"].to_list() == [100] * SEEDS
    assert rows["evaluation_mean"].median() >= ASKED[environment]


def test_every_run_took_its_presets_budget() -> None:
    for preset, rows in RESULTS.group_by("preset"):
        config = compose_config([f"experiment={preset[0]}"])
        most = config.decisions + config.environment.slots * config.estimator.horizon
        assert rows["status"].unique().to_list() == ["finished"]
        assert rows["decisions"].is_between(config.decisions, most).all()
