"""Running ``pgx train`` as a user does: in a process of its own, in an empty folder."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.warm import Warm

ROOT = Path(__file__).resolve().parents[1]
Train = Callable[..., "subprocess.CompletedProcess[str]"]


def environment() -> dict[str, str]:
    """The environment of a process that imports this checkout from anywhere."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="session")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warm]:
    """What forks ``pgx`` instead of starting it."""
    one = Warm(tmp_path_factory.mktemp("warm"))
    yield one
    one.close()


@pytest.fixture
def train(tmp_path: Path, warm: Warm) -> Train:
    """``train(*words, status=0, cwd=tmp_path)``: run it there and check its exit status."""

    def run(*words: str, status: int = 0, cwd: Path = tmp_path) -> subprocess.CompletedProcess[str]:
        done = warm.run(["train", *words], cwd, environment())
        assert done.returncode == status, done.stdout + done.stderr
        return done

    return run
