"""Checkpoints hold tensors and plain values, and are there whole or not at all."""

from __future__ import annotations

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
