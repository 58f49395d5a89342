"""``pgx wandb push`` with the real client against a stand-in server on loopback."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Timer

import pytest

from pgx.cli import main
from pgx.errors import ConfigError, RunFailed
from pgx.sharing import push as pushing
from pgx.sharing.pictures import pictures
from pgx.sharing.push import Sent, push
from pgx.study import Place, Study, read_study, write_study
from tests.support.parts import SEEDS, Trainer, ended, mirror
from tests.support.wandb_server import WandbServer, serving, variables

POINTS = 7  #: of a run: an iteration each
ARMS = ("x", "y=2")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[WandbServer]:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(pushing, "PATIENCE_S", 3.0)
    monkeypatch.setattr(pushing, "pictures", lambda analysis, folder: {})  # takes a second
    with serving() as one:
        for name, value in variables(one.url).items():
            monkeypatch.setenv(name, value)
        yield one


def trained(root: Path, arm: str = "x", seeds: tuple[int, ...] = SEEDS) -> Trainer:
    """A part of the study, all its seeds finished; one after seeds 4, 1, 9 for 2, 3."""
    path = root / "lectures" / arm / "corridor" / f"seeds-{seeds[0]}"
    words = ("wandb.points=7",)
    trainer = Trainer(path, *words, study="lectures", arm=arm, seeds=seeds).train(range(POINTS))
    trainer.end()
    return trainer


def studied(root: Path) -> None:
    """What a sweep says about the study."""
    question, places = "Is <b>y</b> | better?", {"corridor": Place("corridor", "corridor", 70)}
    arms = dict.fromkeys(ARMS, ())
    study = Study("lectures", question, "It is.", "x", "area", 2, SEEDS, places, arms)
    write_study(root, study)


def arrived(server: WandbServer) -> dict[str, list[int]]:
    """Steps that the server has, by run."""
    return {
        name: [row["_step"] for row in run.rows]
        for name, run in server.runs.items()
        if run.job_type == "train"
    }


def whole(*trainers: Trainer) -> dict[str, list[int]]:
    return {one.id(seed): list(range(POINTS)) for one in trainers for seed in one.seeds}


def test_a_study_is_sent_once_and_what_is_added_later_too(
    tmp_path: Path, server: WandbServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pushing, "pictures", pictures)
    studied(tmp_path)
    one, two = (trained(tmp_path, arm) for arm in ARMS)
    sent = push(tmp_path, "lectures", at_once=2)
    assert (sent.runs, sent.points, sent.summaries) == (6, 42, 2)
    assert sent.url == f"{server.url}/someone/pgx"
    assert sent.notes == sent.damaged == []
    assert arrived(server) == whole(one, two)
    assert server.most_open == 2
    run = server.runs[two.id(9)]
    assert (run.project, run.group, run.job_type) == ("pgx", "lectures/y=2", "train")
    assert run.tags == ("lectures", "corridor")
    kept = ("seed", "arm", "study", "config_hash")
    assert [run.config[name] for name in kept] == [9, "y=2", "lectures", two.hash]
    assert run.config["environment"]["name"] == "corridor"
    assert (run.summary["final"], run.summary["status"]) == (5.5, "finished")
    assert 0 < run.summary["area"] < 5.5
    assert run.exits == [0]
    summaries = {
        run.config["arm"]: run for run in server.runs.values() if run.job_type == "summary"
    }
    assert {arm: run.group for arm, run in summaries.items()} == dict.fromkeys(ARMS, "lectures")
    told = summaries["y=2"]
    assert told.config["question"] == "Is <b>y</b> | better?"
    assert told.summary["corridor/area/difference"] == 0.0
    assert told.summary["corridor/area/verdict"] == "undecided"
    shown = ("media/table/comparison", "media/images/curves-corridor", "media/images/differences")
    assert all(any(file.startswith(start) for file in told.files) for start in shown)

    held = {name: (run.upserts, len(run.lines)) for name, run in server.runs.items()}
    requests = server.requests
    again = push(tmp_path, "lectures")
    assert (again.runs, again.points, again.changed, again.summaries) == (0, 0, 0, 0)
    assert (again.runs_before, again.points_before, again.summaries_before) == (6, 42, 2)
    assert {name: (run.upserts, len(run.lines)) for name, run in server.runs.items()} == held
    assert server.requests <= requests + 3  # who asks, and what this client cannot do

    three = trained(tmp_path, "y=2", seeds=(2, 3))
    more = push(tmp_path, "lectures")
    assert (more.runs, more.points, more.runs_before) == (2, 14, 6)
    assert arrived(server) == whole(one, two, three)

    shutil.rmtree(three.directory)
    (note,) = push(tmp_path, "lectures").notes
    assert note.startswith("2 runs sent earlier and since replaced here")
    groups = Counter(run.group for run in server.runs.values())
    assert groups == {"lectures/x": 3, "lectures/y=2": 3, "lectures (replaced)": 2, "lectures": 2}
    assert server.runs[three.id(2)].config["arm"] == "y=2"  # nothing else of it changed
    assert server.runs[three.id(2)].summary["status"] == "finished"
    upserts = server.runs[three.id(2)].upserts
    assert len(push(tmp_path, "lectures").notes) == 1  # they are moved once
    assert server.runs[three.id(2)].upserts == upserts


def test_with_a_second_environment_each_has_groups_of_its_own(
    tmp_path: Path, server: WandbServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What W&B averages over a group is one arm in one environment, also if one comes later."""
    monkeypatch.setattr(pushing, "pictures", pictures)
    studied(tmp_path)
    for arm in ARMS:
        trained(tmp_path, arm)
    push(tmp_path, "lectures")
    study = read_study(tmp_path, "lectures")
    place = replace(study.places["corridor"], slug="chain", option="chain")
    write_study(tmp_path, replace(study, places={**study.places, "chain": place}))
    again = push(tmp_path, "lectures")
    assert (again.points, again.changed) == (0, 6)
    groups = Counter(run.group for run in server.runs.values())
    assert groups == {"lectures/x/corridor": 3, "lectures/y=2/corridor": 3, "lectures": 2}


