"""Trains in turn without W&B and beside a mirror whose server fails; may not talk to anyone itself.

``python -m tests.support.isolated FOLDER URL …``: a pair of runs per server. Any attempt of this
very process to connect anywhere is an error. Prints, as JSON, the seconds each run trained, the
seconds of processor time that it took, and whether wandb was imported.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from pathlib import Path

import polars

import pgx.tracking.mirror as mirror
from pgx.cli import main
from tests.support.parts import QUICK
from tests.support.wandb_server import variables

WORK = ("arm=x", "decisions=100000", "threads=1", "replace=true", "wandb.mode=online")


def refuse(*arguments: object, **named: object) -> None:
    """In the place of everything that connects."""
    raise AssertionError(f"the training process connects to {arguments}")


def train(tracker: str, url: str) -> tuple[float, float]:
    """One run; seconds of the training loop, and of the processor in this process."""
    os.environ.update(variables(url))
    before = time.process_time()
    assert main(["train", *WORK, f"tracker={tracker}", f"output={tracker}"]) == 0
    processor = time.process_time() - before
    (path,) = Path(tracker).glob("*/*/*/*/metrics.parquet")
    return float(polars.read_parquet(path)["wall_s"].max()), processor  # type: ignore[arg-type]


def run(folder: Path, urls: list[str]) -> None:
    """Train a pair per server, after a run that pays for the imports."""
    os.chdir(folder)
    script = folder / "quick.py"
    script.write_text(QUICK.format(script=str(script)))
    mirror.COMMAND = (sys.executable, str(script))
    socket.socket.connect = socket.create_connection = refuse  # type: ignore[assignment,method-assign]
    train("files", urls[0])
    pairs = [(train("files", url), train("wandb", url)) for url in urls]
    print(json.dumps({"pairs": pairs, "imported": "wandb" in sys.modules}))


if __name__ == "__main__":
    run(Path(sys.argv[1]), sys.argv[2:])
