"""What the README's first command promises."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl

from tests.conftest import Train

SOLVED = 475.0  # CartPole-v1's threshold
LAST = 100  # episodes per seed


def test_the_demo_solves_cartpole(train: Train, tmp_path: Path) -> None:
    done = train("experiment=a2c", "seeds=10", "threads=1")
    directory = tmp_path / "outputs/adhoc/a2c/cartpole-v1/seeds-0-9"
    episodes = pl.read_parquet(directory / "episodes.parquet")
    last = episodes.sort("seed", "episode").group_by("seed").tail(LAST)
    means = last.group_by("seed").agg(pl.col("return_raw").mean(), pl.len())
    assert means.height == 10
    assert means["len"].to_list() == [LAST] * 10
    assert (means["return_raw"] >= SOLVED).sum() >= 8
    assert "10 of 10 seeds done" in done.stdout
    assert "outputs/adhoc/a2c/cartpole-v1/seeds-0-9" in done.stdout
    manifest = json.loads((directory / "manifest.json").read_text())
    assert manifest["status"] == "finished"
    assert set(manifest["seed_status"]) == {str(seed) for seed in range(10)}
