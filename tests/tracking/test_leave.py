"""A process that imported wandb goes at once and leaves no folder behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import atexit, tempfile, time
import wandb
from pgx.tracking.leave import leave
atexit.register(time.sleep, 100)
print(len(list(__import__("pathlib").Path(tempfile.gettempdir()).glob("*wandb*"))), flush=True)
leave(3)
"""


def test_it_goes_at_once_with_its_status_and_takes_wandbs_folders_along(tmp_path: Path) -> None:
    words = [sys.executable, "-c", PROGRAM]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    found = subprocess.run(words, env=environment, stdout=subprocess.PIPE, timeout=60, check=False)
    assert found.returncode == 3
    assert int(found.stdout) >= 1  # so that there was something to take along
    assert not list(tmp_path.iterdir())
