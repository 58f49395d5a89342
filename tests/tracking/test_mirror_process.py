"""The mirror process on a part's files: what it writes offline, and what survives any ending."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pgx.tracking import mirror_process
from pgx.tracking.blocks import BlockWriter
from pgx.tracking.episodes import EVALUATION_ROW
from pgx.tracking.runs_state import read_state
from tests.conftest import environment
from tests.support import parts
from tests.support.parts import SEEDS, Trainer, ended, mirror
from tests.support.wandb_files import Recorded, recorded


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return tmp_path / "adhoc/x/corridor/seeds"


def state(part: Path) -> dict[str, Any]:
    found = read_state(part / "wandb")
    assert found is not None, (part / "wandb/mirror.log").read_text()
    return found


def wait_for_step(part: Path, step: int) -> None:
    """Wait until every run has been sent up to a step."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        found = read_state(part / "wandb")
        if found and all(run["step"] >= step for run in found["runs"].values()):
            return
        time.sleep(0.02)
    raise AssertionError((part / "wandb/mirror.log").read_text())


def log(part: Path) -> str:
    return (part / "wandb/mirror.log").read_text()


def steps(run: Recorded) -> list[int]:
    return [row["_step"] for row in run.rows]


def test_one_run_per_seed_with_its_points_and_last_value(part: Path) -> None:
    """Budget 70 in 3 points: cells of 24 decisions, so rows 1, 3 and 6 are the last of theirs."""
    trainer = Trainer(part, "wandb.points=3").train(range(7))
    trainer.end(failed=9)
    assert ended(mirror(part)) == 0, log(part)
    found = recorded(part / "wandb")
    assert sorted(found) == sorted(trainer.id(seed) for seed in SEEDS)
    for seed in SEEDS:
        run = found[trainer.id(seed)]
        assert (run.project, run.group, run.job_type) == ("pgx", "adhoc/x", "train")
        assert run.name == f"x corridor seed {seed}"
        assert run.tags == ("adhoc", "corridor")
        assert (run.config["seed"], run.config["arm"], run.config["study"]) == (seed, "x", "adhoc")
        assert run.config["config_hash"] == trainer.hash
        assert run.config["estimator"]["_target_"] == "pgx.estimators.gae.GAE"
        assert run.config["decisions"] == 70
        assert not {"wandb", "output", "seeds", "tracker"} & run.config.keys()
        assert run.metrics == {"decisions": "", "*": "decisions"}
        assert [row["decisions"] for row in run.rows] == [20, 40, 70]
        assert steps(run) == [0, 1, 2]
        assert [row["loss"] for row in run.rows] == [seed + i / 8 for i in (1, 3, 6)]
        assert [row["return_raw"] for row in run.rows] == [0.5, 2.5, 5.0]
        assert [row["length"] for row in run.rows] == [10.5, 12.5, 15.0]
        assert [row["episodes"] for row in run.rows] == [2, 4, 7]
        assert [row["recent_return"] for row in run.rows] == [0.5, 1.5, 3.0]
        assert [row["wall_s"] for row in run.rows] == [1.0, 3.0, 6.0]
        assert (run.summary["decisions"], run.summary["recent_return"]) == (70, 3.0)
    assert [found[trainer.id(seed)].exits for seed in SEEDS] == [[0], [0], [1]]
    last = found[trainer.id(9)].summary
    assert (last["status"], last["reason"]) == ("failed", "diverged at iteration 6")
    assert found[trainer.id(4)].summary["status"] == "finished"


def test_evaluations_are_mirrored_at_the_point_that_they_came_before(part: Path) -> None:
    """Two episodes of seed 1 after iteration 1, in the first of three cells, and one after 5."""
    trainer = Trainer(part, "wandb.points=3").train(range(7))
    played = {"seed": [1, 1, 1], "iteration": [1, 1, 5], "decisions": [20, 20, 60]}
    played |= {"episode": [0, 1, 2], "return_raw": [2.0, 5.0, 8.0], "length": [4, 6, 9]}
    rows = {name: np.array(column) for name, column in played.items()}
    BlockWriter(part / "evaluations.blocks", EVALUATION_ROW).append(rows)
    trainer.end()
    assert ended(mirror(part)) == 0, log(part)
    found = recorded(part / "wandb")
    names = ("evaluation", "evaluation_length")
    shown = [[row.get(name) for name in names] for row in found[trainer.id(1)].rows]
    assert shown == [[3.5, 5.0], [None, None], [8.0, 9.0]]
    assert all("evaluation" not in row for row in found[trainer.id(4)].rows)


