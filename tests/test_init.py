"""`pgx init`: what it writes works, and nothing is ever overwritten."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
import yaml

from pgx import cli
from pgx.errors import ConfigError
from pgx.estimators.reward_to_go import RewardToGo
from pgx.init import STARTER, next_step, write_starter
from pgx.types import Baseline, Rollout

ROOT = Path(__file__).resolve().parents[1]


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def settings(directory: Path) -> dict[str, Any]:
    text = (directory / "conf/estimator/my_estimator.yaml").read_text(encoding="utf-8")
    found: dict[str, Any] = yaml.safe_load(text)
    assert found.pop("_target_") == "my_estimator.MyEstimator"
    return found


def rollout(steps: int = 7, replicas: int = 3, slots: int = 5) -> Rollout:
    """Complete episodes: slot n of replica r lasts 2 + (r + n) mod 5 decisions."""
    lengths = 2 + (torch.arange(replicas)[:, None] + torch.arange(slots)) % 5
    mask = torch.arange(steps)[:, None, None] < lengths
    last = torch.arange(steps)[:, None, None] == lengths - 1
    shape = (steps, replicas, slots)
    generator = torch.Generator().manual_seed(0)
    return Rollout(
        observation=torch.zeros(*shape, 4),
        action=torch.zeros(shape, dtype=torch.int64),
        reward=torch.where(mask, torch.randn(shape, generator=generator), 0.0),
        terminated=last,
        truncated=torch.zeros_like(last),
        next_observation=torch.zeros(*shape, 4),
        mask=mask,
        time=torch.arange(steps)[:, None, None].expand(shape),
        log_prob=torch.zeros(shape),
        complete=True,
    )


def nothing(like: Rollout) -> Baseline:
    return Baseline(torch.zeros_like(like.reward), torch.zeros_like(like.reward))


def test_the_files_are_written_where_they_are_said_to_be(tmp_path: Path) -> None:
    written = write_starter(tmp_path / "new")
    assert {str(path.relative_to(tmp_path / "new")) for path in written} == set(STARTER)
    assert all(path.is_file() for path in written)
    assert next_step(tmp_path / "new").startswith(f"next: cd {tmp_path / 'new'} && pgx sweep ")
    assert next_step(Path("a b")).startswith("next: cd 'a b' && pgx sweep ")


@pytest.mark.parametrize("name", STARTER)
def test_nothing_is_overwritten_and_nothing_half_written(name: str, tmp_path: Path) -> None:
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text("mine", encoding="utf-8")
    with pytest.raises(ConfigError, match=re.escape(name)):
        write_starter(tmp_path)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path.read_text(encoding="utf-8") for path in files] == ["mine"]


def test_a_directory_that_cannot_be_written_is_the_users_mistake(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot be written"):
        write_starter(tmp_path / "file")


def test_the_command_lists_what_it_wrote(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["init", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [str(tmp_path / name) for name in STARTER]
    assert cli.main(["init", str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: init: ")


def test_the_estimator_subtracts_each_replicas_own_mean(tmp_path: Path) -> None:
    write_starter(tmp_path)
    values = settings(tmp_path)
    rows = rollout()
    centred = load(tmp_path / "my_estimator.py").MyEstimator(**values)
    weight = centred.advantage(rows, nothing(rows))
    for replica in range(3):
        assert weight[:, replica][rows.mask[:, replica]].mean().abs() < 1e-6
    values["centre"] = 0.0
    plain = load(tmp_path / "my_estimator.py").MyEstimator(**values)
    common = {key: value for key, value in values.items() if key != "centre"}
    expected = RewardToGo(**common).advantage(rows, nothing(rows))
    assert torch.equal(plain.advantage(rows, nothing(rows)), expected)
    assert not torch.equal(weight, expected)


def test_the_estimator_names_a_value_outside_its_range(tmp_path: Path) -> None:
    write_starter(tmp_path)
    values = {**settings(tmp_path), "centre": 1.5}
    with pytest.raises(ConfigError, match=r"estimator\.centre=1\.5"):
        load(tmp_path / "my_estimator.py").MyEstimator(**values)


def test_the_new_study_is_swept(tmp_path: Path) -> None:
    write_starter(tmp_path)
    words = ["sweep", "study=my_study", "arm=centred", "seeds=2", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "pgx_lab", *words, "decisions=2000"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (outcome,) = json.loads(done.stdout)["outcomes"]
    assert (outcome["arm"], outcome["seeds"], outcome["exit"]) == ("centred", [0, 1], 0)
    study = json.loads((tmp_path / "outputs/my_study/study.json").read_text())
    assert list(study["arms"]) == ["plain", "centred", "centre=0.5"]
    assert study["arms"]["centred"] == ["experiment=my_arm", "estimator.centre=1.0"]
    assert len(list(tmp_path.glob("outputs/my_study/*/*/seeds-0-1/manifest.json"))) == 1
