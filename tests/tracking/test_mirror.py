"""``tracker=wandb`` as a user meets it: beside a training that it neither stops nor slows."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console

from pgx.errors import ConfigError
from pgx.tracking import mirror
from pgx.tracking.manifest import is_live, read_manifest
from tests.conftest import ROOT, Train, environment
from tests.support.parts import ARM, SEEDS, Trainer
from tests.support.wandb_files import recorded
from tests.support.wandb_server import serving

WORDS = ("tracker=wandb", "arm=x", "output=o", "threads=1")


def wait_for_the_mirror(part: Path) -> None:
    deadline = time.monotonic() + 60
    while is_live(part / "wandb"):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_run_leaves_one_offline_run_per_seed(train: Train, tmp_path: Path) -> None:
    said = train(*WORDS, "seeds=[4,1]", "decisions=20000", "wandb.points=13").stdout
    part = tmp_path / "o/adhoc/x/cartpole-v1/seeds-4_1"
    paths = "o/adhoc/x/cartpole-v1/seeds-4_1/wandb/offline-run-*"
    assert f"W&B: 2 runs offline; to send: wandb sync {paths}" in said.splitlines()
    found, code = recorded(part / "wandb"), read_manifest(part)["config_hash"]
    assert sorted(found) == [f"{code}-{ARM}-1", f"{code}-{ARM}-4"]
    metrics, episodes = (pl.read_parquet(part / f"{k}.parquet") for k in ("metrics", "episodes"))
    for seed in (4, 1):
        run = found[f"{code}-{ARM}-{seed}"]
        own, ended = metrics.filter(seed=seed), episodes.filter(seed=seed)
        assert len(run.rows) == 13
        assert [row["decisions"] for row in run.rows] == sorted(
            {row["decisions"] for row in run.rows}
        )
        for name in own.columns[2:]:
            assert run.rows[-1][name] == pytest.approx(own[name][-1], rel=1e-12)
        assert run.rows[-1]["episodes"] == ended.height
        assert run.summary["recent_return"] == pytest.approx(ended["return_raw"].tail(100).mean())
        assert run.exits == [0]
    assert not is_live(part / "wandb")


def test_a_diverged_seed_closes_its_run_with_1(train: Train, tmp_path: Path) -> None:
    train(*WORDS, "decisions=20000", "optimizer=sgd", "optimizer.learning_rate=1e38", status=1)
    (run,) = recorded(tmp_path / "o/adhoc/x/cartpole-v1/seeds-0/wandb").values()
    assert run.exits == [1]
    assert run.summary["status"] == "failed"
    assert run.summary["reason"].startswith("diverged at iteration")


@pytest.mark.slow
def test_every_ending_closes_the_runs_and_resuming_continues_them(
    train: Train, tmp_path: Path
) -> None:
    """Ctrl-C in the terminal, SIGTERM, then kill -9, then to the end: one run, no step twice."""
    words = [*WORDS, "decisions=40000", "estimator.horizon=8", "environment.slots=2"]
    words += ["checkpoint_every=0.05", "resume=true", "wandb.points=200"]
    part = tmp_path / "o/adhoc/x/cartpole-v1/seeds-0"
    for number, status in ((signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)):
        assert interrupt(tmp_path, words, part, number) == status
        wait_for_the_mirror(part)
        (run,) = recorded(part / "wandb").values()
        assert run.exits[-1] == 1
        assert run.summary["status"] == "interrupted"
    train(*words)
    (run,) = recorded(part / "wandb").values()
    assert run.exits == [1, 1, 1, 0]
    for name in ("_step", "decisions"):
        values = [row[name] for row in run.rows]
        assert values == sorted(set(values))
    assert len(run.rows) == 200
    assert run.summary["status"] == "finished"


def interrupt(folder: Path, words: list[str], part: Path, number: signal.Signals) -> int:
    """Train until some more rows are there, then send a signal to the terminal's process group."""
    blocks = part / "metrics.blocks"
    before = blocks.stat().st_size if blocks.exists() else 0
    process = subprocess.Popen(
        [sys.executable, "-m", "pgx_lab", "train", *words],
        cwd=folder,
        env=environment(),
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while not blocks.exists() or blocks.stat().st_size < before + 20_000:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.005)
    os.killpg(process.pid, number)
    return process.wait(60)