def test_rows_are_sent_while_there_is_training(part: Path) -> None:
    trainer = Trainer(part, "wandb.points=7").train(range(3))
    process = mirror(part)
    wait_for_step(part, 1)  # the third cell is complete when a row follows
    assert not state(part)["closed"]
    with (part / "metrics.blocks").open("ab") as file:
        file.write(b"torn")  # a block in the middle of being written
    time.sleep(0.3)
    size = (part / "metrics.blocks").stat().st_size
    with (part / "metrics.blocks").open("r+b") as file:
        file.truncate(size - 4)
    trainer.train(range(3, 7))
    wait_for_step(part, 5)
    trainer.end()
    assert ended(process) == 0, log(part)
    for run in recorded(part / "wandb").values():
        assert steps(run) == list(range(7))
        assert [row["return_raw"] for row in run.rows] == [0, 1, 2, 3, 4, 5, 6]
        assert run.exits == [0]


def test_a_run_that_ends_soon_pays_at_its_end_alone(
    part: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = parts.QUICK.replace('FIRST_S = {{"offline": 0.1', 'FIRST_S = {{"offline": 60')
    assert quick != parts.QUICK
    monkeypatch.setattr(parts, "QUICK", quick)
    trainer = Trainer(part, "wandb.points=7").train(range(7))
    process = mirror(part)
    time.sleep(2.0)
    assert not list((part / "wandb").glob("offline-run-*"))
    trainer.end()
    assert ended(process, 30) == 0, log(part)
    assert [steps(run) for run in recorded(part / "wandb").values()] == [list(range(7))] * 3


def test_a_run_that_failed_before_its_first_row_can_go_on(part: Path) -> None:
    trainer = Trainer(part, "wandb.points=7")
    process = mirror(part)
    wait_for_step(part, -1)  # the runs are open
    assert ended(process) == 0, log(part)
    assert [run.exits for run in recorded(part / "wandb").values()] == [[1]] * len(SEEDS)
    trainer.train(range(7)).end()
    assert ended(mirror(part)) == 0, log(part)
    for run in recorded(part / "wandb").values():
        assert (steps(run), run.exits) == (list(range(7)), [1, 0])


def test_work_beside_training_is_a_tenth_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """0.5 s of work: 4.5 s of rest; after the trainer's end, none."""
    clock, slept, answers = [1.0], [], [False, False, True]

    def ended_within(seconds: float, trainer: int) -> bool:
        assert trainer == 42
        slept.append(seconds)
        return answers.pop(0)

    monkeypatch.setattr(mirror_process, "_ended_within", ended_within)
    monkeypatch.setattr(mirror_process.time, "process_time", lambda: clock[0])
    pace = mirror_process.Pace(42)
    for worked in (0.5, 0.0, 0.25, 7.0):
        clock[0] += worked
        pace.rest()
    assert slept == pytest.approx([4.5, 0.0, 2.25])
    assert pace.ended


def test_an_interrupted_run_is_closed_and_goes_on_as_the_same_run(part: Path) -> None:
    trainer = Trainer(part, "wandb.points=4").train(range(4))
    assert ended(mirror(part)) == 0  # the trainer was killed: the manifest says running
    for run in recorded(part / "wandb").values():
        assert [row["decisions"] for row in run.rows] == [10, 30]  # the third cell may go on
        assert run.exits == [1]
        assert (run.summary["status"], run.summary["decisions"]) == ("interrupted", 40)
    trainer.train(range(4, 7)).end()
    assert ended(mirror(part)) == 0, log(part)
    found = recorded(part / "wandb")
    assert len(found) == len(SEEDS)
    for run in found.values():
        assert run.files == 2
        assert [row["decisions"] for row in run.rows] == [10, 30, 50, 70]
        assert steps(run) == [0, 1, 2, 3]
        assert run.exits == [1, 0]
        assert (run.summary["status"], run.summary["recent_return"]) == ("finished", 3.0)


def test_nothing_is_sent_twice(part: Path) -> None:
    trainer = Trainer(part, "wandb.points=7").train(range(7))
    trainer.end()
    assert ended(mirror(part)) == ended(mirror(part)) == 0
    for run in recorded(part / "wandb").values():
        assert steps(run) == list(range(7))


def test_what_a_killed_mirror_left_is_written_again(part: Path) -> None:
    trainer = Trainer(part, "wandb.points=7").train(range(5))
    process = mirror(part)
    wait_for_step(part, 3)
    process.send_signal(signal.SIGKILL)
    process.wait()
    trainer.train(range(5, 7)).end()
    assert ended(mirror(part)) == 0, log(part)
    for run in recorded(part / "wandb").values():
        assert run.files == 1
        assert steps(run) == list(range(7))


def test_what_a_mirror_left_that_was_killed_while_it_opened_its_runs_goes(part: Path) -> None:
    trainer = Trainer(part, "wandb.points=7").train(range(4))
    assert ended(mirror(part)) == 0, log(part)
    left = [part / f"wandb/offline-run-29991231_235959-{trainer.id(seed)}" for seed in SEEDS]
    for folder in left:
        folder.mkdir()
    trainer.train(range(4, 7)).end()
    assert ended(mirror(part)) == 0, log(part)
    assert not any(folder.exists() for folder in left)
    for run in recorded(part / "wandb").values():
        assert (run.files, steps(run), run.exits) == (2, list(range(7)), [1, 0])


def test_what_was_synced_of_a_killed_mirror_is_not_written_again(part: Path) -> None:
    trainer = Trainer(part, "wandb.points=7").train(range(5))
    process = mirror(part)
    wait_for_step(part, 3)
    process.send_signal(signal.SIGKILL)
    process.wait()
    for path in (part / "wandb").glob("offline-run-*/*.wandb"):
        path.with_name(f"{path.name}.synced").touch()  # as `wandb sync` does
    trainer.train(range(5, 7)).end()
    assert ended(mirror(part)) == 0, log(part)
    for path in (part / "wandb").glob("offline-run-*"):
        if not list(path.glob("*.synced")):
            (run,) = recorded_in(path)
            assert steps(run) == [4, 5, 6]


def recorded_in(folder: Path) -> list[Recorded]:
    """The runs of one of wandb's own folders."""
    alone = folder.parent.parent / f"only-{folder.name}"
    alone.mkdir()
    folder.rename(alone / folder.name)
    return list(recorded(alone).values())


def test_the_first_number_of_points_stays(part: Path) -> None:
    trainer = Trainer(part, "wandb.points=7").train(range(4))
    assert ended(mirror(part)) == 0
    config = part / "config.yaml"
    config.write_text(config.read_text().replace("points: 7", "points: 1"))
    trainer.train(range(4, 7)).end()
    assert ended(mirror(part)) == 0, log(part)
    for run in recorded(part / "wandb").values():
        assert steps(run) == list(range(7))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_to_a_whole_terminal_or_job_leave_it_alone(
    part: Path, number: signal.Signals
) -> None:
    trainer = Trainer(part, "wandb.points=7").train(range(5))
    process = mirror(part)
    wait_for_step(part, 3)
    process.send_signal(number)
    trainer.train(range(5, 7)).end()
    assert ended(process) == 0, log(part)
    assert [run.exits for run in recorded(part / "wandb").values()] == [[0]] * len(SEEDS)


FORKS = """
import os, sys, time
from pathlib import Path
from tests.conftest import environment
from tests.support.parts import mirror
process = mirror(Path(sys.argv[1]))
if os.fork() == 0:
    time.sleep(20)
    os._exit(0)
time.sleep(0.1)
os.kill(os.getpid(), 9)
"""


def test_a_process_that_the_trainer_forked_does_not_keep_it(part: Path) -> None:
    Trainer(part, "wandb.points=7").train(range(4))
    trainer = [sys.executable, "-c", FORKS, str(part)]
    subprocess.run(trainer, env=environment(), stdout=subprocess.DEVNULL, check=False)
    deadline = time.monotonic() + 15
    while not ((found := read_state(part / "wandb")) and found["closed"]):
        assert time.monotonic() < deadline, log(part)
        time.sleep(0.05)
    assert [run.exits for run in recorded(part / "wandb").values()] == [[1]] * len(SEEDS)


def test_two_mirrors_do_not_write_at_once(part: Path) -> None:
    Trainer(part).train(range(3))
    first = mirror(part)
    wait_for_step(part, 0)
    assert ended(mirror(part)) == 1
    assert "is being written by process" in log(part)
    assert ended(first) == 0


def test_its_log_says_what_went_wrong(part: Path) -> None:
    Trainer(part).train(range(3))
    (part / "manifest.json").write_text(json.dumps({"status": "odd"}))
    assert ended(mirror(part)) == 1
    assert "manifest.json: is damaged" in log(part)
