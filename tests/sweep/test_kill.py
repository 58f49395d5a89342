"""kill -9 a sweep at any moment: the same command completes it, and nobody can tell."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from pgx.checkpoint import load_checkpoint
from pgx.cli import main
from pgx.records import Part, episodes, find_parts, metrics
from tests.conftest import environment
from tests.test_resume import assert_equal

SEEDS = (1, 4, 9)

ARMS = {
    "a2c": ["experiment=a2c"],
    "entropy": ["experiment=a2c", "estimator.entropy_coefficient=0.03"],
}

# Small rollouts and frequent checkpoints: there are many moments to be killed in.
STUDY = f"""
name: kill
question: Does a sweep survive?
prediction: Every row of it.
reference: a2c
metric: final
seeds: {list(SEEDS)}
decisions: 8000
base: [estimator.horizon=8, environment.slots=2, checkpoint_every=0.05]
arms: {ARMS}
environments: {{cartpole: {{}}}}
"""

#: What each round waits for, at most how many seconds more, and whom it kills then.
ROUNDS = (
    ("rows", 0.4, "sweep"),
    ("nothing", 3.0, "sweep"),
    ("rows", 0.4, "everyone"),
    ("processes", 1.0, "everyone"),
    ("rows", 0.4, "sweep"),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "conf" / "study").mkdir(parents=True)
    (tmp_path / "conf" / "study" / "kill.yaml").write_text(STUDY)
    return tmp_path


def start(folder: Path, output: str) -> subprocess.Popen[str]:
    words = ("sweep", "study=kill", f"output={output}", "--jobs", "2")
    return subprocess.Popen(
        [sys.executable, "-m", "pgx_lab", *words],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def children(parent: int) -> list[int]:
    """The processes that a sweep has started, by the parent that they were told."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"pgx.sweep.worker" in words and str(parent).encode() in words:
            found.append(int(path.parent.name))
    return found


def written(root: Path) -> int:
    """Bytes of rows in all parts."""
    return sum(path.stat().st_size for path in root.glob("*/*/*/*/metrics.*"))


def wait_for(what: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not what() and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.005)


def kill(folder: Path, awaited: str, delay_s: float, whom: str) -> None:
    """Start the sweep, and kill it so many seconds after what is awaited has come to pass."""
    root = folder / "killed"
    before = written(root)
    process = start(folder, "killed")
    begun: Callable[[], bool] = {
        "nothing": lambda: True,
        "processes": lambda: bool(children(process.pid)),
        "rows": lambda: written(root) > before,
    }[awaited]
    wait_for(begun, process)
    time.sleep(delay_s)
    own = children(process.pid)
    process.kill()
    if whom == "everyone":
        for pid in own:
            os.kill(pid, signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL, "it ended before it was killed"


@pytest.mark.slow
def test_killed_at_five_random_moments_it_equals_parts_trained_alone(folder: Path) -> None:
    moments = random.Random(5)
    for awaited, most_s, whom in ROUNDS:
        kill(folder, awaited, moments.uniform(0.0, most_s), whom)
    process = start(folder, "killed")  # at once: processes of the last sweep may still be ending
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert "2 of 2 parts done" in said
    found = find_parts(folder / "killed", "kill")
    assert [part.arm for part in found] == ["a2c", "entropy"]
    for part in found:
        assert part.seeds == SEEDS
        assert [part.seed_status(seed)[0] for seed in SEEDS] == ["finished"] * 3
        check_rows(part)
        check_same(part, alone(folder, part.arm))


def alone(folder: Path, arm: str) -> Part:
    """The same part as ``pgx train`` makes it in this process, without any interruption."""
    base = ["estimator.horizon=8", "environment.slots=2", "decisions=8000", "threads=1"]
    words = [*ARMS[arm], *base, f"arm={arm}", f"seeds={list(SEEDS)}", f"output={folder}/alone"]
    before = signal.getsignal(signal.SIGTERM)
    assert main(["train", *words]) == 0
    signal.signal(signal.SIGTERM, before)
    (part,) = [part for part in find_parts(folder / "alone") if part.arm == arm]
    return part


def check_same(one: Part, other: Part) -> None:
    """Rows and all that training knows are equal, bit for bit."""
    for rows in (episodes, metrics):
        assert rows(one).drop("wall_s").equals(rows(other).drop("wall_s"), null_equal=True)
    states = [load_checkpoint(part.path) for part in (one, other)]
    assert_equal(*(state["module"] for state in states if state is not None))


def check_rows(part: Part) -> None:
    """No episode twice, none missing, and decisions that only grow."""
    for seed in part.seeds:
        own = episodes(part).filter(pl.col("seed") == seed)
        assert own["episode"].to_list() == list(range(len(own)))
        assert (own["decisions"].diff().drop_nulls() >= 0).all()
        taken = metrics(part).filter(pl.col("seed") == seed)
        assert taken["iteration"].to_list() == list(range(len(taken)))
        assert (taken["decisions"].diff().drop_nulls() > 0).all()


@pytest.mark.slow
def test_a_signal_ends_a_sweep_and_its_processes_with_a_checkpoint(folder: Path) -> None:
    process = start(folder, "stopped")
    wait_for(lambda: written(folder / "stopped") > 0, process)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=100)
    assert process.returncode == 130, said
    assert "interrupted by SIGINT: the same command continues" in said
    for part in find_parts(folder / "stopped", "kill"):
        assert (part.status, part.live, part.manifest["exit"]) == ("interrupted", False, 130)
        assert load_checkpoint(part.path) is not None
