"""A part as training leaves it, with numbers known by hand, and the mirror process on it."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from omegaconf import OmegaConf

from pgx.config import compose_config
from pgx.names import config_hash
from pgx.tracking.blocks import BlockWriter
from pgx.tracking.episodes import EPISODE_ROW, METRIC_ROW
from pgx.tracking.manifest import Manifest
from pgx.tracking.mirror import environment
from tests.conftest import ROOT

SEEDS = (4, 1, 9)
BUDGET = 70  #: decisions; an iteration takes 10
STEP = 10
ARM = "421655"  #: SHA-256 of adhoc/x begins like this

#: Runs the mirror process in little time: it looks at the rows often and gives up soon.
QUICK = """
import sys
from pathlib import Path
import pgx.tracking.mirror as mirror
import pgx.tracking.mirror_process as process
import pgx.tracking.wandb_runs as runs
process.FIRST_S = {{"offline": 0.1, "online": 0.1}}
process.SHARE = 1.0
process.EVERY_S = {{"offline": 0.1, "online": 0.1}}
process.PATIENCE_S, process.HURRY_S, process.CHECK_S = 2.0, 1.0, 0.1
runs.FINISH_S = 3.0
runs.QUIET["x_file_stream_transmit_interval"] = 1  # s, whole
mirror.COMMAND = (sys.executable, {script!r})
directory, *others = sys.argv[1:] or process.told()
process.main(Path(directory), *others)
"""


class Trainer:
    """Writes a part as training does, an iteration at a time.

    Iteration i of a seed ends at decision ``10 (i + 1)``; its loss is ``seed + i / 8``. One episode
    ends in it, at decision ``10 i + 7``, with return ``i`` and length ``10 + i``.
    """

    def __init__(
        self,
        directory: Path,
        *words: str,
        study: str = "adhoc",
        arm: str = "x",
        seeds: tuple[int, ...] = SEEDS,
    ) -> None:
        self.directory, self.seeds, self._group = directory, seeds, f"{study}/{arm}"
        config = compose_config(["tracker=wandb", f"decisions={BUDGET}", f"arm='{arm}'", *words])
        self.manifest = Manifest.begin(
            directory,
            study=study,
            arm=arm,
            environment="corridor",
            seeds=seeds,
            budget=BUDGET,
            config_hash=config_hash(config),
            environment_class="pgx.environments.corridor.Corridor",
            command=["pgx", "train"],
        )
        self.hash = config_hash(config)
        OmegaConf.save(config, directory / "config.yaml", resolve=True)
        self._metrics = BlockWriter(
            directory / "metrics.blocks", METRIC_ROW | {"loss": np.dtype("float64")}
        )
        self._episodes = BlockWriter(directory / "episodes.blocks", EPISODE_ROW)

    def id(self, seed: int) -> str:
        """Of a seed's W&B run."""
        arm = hashlib.sha256(self._group.encode()).hexdigest()[:6]
        return f"{self.hash}-{arm}-{seed}"

    def train(self, iterations: Iterable[int]) -> Trainer:
        """Append these iterations of every seed."""
        seeds = np.array(self.seeds)
        for i in iterations:
            every = np.ones(len(seeds), dtype=np.int64)
            self._episodes.append(
                {
                    "seed": seeds,
                    "episode": i * every,
                    "decisions": (STEP * i + 7) * every,
                    "return_raw": i * every.astype(float),
                    "return_train": 2 * i * every.astype(float),
                    "length": (10 + i) * every,
                    "wall_s": i * every.astype(float),
                }
            )
            self._metrics.append(
                {
                    "seed": seeds,
                    "iteration": i * every,
                    "decisions": STEP * (i + 1) * every,
                    "wall_s": i * every.astype(float),
                    "loss": seeds + i / 8,
                }
            )
        return self

    def end(self, failed: int | None = None) -> None:
        """Say in the manifest that training is over, and which seed diverged."""
        if failed is not None:
            self.manifest.end_seed(failed, "failed", "diverged at iteration 6", BUDGET)
        self.manifest.end(exit=int(failed is not None))


def mirror(directory: Path, mode: str = "offline") -> subprocess.Popen[bytes]:
    """The mirror process of a part, quick; closing its standard input ends it."""
    script = directory / "quick.py"
    script.write_text(QUICK.format(script=str(script)))
    variables = {**os.environ, "HOME": str(directory), "PYTHONPATH": str(ROOT)}
    (directory / "wandb").mkdir(exist_ok=True)
    with (directory / "wandb" / "mirror.log").open("ab") as output:
        return subprocess.Popen(
            [sys.executable, str(script), str(directory), mode, str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            env=environment(variables),
        )


def ended(process: subprocess.Popen[bytes], timeout_s: float = 60) -> int:
    """Close the trainer's end of the pipe and wait; the exit status."""
    assert process.stdin is not None
    process.stdin.close()
    return process.wait(timeout_s)
