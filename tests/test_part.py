"""What a part's record says of a training that raised."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from pgx import part
from pgx.config import compose_config
from pgx.errors import RunFailed
from pgx.records import read_part
from pgx.train import make_plan


def test_an_error_of_many_lines_keeps_its_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise ArithmeticError("first line\n  second line\n")

    monkeypatch.setattr(part, "_fit", fail)
    words = ["experiment=reinforce", "decisions=10", f"output={tmp_path}"]
    plan = make_plan(compose_config(words), words)
    line = "ArithmeticError: first line second line"
    with pytest.raises(RunFailed, match=line):
        part.train_part(plan, ["pgx", "train"], Console(quiet=True))
    assert read_part(plan.directory).manifest["error"] == line
