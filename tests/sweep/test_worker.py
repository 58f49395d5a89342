"""A worker ends with its sweep; one that is left over is told from one that is at work."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pgx.sweep.orphan import is_orphaned
from tests.conftest import environment

#: Follows its parent as a worker does, holds a part's lock, and says how it ends.
WORKER = """
import signal, sys, time
from pathlib import Path
from pgx.sweep.worker import follow
from pgx.tracking.manifest import PartLock
_, parent, directory, leaves = sys.argv[1:]
def stop(number, frame):
    (Path(directory) / "got").write_text(str(number))
    time.sleep(float(leaves))
    sys.exit(143)
signal.signal(signal.SIGTERM, stop)
with PartLock(Path(directory)):
    follow(int(parent))
    (Path(directory) / "holds").touch()
    time.sleep(60)
"""

#: A sweep: it starts one worker, which it tells its own number or another one, and waits.
SWEEP = """
import os, subprocess, sys
worker, directory, leaves, parent = sys.argv[1:]
words = [sys.executable, "-c", worker, "pgx.sweep.worker", parent or str(os.getpid())]
process = subprocess.Popen([*words, directory, leaves], process_group=0)
print(process.pid, flush=True)
sys.exit(process.wait())
"""


class Pair:
    """A sweep and its worker; everything ends with the test."""

    def __init__(self, directory: Path, leaves_s: float = 0.0, parent: str = "") -> None:
        self.directory = directory
        self.sweep = subprocess.Popen(
            [sys.executable, "-c", SWEEP, WORKER, str(directory), str(leaves_s), parent],
            env=environment(),
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.sweep.stdout is not None
        self.worker = int(self.sweep.stdout.readline())

    def __enter__(self) -> Pair:
        return self

    def __exit__(self, *ending: object) -> None:
        self.sweep.kill()
        self.sweep.communicate()
        if self.runs:
            os.kill(self.worker, signal.SIGKILL)

    @property
    def runs(self) -> bool:
        try:
            state = Path(f"/proc/{self.worker}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return False
        return state != "Z"

    def has(self, name: str, timeout_s: float = 20.0) -> bool:
        """Whether the worker has left a file of this name, by then."""
        deadline = time.monotonic() + timeout_s
        while not (self.directory / name).exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        return (self.directory / name).exists()


@pytest.fixture
def part(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "seeds-3").mkdir()
    yield tmp_path / "seeds-3"


def test_a_worker_receives_sigterm_when_its_sweep_is_killed(part: Path) -> None:
    with Pair(part, leaves_s=1.0) as pair:
        assert pair.has("holds")
        assert not is_orphaned(part)  # at work
        assert not (part / "got").exists()
        pair.sweep.kill()
        assert pair.has("got")
        assert (part / "got").read_text() == str(signal.SIGTERM.value)
        assert is_orphaned(part)
        deadline = time.monotonic() + 20
        while pair.runs and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not pair.runs
        assert not is_orphaned(part)  # gone


def test_a_worker_whose_sweep_is_gone_already_ends_at_once(part: Path) -> None:
    with Pair(part, parent="1") as pair:
        assert pair.sweep.wait(30) == 128 + signal.SIGTERM
        assert not (part / "holds").exists()


def test_who_holds_no_lock_or_is_no_worker_is_no_orphan(part: Path) -> None:
    assert not is_orphaned(part)
    assert not is_orphaned(part / "nowhere")
    from pgx.tracking.manifest import PartLock

    with PartLock(part):
        assert not is_orphaned(part)
        (part / ".lock").write_text("process 1 on another-host\n")
        assert not is_orphaned(part)
        (part / ".lock").write_text("someone\n")
        assert not is_orphaned(part)
