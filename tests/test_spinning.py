"""A waiting thread gives up its processor soon, unless the user said how it waits."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pgx.spinning import SPINS, spin_briefly


@pytest.mark.parametrize("name", ["GOMP_SPINCOUNT", "OMP_WAIT_POLICY"])
def test_a_users_own_choice_stays(name: str) -> None:
    variables = {name: "7"}
    spin_briefly(variables)
    assert variables == {name: "7"}


def test_it_is_said_before_torch_is_imported(tmp_path: Path) -> None:
    code = (
        "import sys, os; from pgx.cli import main; main(['--version']);"
        "print('torch' in sys.modules, os.environ['GOMP_SPINCOUNT'])"
    )
    given = {
        name: value
        for name, value in os.environ.items()
        if name not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
    }
    ended = subprocess.run(
        [sys.executable, "-c", code], env=given, cwd=tmp_path, capture_output=True, text=True
    )
    assert ended.stdout.splitlines()[-1] == f"False {SPINS}"
