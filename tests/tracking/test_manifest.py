"""The manifest says what happened, also to a process that could not; one writer at a time."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from importlib.metadata import version

import pytest

import pgx
from pgx.errors import ConfigError
from pgx.tracking import provenance
from pgx.tracking.manifest import MANIFEST, Manifest, PartLock, is_live, read_manifest
from pgx.tracking.provenance import git, hardware, versions

FACTS = {
    "study": "lectures",
    "arm": "reward_to_go",
    "environment": "cartpole",
    "seeds": [3, 5],
    "budget": 1000,
    "config_hash": "abc",
    "environment_class": "pgx.environments.cartpole.CartPole",
    "wrappers": ["Scale"],
    "threads": 2,
    "command": ["pgx", "train"],
}

HOLD = """
import sys, time
from pathlib import Path
from pgx.tracking.manifest import PartLock

with PartLock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def held_elsewhere(directory) -> subprocess.Popen:
    """Another process that holds the lock of ``directory``."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", HOLD, str(directory)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_manifest_says_who_what_and_where(tmp_path):
    Manifest.begin(tmp_path / "part", **FACTS)
    fields = read_manifest(tmp_path / "part")
    assert {name: fields[name] for name in FACTS} == FACTS
    assert fields["status"] == "running"
    assert fields["seed_status"]["5"] == {"status": "running", "reason": None, "decisions": 0}
    assert fields["ended"] is None
    assert fields["exit"] is None
    assert fields["pid"] == os.getpid()
    assert fields["started"].endswith("+00:00")
    for name in ("versions", "git", "hardware", "host", "elapsed_s", "error"):
        assert name in fields


def test_a_part_without_failures_finishes(tmp_path):
    manifest = Manifest.begin(tmp_path, **FACTS)
    manifest.progress({3: 400, 5: 408})
    assert read_manifest(tmp_path)["seed_status"]["5"]["decisions"] == 408
    time.sleep(0.02)
    manifest.end(exit=0)
    fields = read_manifest(tmp_path)
    assert fields["status"] == "finished"
    assert [fields["seed_status"][s]["status"] for s in "35"] == ["finished", "finished"]
    assert fields["exit"] == 0
    assert fields["elapsed_s"] >= 0.02
    assert fields["ended"] >= fields["started"]


def test_one_diverged_seed_fails_the_part_and_only_itself(tmp_path):
    manifest = Manifest.begin(tmp_path, **FACTS)
    manifest.end_seed(5, "failed", "diverged at iteration 12", decisions=96)
    manifest.end(exit=1)
    fields = read_manifest(tmp_path)
    assert fields["status"] == "failed"
    assert fields["seed_status"]["3"]["status"] == "finished"
    assert fields["seed_status"]["5"] == {
        "status": "failed",
        "reason": "diverged at iteration 12",
        "decisions": 96,
    }


def test_an_interruption_keeps_seeds_that_had_ended_and_the_last_line_of_the_error(tmp_path):
    manifest = Manifest.begin(tmp_path, **FACTS)
    manifest.end_seed(3, "finished")
    manifest.end("interrupted", exit=130, error="Traceback\n  line\nKeyboardInterrupt\n")
    fields = read_manifest(tmp_path)
    assert fields["status"] == "interrupted"
    assert [fields["seed_status"][s]["status"] for s in "35"] == ["finished", "interrupted"]
    assert fields["error"] == "KeyboardInterrupt"


def test_resuming_keeps_start_time_and_ended_seeds_and_remembers_the_attempt(tmp_path):
    manifest = Manifest.begin(tmp_path, **FACTS)
    manifest.end_seed(3, "failed", "diverged at iteration 1")
    manifest.progress({5: 40})
    manifest.fields["started"] = "2020-01-01T00:00:00+00:00"
    time.sleep(0.02)
    manifest.end("interrupted", exit=143)
    before = read_manifest(tmp_path)["elapsed_s"]
    again = Manifest.begin(tmp_path, **{**FACTS, "command": ["pgx", "again"]}, resume=True)
    fields = read_manifest(tmp_path)
    assert fields["started"] == "2020-01-01T00:00:00+00:00"
    assert fields["elapsed_s"] >= before >= 0.02
    assert fields["seed_status"]["3"]["reason"] == "diverged at iteration 1"
    assert fields["seed_status"]["5"] == {"status": "running", "reason": None, "decisions": 40}
    assert [attempt["command"] for attempt in fields["attempts"]] == [["pgx", "train"]]
    again.end(exit=1)
    assert read_manifest(tmp_path)["status"] == "failed"


def test_a_resumed_part_keeps_the_prediction_that_it_began_under(tmp_path):
    Manifest.begin(tmp_path, **FACTS, prediction_sha256="abc").end("interrupted", exit=143)
    again = Manifest.begin(tmp_path, **FACTS, prediction_sha256="def", resume=True)
    assert again.fields["prediction_sha256"] == "abc"
    over = Manifest.begin(tmp_path, **FACTS, prediction_sha256="def")
    assert over.fields["prediction_sha256"] == "def"


def test_a_manifest_of_an_earlier_version_knows_no_prediction_and_is_read(tmp_path):
    Manifest.begin(tmp_path, **FACTS)
    fields = read_manifest(tmp_path)
    del fields["prediction_sha256"]
    (tmp_path / MANIFEST).write_text(json.dumps(fields))
    assert "prediction_sha256" not in read_manifest(tmp_path)
    again = Manifest.begin(tmp_path, **FACTS, prediction_sha256="def", resume=True)
    assert again.fields["prediction_sha256"] is None


def test_an_unknown_status_is_refused(tmp_path):
    manifest = Manifest.begin(tmp_path, **FACTS)
    with pytest.raises(ValueError, match="'done'"):
        manifest.end_seed(3, "done")
    with pytest.raises(ValueError, match="'done'"):
        manifest.end("done", exit=0)


def test_writing_leaves_nothing_else_behind(tmp_path):
    Manifest.begin(tmp_path, **FACTS).end(exit=0)
    assert [path.name for path in tmp_path.iterdir()] == [MANIFEST]


def test_a_manifest_that_cannot_be_written_leaves_the_one_before(tmp_path):
    manifest = Manifest.begin(tmp_path, **FACTS)
    before = (tmp_path / MANIFEST).read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            manifest.write()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.name for path in tmp_path.iterdir()] == [MANIFEST]
    assert (tmp_path / MANIFEST).read_bytes() == before


def test_what_a_killed_process_left_goes_with_the_next_write(tmp_path):
    (tmp_path / f".{MANIFEST}.4711.tmp").write_text("{")
    (tmp_path / "train.log").touch()
    Manifest.begin(tmp_path, **FACTS)
    assert sorted(path.name for path in tmp_path.iterdir()) == [MANIFEST, "train.log"]


def test_an_unreadable_manifest_is_named(tmp_path):
    with pytest.raises(ConfigError, match="holds no manifest"):
        read_manifest(tmp_path)
    for content in ("{", "[]", "{}"):
        (tmp_path / MANIFEST).write_text(content)
        with pytest.raises(
            ConfigError, match=r"manifest\.json: is damaged.*replace=true"
        ) as caught:
            read_manifest(tmp_path)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"null", b"[" * 100_000, b""])
def test_a_file_that_is_no_manifest_at_all(tmp_path, content):
    (tmp_path / MANIFEST).write_bytes(content)
    with pytest.raises(ConfigError, match="is damaged"):
        read_manifest(tmp_path)


def test_a_folder_in_the_manifests_place(tmp_path):
    (tmp_path / MANIFEST).mkdir()
    with pytest.raises(ConfigError, match="cannot be read"):
        read_manifest(tmp_path)


GONE = object()
ENTRY = {"status": "running", "reason": None, "decisions": 0}


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("status", [GONE, "done", None, []]),
        ("seeds", [GONE, [], "0-9", [1.5], [True], [3, 3, 5], [-1], [2**63], 5, [3, 7]]),
        ("seed_status", [GONE, [], {}, {"3": ENTRY}, {"3": ENTRY, "5": "running"}]),
        ("seed_status", [{"3": ENTRY, "5": {**ENTRY, "status": "?"}}]),
        ("seed_status", [{"3": ENTRY, "5": {"status": "running", "decisions": 0}}]),
        ("seed_status", [{"3": ENTRY, "5": {**ENTRY, "decisions": None}}]),
        ("budget", [GONE, None, "many", 1.5]),
        ("config_hash", [GONE, None]),
        ("started", [GONE, None, "yesterday", 0]),
        ("elapsed_s", [GONE, None, "1", float("nan"), -1.0]),
        ("error", [GONE, 3]),
        ("attempts", [GONE, {}]),
        ("prediction_sha256", [7, ["abc"]]),
    ],
)
def test_every_field_that_is_read_is_checked(tmp_path, name, values):
    Manifest.begin(tmp_path, **FACTS)
    fields = read_manifest(tmp_path)
    for value in values:
        changed = {**fields, name: value}
        if value is GONE:
            del changed[name]
        (tmp_path / MANIFEST).write_text(json.dumps(changed))
        with pytest.raises(ConfigError, match=r"manifest\.json: is damaged, .*'") as caught:
            read_manifest(tmp_path)
        assert "\n" not in str(caught.value)


def test_a_second_writer_gets_one_clear_line(tmp_path):
    with (
        PartLock(tmp_path),
        pytest.raises(ConfigError, match=f"process {os.getpid()} on") as caught,
        PartLock(tmp_path),
    ):
        pass
    assert "\n" not in str(caught.value)
    with PartLock(tmp_path):
        assert is_live(tmp_path)
    assert not is_live(tmp_path)


def test_a_killed_process_is_not_live_any_more(tmp_path):
    assert not is_live(tmp_path)
    process = held_elsewhere(tmp_path)
    assert is_live(tmp_path)
    with pytest.raises(ConfigError, match=f"process {process.pid} on"), PartLock(tmp_path):
        pass
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert not is_live(tmp_path)
    with PartLock(tmp_path):
        assert is_live(tmp_path)


def test_a_reader_that_looks_at_the_same_instant_does_not_stop_a_writer(tmp_path):
    import fcntl
    import threading

    (tmp_path / ".lock").touch()
    with (tmp_path / ".lock").open() as reader:
        fcntl.flock(reader, fcntl.LOCK_SH)
        timer = threading.Timer(0.1, fcntl.flock, (reader, fcntl.LOCK_UN))
        timer.start()
        with PartLock(tmp_path):
            timer.join()
            assert is_live(tmp_path)


def test_versions_come_from_the_packages_metadata():
    found = versions()
    assert found["numpy"] == version("numpy")
    assert found["hydra"] == version("hydra-core")
    assert found["lightning"] == version("pytorch-lightning")
    assert found["pgx"] == pgx.__version__
    assert found["python"].count(".") == 2


def test_hardware_is_named():
    found = hardware()
    assert found["cpu"]
    assert 1 <= found["cores"] <= found["cores_machine"]
    assert found["memory"] > 2**28


def run_git(directory, *arguments: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    command = ["git", "-C", str(directory), *identity, *arguments]
    subprocess.run(command, check=True, capture_output=True)


def test_git_is_none_outside_of_a_repository(tmp_path):
    assert git(tmp_path) is None


def test_git_tells_commit_and_changes(tmp_path):
    run_git(tmp_path, "init", "-q")
    assert git(tmp_path)["commit"] is None
    (tmp_path / "file").write_text("one\n")
    run_git(tmp_path, "add", "file")
    run_git(tmp_path, "commit", "-qm", "one")
    clean = git(tmp_path)
    assert len(clean["commit"]) == 40
    assert (clean["dirty"], clean["diff"], clean["diff_cut"]) == (False, "", False)
    (tmp_path / "file").write_text("two\n")
    dirty = git(tmp_path)
    assert dirty["commit"] == clean["commit"]
    assert dirty["dirty"]
    assert "-one\n+two\n" in dirty["diff"]


def test_a_long_diff_is_cut(tmp_path):
    run_git(tmp_path, "init", "-q")
    (tmp_path / "file").write_text("")
    run_git(tmp_path, "add", "file")
    run_git(tmp_path, "commit", "-qm", "one")
    (tmp_path / "file").write_text("é\n" * provenance.DIFF_LIMIT)
    found = git(tmp_path)
    assert found["diff_cut"]
    assert len(found["diff"].encode()) <= provenance.DIFF_LIMIT
    json.dumps(found)


def test_no_git_installed_is_no_error(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git() is None
