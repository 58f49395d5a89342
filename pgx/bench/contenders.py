"""Who takes part, and how a run of each is started and read. Every run is a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple, Protocol

import pgx
from pgx.bench.rates import Measurement, steady_rate
from pgx.errors import ConfigError, RunFailed

#: The reference work, as a user would type it; ``seeds`` and ``decisions`` are added.
PGX_WORK = (
    "experiment=a2c",
    "environment=cartpole",
    "environment.slots=8",
    "policy.hidden=[64,64]",
    "estimator.horizon=128",
    "estimator.trace_decay=0.95",
    "estimator.normalize_advantage=false",
    "estimator.entropy_coefficient=0",
    "baseline.hidden=[64,64]",
    "baseline.target_trace_decay=0.95",
    "optimizer.learning_rate=1e-3",
    "max_grad_norm=0.5",
    "arm=bench",
)

LAST_EPISODES = 100  #: per replica, of which the final return is the mean


class Contender(Protocol):
    """Something that trains and can be timed."""

    @property
    def name(self) -> str: ...

    def measure(self, decisions: int, seed: int) -> Measurement:
        """Train for ``decisions`` per replica."""
        ...


class Pgx(NamedTuple):
    """pgx with ``replicas`` seeds in one process."""

    replicas: int

    @property
    def name(self) -> str:
        return f"pgx, R={self.replicas}"

    def measure(self, decisions: int, seed: int) -> Measurement:
        """Train in an empty folder and read the part that it wrote."""
        seeds = list(range(seed, seed + self.replicas))
        with tempfile.TemporaryDirectory(prefix="pgx-bench-") as folder:
            words = [*PGX_WORK, f"seeds={seeds}".replace(" ", ""), f"decisions={decisions}"]
            run([*PGX, "train", *words], Path(folder))
            (manifest,) = Path(folder).glob("outputs/*/*/*/*/manifest.json")
            return read_part(manifest.parent, self.replicas)


class StableBaselines3(NamedTuple):
    """Stable-Baselines3's A2C: one seed, on the same work or with its defaults."""

    work: str
    threads: int

    @property
    def name(self) -> str:
        if self.work == "same":
            return f"SB3 A2C, same work, {self.threads} thread{'s' * (self.threads > 1)}"
        return "SB3 A2C, its defaults: n_steps=5, RMSprop"

    def measure(self, decisions: int, seed: int) -> Measurement:
        """Train in a process with its own number of threads."""
        words = ["pgx.bench.stable_baselines3", self.work, str(decisions), str(self.threads)]
        with tempfile.TemporaryDirectory(prefix="pgx-bench-") as folder:
            command = [sys.executable, "-m", *words, str(seed)]
            printed = run(command, Path(folder), OMP_NUM_THREADS=str(self.threads)).stdout
        found = json.loads(printed.splitlines()[-1])
        return Measurement(steady_rate(found["stamps"]), found["final_return"])


PGX = (sys.executable, "-m", "pgx_lab")


def run(command: list[str], folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command in ``folder`` with this very pgx on its path.

    Raises:
        RunFailed: it did not end with status 0.
    """
    done = subprocess.run(
        command,
        cwd=folder,
        env=variables(**environment),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        last = (done.stderr.strip() or "no message").splitlines()[-1]
        raise RunFailed(f"bench: {' '.join(command[1:])} ended with {done.returncode}: {last}")
    return done


def variables(**more: str) -> dict[str, str]:
    """The environment of a process that finds this very pgx."""
    package = str(Path(pgx.__file__).resolve().parents[1])
    path = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, **more}


def read_part(part: Path, replicas: int) -> Measurement:
    """The steady rate and the final return of a finished part."""
    import polars

    metrics = polars.read_parquet(part / "metrics.parquet")
    one = metrics.filter(polars.col("seed") == metrics["seed"].min()).sort("decisions")
    stamps = [
        (replicas * decisions, s) for decisions, s in one.select("decisions", "wall_s").rows()
    ]
    episodes = polars.read_parquet(part / "episodes.parquet").sort("seed", "decisions")
    last = episodes.group_by("seed", maintain_order=True).tail(LAST_EPISODES)
    final = float(last.select(polars.col("return_raw").mean()).item() or 0.0)
    return Measurement(steady_rate(stamps), final)


def contenders(replicas: list[int]) -> list[Contender]:
    """Everyone, in the order of the table.

    Raises:
        ConfigError: Stable-Baselines3 is not installed.
    """
    if find_spec("stable_baselines3") is None:
        raise ConfigError("bench: Stable-Baselines3 is not installed: pip install 'pgx-lab[bench]'")
    return [
        *(Pgx(count) for count in replicas),
        StableBaselines3("same", 1),
        StableBaselines3("same", 2),
        StableBaselines3("default", 1),
    ]
