"""Checkpoints hold tensors and plain values, and are there whole or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from pgx.checkpoint import LAST, load_checkpoint, save_checkpoint
from pgx.errors import RunFailed

STATE = {"iteration": 7, "names": ["a", "b"], "tensors": {"x": torch.arange(3.0)}, "done": None}


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    assert load_checkpoint(tmp_path) is None
    assert save_checkpoint(tmp_path, STATE) == tmp_path / LAST
    state = load_checkpoint(tmp_path)
    assert state is not None
    assert state.keys() == STATE.keys()
    assert torch.equal(state["tensors"]["x"], STATE["tensors"]["x"])
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["last.ckpt"]


def test_code_is_not_loaded(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, {"path": tmp_path})
    with pytest.raises(RunFailed, match="cannot be read"):
        load_checkpoint(tmp_path)


def test_a_torn_or_foreign_file_is_named(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path, STATE)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RunFailed, match=r"last\.ckpt.*replace=true"):
        load_checkpoint(tmp_path)
    torch.save({"format": 99}, path)
    with pytest.raises(RunFailed, match="another version"):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize("content", [b"", b"garbage", bytes(500), b"PK\x03\x04" + bytes(200)])
def test_garbage_is_one_short_line_without_advice_to_load_code(tmp_path, content):
    path = save_checkpoint(tmp_path, STATE)
    path.write_bytes(content)
    with pytest.raises(RunFailed) as caught:
        load_checkpoint(tmp_path)
    expected = "cannot be read: damaged or not a checkpoint; replace=true starts over"
    assert str(caught.value) == f"{path}: {expected}"


@pytest.mark.parametrize("state", [{"weights": torch.ones(2)}, [1, 2], torch.ones(3)])
def test_another_programs_file_is_not_a_checkpoint(tmp_path, state):
    path = save_checkpoint(tmp_path, STATE)
    torch.save(state, path)
    with pytest.raises(RunFailed, match="damaged or not a checkpoint"):
        load_checkpoint(tmp_path)


def test_a_save_that_fails_leaves_the_one_before_and_nothing_else(tmp_path):
    path = save_checkpoint(tmp_path, STATE)
    whole = path.read_bytes()
    with pytest.raises(AttributeError, match="pickle"):
        save_checkpoint(tmp_path, {"code": lambda: None})
    assert path.read_bytes() == whole
    assert list(path.parent.iterdir()) == [path]


FULL = """
import resource, sys, torch
from pathlib import Path
from pgx.checkpoint import save_checkpoint

resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    save_checkpoint(Path(sys.argv[1]), {"x": torch.ones(100_000)})
except (OSError, RuntimeError):
    print("failed")
"""


def test_a_full_disk_costs_nothing(tmp_path):
    path = save_checkpoint(tmp_path, STATE)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", FULL, str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.stdout == "failed\n", done.stderr
    assert list(path.parent.iterdir()) == [path]
    assert load_checkpoint(tmp_path)["iteration"] == 7


def test_what_a_killed_process_left_goes_with_the_next_save(tmp_path):
    path = save_checkpoint(tmp_path, STATE)
    (path.parent / ".last.ckpt.4711.tmp").write_bytes(b"half")
    (path.parent / "best.ckpt").touch()
    save_checkpoint(tmp_path, STATE)
    assert sorted(p.name for p in path.parent.iterdir()) == ["best.ckpt", "last.ckpt"]
