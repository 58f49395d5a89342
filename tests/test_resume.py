"""kill -9 costs nothing that a resumed run does not make again, bit for bit."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
import torch

from pgx.checkpoint import load_checkpoint
from pgx.tracking.manifest import read_manifest
from tests.conftest import Train, environment

# Small rollouts make many iterations: a run of some seconds has many moments to be killed in.
ARMS = {
    "a2c": ("experiment=a2c", "estimator.horizon=8", "environment.slots=2", "decisions=30000"),
    "normalised": (
        "experiment=a2c",
        "estimator.horizon=8",
        "environment.slots=2",
        "decisions=12000",
        "normalization.observations=true",
        "normalization.rewards=true",
        "rollouts_reused=2",
    ),
    "reward_to_go": (
        "estimator=reward_to_go",
        "baseline=value",
        "environment.slots=2",
        "decisions=30000",
        "optimizer.learning_rate=0.0005",
    ),
}
KILLS = {"a2c": 5, "normalised": 1, "reward_to_go": 1}


def words(arm: str, output: str) -> list[str]:
    keys = ["arm=x", "seeds=[4,1,9]", f"output={output}", "checkpoint_every=0.05", "threads=1"]
    return [*ARMS[arm], *keys]


def stop_in_the_middle(
    folder: Path, command: list[str], directory: Path, number: signal.Signals, wait_s: float
) -> subprocess.Popen[str]:
    """Start training, and send a signal ``wait_s`` after it has gone on for a while."""
    blocks = directory / "metrics.blocks"
    before = blocks.stat().st_size if blocks.exists() else 0
    process = subprocess.Popen(
        [sys.executable, "-m", "pgx_lab", "train", *command],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    while not blocks.exists() or blocks.stat().st_size <= before:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    time.sleep(wait_s)
    process.send_signal(number)
    return process


@pytest.mark.parametrize("arm", ARMS)
def test_killed_and_resumed_equals_uninterrupted(train: Train, tmp_path: Path, arm: str) -> None:
    train(*words(arm, "whole"))
    whole = tmp_path / "whole/adhoc/x/cartpole-v1/seeds-4_1_9"
    killed = tmp_path / "killed/adhoc/x/cartpole-v1/seeds-4_1_9"
    moments = random.Random(20)
    for _ in range(KILLS[arm]):
        command = [*words(arm, "killed"), "resume=true"]
        wait_s = moments.uniform(0.0, 0.5)
        process = stop_in_the_middle(tmp_path, command, killed, signal.SIGKILL, wait_s)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
    train(*words(arm, "killed"), status=2)  # it asks what to do
    train(*words(arm, "killed"), "resume=true")
    for kind in ("episodes", "metrics"):
        one, other = (
            pl.read_parquet(d / f"{kind}.parquet").drop("wall_s") for d in (whole, killed)
        )
        assert one.equals(other, null_equal=True), kind
    states = [load_checkpoint(directory) for directory in (whole, killed)]
    assert_equal(*(state["module"] for state in states if state is not None))


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_run_that_can_go_on(
    train: Train, tmp_path: Path, number: signal.Signals, status: int
) -> None:
    command = ["arm=x", "decisions=100000000", "output=o", "threads=1"]
    directory = tmp_path / "o/adhoc/x/cartpole-v1/seeds-0"
    process = stop_in_the_middle(tmp_path, command, directory, number, 0.2)
    said, errors = process.communicate(timeout=60)
    assert process.returncode == status, errors
    assert "resume=true continues it" in said
    assert read_manifest(directory)["status"] == "interrupted"
    assert "resume=true" in train(*command, status=2).stderr


def assert_equal(one: object, other: object) -> None:
    """Nested dicts and lists with equal tensors, bit for bit."""
    if isinstance(one, torch.Tensor):
        assert isinstance(other, torch.Tensor)
        assert torch.equal(one, other)
    elif isinstance(one, dict):
        assert isinstance(other, dict)
        assert one.keys() == other.keys()
        for key in one:
            assert_equal(one[key], other[key])
    elif isinstance(one, list):
        assert isinstance(other, list)
        for left, right in zip(one, other, strict=True):
            assert_equal(left, right)
    else:
        assert one == other
