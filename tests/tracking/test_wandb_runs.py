"""Online: against a stand-in server on loopback, that is well, slow, or failing in every way."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pgx.tracking.run_names import fitted
from pgx.tracking.runs_state import read_state
from tests.support.parts import SEEDS, Trainer, ended, mirror
from tests.support.wandb_files import recorded
from tests.support.wandb_server import WandbServer, serving, variables


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[WandbServer]:
    with serving() as one:
        for name, value in variables(one.url).items():
            monkeypatch.setenv(name, value)
        yield one


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return tmp_path / "adhoc/x/corridor/seeds"


def log(part: Path) -> str:
    return (part / "wandb/mirror.log").read_text()


def arrived(server: WandbServer) -> dict[str, list[int]]:
    return {name: [row["_step"] for row in run.rows] for name, run in server.runs.items()}


def test_online_runs_arrive_whole_and_closed(part: Path, server: WandbServer) -> None:
    trainer = Trainer(part, "wandb.points=7", "wandb.entity=someone").train(range(7))
    trainer.end(failed=9)
    assert ended(mirror(part, "online")) == 0, log(part)
    assert sorted(server.runs) == sorted(trainer.id(seed) for seed in SEEDS)
    for seed in SEEDS:
        run = server.runs[trainer.id(seed)]
        assert (run.project, run.group) == ("pgx", "adhoc/x")
        assert [row["loss"] for row in run.rows] == [seed + i / 8 for i in range(7)]
        assert [row["_step"] for row in run.rows] == list(range(7))
        assert (run.config["seed"], run.config["config_hash"]) == (seed, trainer.hash)
        assert run.summary["status"] == ("failed" if seed == 9 else "finished")
        assert run.exits == [int(seed == 9)]
    state = read_state(part / "wandb")
    assert state is not None
    assert state["runs"]["4"]["url"] == f"{server.url}/someone/pgx/runs/{trainer.id(4)}"


def test_an_online_run_goes_on_where_the_server_stopped(part: Path, server: WandbServer) -> None:
    trainer = Trainer(part, "wandb.points=7").train(range(4))
    assert ended(mirror(part, "online")) == 0, log(part)
    assert set(map(tuple, arrived(server).values())) == {(0, 1, 2)}
    trainer.train(range(4, 7)).end()
    assert ended(mirror(part, "online")) == 0, log(part)
    assert set(map(tuple, arrived(server).values())) == {tuple(range(7))}
    assert [run.exits for run in server.runs.values()] == [[1, 0]] * len(SEEDS)


def test_a_run_made_anew_is_not_sent_twice(part: Path, server: WandbServer) -> None:
    for _ in range(2):
        if part.exists():
            shutil.rmtree(part)  # as replace=true does
        Trainer(part, "wandb.points=7").train(range(7)).end()
        assert ended(mirror(part, "online")) == 0, log(part)
    assert set(map(tuple, arrived(server).values())) == {tuple(range(7))}


def test_what_a_failing_server_did_not_take_is_sent_later(part: Path, server: WandbServer) -> None:
    trainer = Trainer(part, "wandb.points=7").train(range(4))
    process = mirror(part, "online")
    deadline = time.monotonic() + 60
    while not any(run.lines for run in server.runs.values()) and time.monotonic() < deadline:
        time.sleep(0.05)
    server.status = 500
    trainer.train(range(4, 7)).end()
    began = time.monotonic()
    assert ended(process) == 1
    assert time.monotonic() - began < 30
    assert "TimeoutError" in log(part)
    state = read_state(part / "wandb")
    assert state is not None and not state["closed"]
    server.status = 200
    assert ended(mirror(part, "online")) == 0, log(part)
    assert set(map(tuple, arrived(server).values())) == {tuple(range(7))}


@pytest.mark.parametrize("fault", ["down", "500", "429", "403", "hangs"])
def test_without_an_answer_the_runs_are_kept_offline(
    part: Path, server: WandbServer, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    if fault == "down":
        monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")  # where nothing listens
    elif fault == "hangs":
        server.delay_s = 20.0
    else:
        server.status = int(fault)
    trainer = Trainer(part, "wandb.points=7").train(range(7))
    trainer.end()
    assert ended(mirror(part, "online")) == 0, log(part)
    server.delay_s = 0.0
    state = read_state(part / "wandb")
    assert state is not None
    assert (state["mode"], state["closed"]) == ("offline", True)
    found = [run for run in recorded(part / "wandb").values() if run.rows]
    assert [len(run.rows) for run in found] == [7] * len(SEEDS)
    assert all(not run.lines for run in server.runs.values())


def test_what_was_kept_offline_is_sent_online_once(part: Path, server: WandbServer) -> None:
    trainer = Trainer(part, "wandb.points=7").train(range(7))
    trainer.end()
    assert ended(mirror(part, "offline")) == 0, log(part)
    assert ended(mirror(part, "online")) == 0, log(part)
    assert set(map(tuple, arrived(server).values())) == {tuple(range(7))}
    assert not list((part / "wandb").glob("offline-run-*"))  # `wandb sync` would send them again


def test_a_name_too_long_for_wandb_keeps_its_beginning() -> None:
    assert fitted("short", 64) == "short"
    names = {fitted("x" * 70 + end, 64) for end in "ab"}
    assert len(names) == 2
    assert all(len(name) == 64 and name.startswith("x" * 55) for name in names)
