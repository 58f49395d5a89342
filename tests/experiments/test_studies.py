"""The studies of this repository: predicted first, finished, and told as their rows have it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from pgx.report.shipped import Shipped, read_shipped
from pgx.study import prediction_hash
from tests.conftest import ROOT
from tests.support.experiments import EXPERIMENTS, script

FOLDERS = sorted(path.parent for path in EXPERIMENTS.glob("*/report"))
OFFICIAL = (
    *("001_lecture_ladder", "002_entropy", "003_time_limit", "004_on_policy"),
    *("005_corridor", "006_discount_trap", "007_variance_ladder"),
    *("008_zeroth_vs_first", "009_clamp", "010_aliased", "011_supervised"),
    "012_step_by_step",
)
SOLVED = 475.0  # CartPole-v1's threshold


def shipped(folder: Path) -> Shipped:
    return read_shipped(folder / "report")


def one_line(text: str) -> str:
    return " ".join(text.replace(">", " ").split())


def test_the_index_says_what_the_studies_say() -> None:
    readme = (ROOT / "experiments" / "README.md").read_text(encoding="utf-8")
    table = script("summarise.py").index()
    assert table in readme
    assert all(f"| [{folder.name}]" in table for folder in FOLDERS)


def test_every_official_study_is_there() -> None:
    assert {folder.name for folder in FOLDERS} >= set(OFFICIAL)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_readme_tells_what_the_rows_say(folder: Path) -> None:
    readme = (folder / "README.md").read_text(encoding="utf-8")
    study = shipped(folder).evidence.study
    assert script("summarise.py").outcome(folder) in readme
    assert study.question in one_line(readme)
    assert one_line(study.prediction) in one_line(readme)
    assert f"pgx sweep study={study.name}" in readme


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_prediction_is_the_one_that_was_made_before_the_runs(folder: Path) -> None:
    evidence = shipped(folder).evidence
    asked = OmegaConf.load(ROOT / "conf" / "study" / f"{folder.name}.yaml")
    assert evidence.study.prediction_hash == prediction_hash(asked.prediction)
    assert {part["prediction_sha256"] for part in evidence.parts} == {
        evidence.study.prediction_hash
    }


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_run_is_there(folder: Path) -> None:
    evidence = shipped(folder).evidence
    asked = OmegaConf.load(ROOT / "conf" / "study" / f"{folder.name}.yaml")
    study, expected = evidence.study, set()
    for arm in study.trained:
        expected |= {(arm, place, seed) for place in study.places for seed in range(asked.seeds)}
    left_out = {(arm, place) for arm, place, _ in study.excluded}
    expected = {run for run in expected if run[:2] not in left_out}
    assert asked.seeds >= 20
    assert {(run.arm, run.environment, run.seed) for run in evidence.runs} == expected
    assert {run.status for run in evidence.runs} == {"finished"}
    assert all(
        run.reached >= study.places[run.environment].decisions and len(run.returns)
        for run in evidence.runs
    )


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_something_is_learned_in_every_environment(folder: Path) -> None:
    """The best arm's interquartile mean covers most of the way from low to high."""
    said = json.loads((folder / "report" / "numbers.json").read_text())
    for slug, place in shipped(folder).evidence.study.places.items():
        arms = said["environments"][slug]["metrics"]["final"]["summaries"]
        best = max(arm["iqm"]["estimate"] for arm in arms.values())
        assert (best - place.low) / (place.high - place.low) > 0.8


def test_the_ladder_reaches_the_threshold() -> None:
    said = json.loads((EXPERIMENTS / "001_lecture_ladder/report/numbers.json").read_text())
    arms = said["environments"]["cartpole-v1"]["metrics"]["final"]["summaries"]
    assert max(arm["iqm"]["estimate"] for arm in arms.values()) >= SOLVED
