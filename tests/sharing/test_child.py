"""The process that may import wandb: what it says, and how it may end."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from pgx.errors import ConfigError, RunFailed
from pgx.sharing.child import events, refused, told
from pgx.sharing.state import destination, digest, note, read

WORK = """
import os, sys, time
from pgx.errors import ConfigError
from pgx.sharing.child import serve

def work(job, say):
    print("wandb: chatter")
    say({"event": "first", "process": os.getpid(), "got": job["value"]})
    if job["value"] == "mistake":
        raise ConfigError("--project: none")
    if job["value"] == "refused":
        raise OSError("returned error 403: no")
    if job["value"] == "wrong":
        raise OSError("a\\nb")
    if job["value"] == "killed":
        os.kill(os.getpid(), 9)
    if job["value"] == "slow":
        time.sleep(60)

serve(work)
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "works_for_a_test.py").write_text(WORK)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return "works_for_a_test"


def test_events_come_in_order_and_chatter_goes_to_the_log(module: str, tmp_path: Path) -> None:
    (event,) = events(module, {"value": "é"}, tmp_path / "log")
    assert (event["event"], event["got"]) == ("first", "é")
    assert (tmp_path / "log").read_text() == "wandb: chatter\n"


@pytest.mark.parametrize(
    ("value", "kind", "line"),
    [
        ("mistake", ConfigError, "^--project: none$"),
        ("refused", ConfigError, "^OSError: returned error 403.*`wandb login`"),
        ("wrong", RunFailed, "^OSError: a b$"),
        ("killed", RunFailed, "ended with -9, see .*log$"),
    ],
)
def test_an_ending_is_a_line(
    module: str, tmp_path: Path, value: str, kind: type[Exception], line: str
) -> None:
    with pytest.raises(kind, match=line):
        list(events(module, {"value": value}, tmp_path / "log"))


def test_who_stops_listening_ends_it(module: str, tmp_path: Path) -> None:
    heard = events(module, {"value": "slow"}, tmp_path / "log")
    process = next(heard)["process"]
    begun = time.monotonic()
    heard.close()
    assert time.monotonic() - begun < 10
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_a_refusal_is_told_from_a_fault() -> None:
    assert refused(OSError("Failed: returned error 401: {}"))
    assert refused(OSError("invalid credentials: the server did not recognize an account"))
    assert refused(ValueError("WANDB_API_KEY invalid: API key must have 40+ characters, has 5."))
    assert not refused(OSError("run abc-401 is not there"))
    assert told(OSError("x" * 900)).startswith("OSError: xxx")
    assert len(told(OSError("x" * 900))) == 500


def test_what_was_noted_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "wandb-push.json"
    assert read(path) == {}
    one, two = (destination("http://s/", name, "p") for name in ("a", "b"))
    assert (one, two) == ("http://s/a/p", "http://s/b/p")
    note(path, one, {"runs": {"r": 1}})
    note(path, two, 2)
    note(path, one, {"runs": {"r": 3}})
    assert read(path) == {one: {"runs": {"r": 3}}, two: 2}
    path.write_text("{")
    assert read(path) == {}
    assert digest({"a": 1, "b": [None]}) == digest({"b": [None], "a": 1}) != digest({"a": 1})
