"""A process's descendants: found in every session, stopped, continued and counted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pgx.bench.processes import Descendants

#: A child in a session of its own that works, whose parent ends when its standard input does.
CHILD = "while True: sum(range(10000))"
PARENT = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {CHILD!r}], start_new_session=True)
print(child.pid, flush=True)
sys.stdin.read()
"""


def state(number: int) -> str:
    """R, S, T, … or nothing once it is gone."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def wait_for(number: int, states: str) -> None:
    deadline = time.monotonic() + 20
    while (found := state(number) or "-") not in states:
        assert time.monotonic() < deadline, found
        time.sleep(0.01)


@pytest.fixture
def family() -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        yield parent, child
        if state(child) not in ("", "Z"):
            os.kill(child, signal.SIGKILL)


def test_they_are_stopped_continued_and_ended(family: tuple[subprocess.Popen[bytes], int]) -> None:
    parent, child = family
    ours = Descendants(os.getpid())
    theirs = Descendants(parent.pid)
    assert [one.number for one in theirs.look()] == [child]
    numbers = [one.number for one in ours.look()]
    assert numbers.index(parent.pid) < numbers.index(child)
    theirs.send(signal.SIGSTOP)
    wait_for(child, "T")
    assert state(parent.pid) == "S"
    theirs.send(signal.SIGCONT)
    wait_for(child, "R")
    assert parent.stdin is not None
    parent.stdin.close()
    parent.wait(20)
    assert [one.number for one in theirs.look()] == [child]  # though its parent is another one now
    theirs.send(signal.SIGKILL)
    wait_for(child, "-Z")
    assert theirs.look() == []


def test_their_processor_time_is_kept(family: tuple[subprocess.Popen[bytes], int]) -> None:
    parent, child = family
    theirs = Descendants(parent.pid)
    deadline = time.monotonic() + 20
    while theirs.look() and sum(theirs.processor_s.values()) < 0.1:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    used = sum(theirs.processor_s.values())
    assert 0.1 <= used < 5.0
    os.kill(child, signal.SIGKILL)
    wait_for(child, "-Z")
    theirs.look()
    assert sum(theirs.processor_s.values()) >= used