@pytest.mark.slow
def test_a_server_that_fails_neither_stops_nor_slows_training(tmp_path: Path) -> None:
    """Down, slow, 500 and 429; the mirror sends from the first moment on, its worst case.

    The training process connects to nothing and never imports wandb, so no server can make it
    wait; `pgx bench --faults` measures what the process beside it costs.
    """
    with ExitStack() as stack:
        slow, broken, busy = (stack.enter_context(serving()) for _ in range(3))
        slow.delay_s, broken.status, busy.status = 2.0, 500, 429
        urls = ["http://127.0.0.1:9", *(server.url for server in (slow, broken, busy))]
        done = subprocess.run(
            [sys.executable, "-m", "tests.support.isolated", str(tmp_path), *urls],
            cwd=ROOT,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert all(server.requests for server in (slow, broken, busy))
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["imported"] is False
    trained = [beside[0] / alone[0] for alone, beside in found["pairs"]]
    processor = [beside[1] / alone[1] for alone, beside in found["pairs"]]
    print(f"training loop: {trained}, processor time: {processor}")
    assert statistics.median(processor) < 1.3
    assert statistics.median(trained) < 3.0  # on a machine that runs other tests meanwhile


def test_a_mirror_that_dies_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(mirror, "COMMAND", (sys.executable, "-c", "import sys; sys.exit(3)"))
    with mirror.Mirror(tmp_path, "offline", Console(soft_wrap=True)) as one:
        one.start()
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("W&B: its process ended with 3, see ")
    assert "no row of training is lost" in line


def test_a_mirror_that_cannot_start_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "wandb").touch()  # no folder
    with mirror.Mirror(tmp_path, "offline", Console(soft_wrap=True)) as one:
        one.start()
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("W&B: its process could not be started")


def test_the_trainer_does_not_wait_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = (sys.executable, "-c", "import sys, time; sys.stdin.read(); time.sleep(3)")
    monkeypatch.setattr(mirror, "COMMAND", command)
    monkeypatch.setattr(mirror, "WAIT_S", {"online": 0.2})
    begun = time.monotonic()
    with mirror.Mirror(tmp_path, "online", Console(soft_wrap=True)) as one:
        one.start()
    assert time.monotonic() - begun < 2.5
    (line,) = capsys.readouterr().out.splitlines()
    assert "still sends" in line


def test_without_a_mode_nothing_is_started(tmp_path: Path) -> None:
    with mirror.Mirror(tmp_path, None, Console()) as one:
        one.start()
    assert list(tmp_path.iterdir()) == []


def test_variables_that_would_rename_runs_are_not_handed_on() -> None:
    given = {"WANDB_API_KEY": "k", "WANDB_RUN_ID": "x", "WANDB_SERVICE": "s", "PATH": "/bin"}
    found = mirror.environment(given)
    assert (found["WANDB_API_KEY"], found["PATH"]) == ("k", "/bin")
    assert not {"WANDB_RUN_ID", "WANDB_SERVICE"} & found.keys()
    assert found["OMP_NUM_THREADS"] == "1"


def test_a_mirror_left_from_before_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (
        "import sys, time; from pathlib import Path; from pgx.tracking.manifest import PartLock\n"
        "with PartLock(Path(sys.argv[1])): time.sleep(60)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "wandb")], env=environment()
    )
    deadline = time.monotonic() + 30
    while not (tmp_path / "wandb/.lock").exists() or not is_live(tmp_path / "wandb"):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(0.1)
    monkeypatch.setattr(mirror, "PATIENCE_S", 0.3)
    mirror.stop_earlier(tmp_path)
    assert process.wait(10) == -signal.SIGKILL
    assert not is_live(tmp_path / "wandb")
    mirror.stop_earlier(tmp_path / "nowhere")


def mirrored(part: Path) -> mirror.Mirror:
    """Train a part of seven points beside its mirror."""
    part.mkdir()
    trainer = Trainer(part, "wandb.points=7").train(range(7))
    with mirror.Mirror(part, "offline", Console(soft_wrap=True)) as one:
        one.start()
        trainer.end()
    return one


def test_a_process_that_waits_is_told_what_to_mirror(tmp_path: Path) -> None:
    with mirror.prepared(["seeds=3", "tracker=wandb"]):
        (process,) = mirror._waiting
        one = mirrored(tmp_path / "part")
        assert not mirror._waiting
    assert one._process is process and process.returncode == 0
    found = recorded(tmp_path / "part" / "wandb").values()
    assert [[row["_step"] for row in run.rows] for run in found] == [list(range(7))] * len(SEEDS)


def test_a_process_that_died_while_it_waited_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = mirror.COMMAND
    monkeypatch.setattr(mirror, "COMMAND", (sys.executable, "-c", "import sys; sys.exit(3)"))
    with mirror.prepared(["tracker=wandb"]):
        mirror._waiting[0].wait(60)
        monkeypatch.setattr(mirror, "COMMAND", command)
        one = mirrored(tmp_path / "part")
    assert one._process is not None and one._process.returncode == 0
    assert len(recorded(tmp_path / "part" / "wandb")) == len(SEEDS)


def test_a_process_that_waits_in_vain_goes() -> None:
    """As when the command ends with a mistake of the user's."""
    with mirror.prepared(["seeds=3", "tracker=files"]):
        assert not mirror._waiting
    with pytest.raises(ConfigError), mirror.prepared(["tracker=wandb"]):
        (process,) = mirror._waiting
        raise ConfigError("seeds=x: give a list")
    assert process.returncode == 0 and not mirror._waiting