@pytest.mark.parametrize(
    "fault", ["500", "404 of streams", "Ctrl-C", pytest.param("silence", marks=pytest.mark.slow)]
)
def test_what_is_interrupted_halfway_is_completed_later(
    tmp_path: Path, server: WandbServer, fault: str
) -> None:
    trainer = trained(tmp_path)

    def halfway(sent: Sent) -> None:
        if sent.runs == 1:
            if fault == "Ctrl-C":
                raise KeyboardInterrupt
            if fault == "500":
                server.status = 500
            elif fault == "silence":
                server.delay_s = 10.0
            else:
                server.stream_status = 404  # the client closes the run as if all had arrived

    wrong = KeyboardInterrupt if fault == "Ctrl-C" else RunFailed
    with pytest.raises(wrong) as caught:
        push(tmp_path, "lectures", at_once=1, heard=halfway)
    if fault != "Ctrl-C":
        line = str(caught.value)
        assert "1 run and 7 points arrived; `pgx wandb push lectures` again sends the rest" in line
        assert "\n" not in line
    server.status = server.stream_status = 200
    server.delay_s = 0.0
    rest = push(tmp_path, "lectures")
    assert arrived(server) == whole(trainer)
    assert rest.runs_before >= 1
    assert rest.points + rest.points_before == 21


def test_a_server_that_is_busy_is_waited_for(tmp_path: Path, server: WandbServer) -> None:
    """429 to the first stream of rows, for a second: the client asks again, as it is told to."""
    trainer = trained(tmp_path)
    timers = [Timer(1.0, setattr, (server, "stream_status", 200))]
    server.stream_status = 429

    def heard(sent: Sent) -> None:
        if timers:
            timers.pop().start()

    sent = push(tmp_path, "lectures", heard=heard)
    assert (sent.runs, sent.points) == (3, 21)
    assert arrived(server) == whole(trainer)


def test_what_was_mirrored_offline_or_online_is_sent_once(
    tmp_path: Path, server: WandbServer
) -> None:
    offline, online = (trained(tmp_path, arm) for arm in ARMS)
    assert ended(mirror(offline.directory, "offline")) == 0
    assert ended(mirror(online.directory, "online")) == 0
    assert arrived(server) == whole(online)
    sent = push(tmp_path, "lectures")
    assert (sent.runs, sent.points, sent.changed, sent.points_before) == (3, 21, 3, 21)
    assert arrived(server) == whole(offline, online)
    assert server.runs[online.id(4)].summary["final"] == 3.0
    left = list((offline.directory / "wandb").glob("offline-run-*/*.wandb"))
    assert len(left) == 3
    assert all(path.with_name(f"{path.name}.synced").exists() for path in left)
    again = push(tmp_path, "lectures")
    assert (again.points, again.changed, again.runs_before) == (0, 0, 6)


def test_the_command_says_what_went(
    tmp_path: Path, server: WandbServer, capsys: pytest.CaptureFixture[str]
) -> None:
    trained(tmp_path)
    broken = tmp_path / "lectures/z/corridor/seeds-0"
    broken.mkdir(parents=True)
    (broken / "manifest.json").write_text("{")
    assert main(["wandb", "push", "lectures", "--output", str(tmp_path), "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert (said["runs"], said["points"], said["study"]) == (3, 21, "lectures")
    assert len(said["damaged"]) == 1
    assert main(["wandb", "push", "lectures", "--output", str(tmp_path)]) == 1
    out = capsys.readouterr().out
    assert "0 runs and 0 points sent; 3 runs and 21 points were there" in out
    assert "is damaged, not JSON" in out


def test_whom_the_server_does_not_know_is_told_in_a_line(
    tmp_path: Path, server: WandbServer, capsys: pytest.CaptureFixture[str]
) -> None:
    trained(tmp_path)
    server.more.known = False
    assert main(["wandb", "push", "lectures", "--output", str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and "wandb login" in line
    assert server.runs == {}


def test_without_a_login_or_a_server_nothing_is_begun(
    tmp_path: Path,
    server: WandbServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    trained(tmp_path)
    words = ["wandb", "push", "lectures", "--output", str(tmp_path)]
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")  # where nothing listens
    assert main(words) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("failed: nothing answers at http://127.0.0.1:9; `pgx wandb push")
    monkeypatch.delenv("WANDB_API_KEY")
    assert main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: pgx wandb push: nobody is logged in here")
    assert server.requests == 0


def test_an_arm_that_does_not_exist_is_the_users_mistake(
    tmp_path: Path, server: WandbServer
) -> None:
    trained(tmp_path)
    with pytest.raises(ConfigError, match="--against=w"):
        push(tmp_path, "lectures", against="w")
    assert server.requests == 0
    assert not (tmp_path / "lectures/.wandb").exists()
