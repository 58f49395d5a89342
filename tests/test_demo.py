"""What the README's first command promises: a small study that learns, and its report."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

ROOT = Path(__file__).resolve().parents[1]
SOLVED = 475.0  # CartPole-v1's threshold
LAST = 100  # episodes per seed
ARMS = ("total_return", "reward_to_go", "batch_mean", "gae")


def commands() -> list[str]:
    """What ``make demo`` runs once pgx is installed."""
    recipe = re.search(r"^demo:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe is not None
    return re.findall(r"\$\(BIN\)/pgx (.*)", recipe[1])


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The directory in which the demo ran, and what it printed."""
    directory, printed = tmp_path_factory.mktemp("demo"), ""
    for line in commands():
        command = [sys.executable, "-m", "pgx", *line.split()]
        done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, f"{line}: {done.stdout}\n{done.stderr}"
        printed += done.stdout
    return directory, printed


def test_the_demo_is_a_study_and_its_report() -> None:
    assert commands() == ["sweep study=demo", "report demo"]


def test_one_arm_of_the_demo_solves_cartpole(demo: tuple[Path, str]) -> None:
    solved = {}
    for arm in ARMS:
        directory = demo[0] / f"outputs/demo/{arm}/cartpole-v1/seeds-0-9"
        manifest = json.loads((directory / "manifest.json").read_text())
        assert manifest["status"] == "finished"
        assert set(manifest["seed_status"]) == {str(seed) for seed in range(10)}
        episodes = pl.read_parquet(directory / "episodes.parquet").sort("seed", "episode")
        last = episodes.group_by("seed", maintain_order=True).tail(LAST)
        means = last.group_by("seed").agg(pl.col("return_raw").mean(), pl.len())
        assert means["len"].to_list() == [LAST] * 10
        solved[arm] = int((means["return_raw"] >= SOLVED).sum())
    assert max(solved.values()) >= 8, solved


def test_the_demo_says_where_its_report_lies(demo: tuple[Path, str]) -> None:
    directory, printed = demo
    report = directory / "outputs/demo/report/report.html"
    assert report.is_file()
    assert "outputs/demo/report/report.html" in printed
    page = report.read_text(encoding="utf-8")
    assert all(arm in page for arm in ARMS)
