"""Running ``pgx train`` as a user does: in a process of its own, in an empty folder."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
Train = Callable[..., "subprocess.CompletedProcess[str]"]


def environment() -> dict[str, str]:
    """The environment of a process that imports this checkout from anywhere."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}


@pytest.fixture
def train(tmp_path: Path) -> Train:
    """``train(*words, status=0, cwd=tmp_path)``: run it there and check its exit status."""

    def run(*words: str, status: int = 0, cwd: Path = tmp_path) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "pgx_lab", "train", *words],
            cwd=cwd,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done

    return run
