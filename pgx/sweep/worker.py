"""One job of a sweep: in a process of its own, or in one that joblib or submitit lends.

``python -m pgx.sweep.worker PARENT [--config-dir=DIR …] OVERRIDES`` trains what ``pgx train
OVERRIDES`` would, and ends as it does. It ends, with a checkpoint, when the process PARENT does.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pgx.errors import ConfigError, RunFailed
from pgx.sweep.job import Outcome
from pgx.sweep.log import last_line, why
from pgx.tracking.manifest import LAUNCH, MANIFEST, is_live
from pgx.tracking.mirror import prepared

if TYPE_CHECKING:
    from omegaconf import DictConfig
    from rich.console import Console

    from pgx.part import PartPlan

PATIENCE_S = (
    60.0  #: with a process that still writes to the part, such as a sweep's that was killed
)
LOOK_S = 0.2  # s between looks at it
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main(words: Sequence[str]) -> int:
    """Train one job in this process; its exit status is that of ``pgx train``."""
    follow(int(words[0]))
    from pgx.guard import guard

    return guard(lambda: _run(list(words[1:])))


def follow(parent: int) -> None:
    """Have this process receive SIGTERM when its parent dies; end at once if it is dead already."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(128 + signal.SIGTERM)


def _run(words: Sequence[str]) -> int:
    with prepared(words):  # before torch is imported, which takes longer
        from pgx.callbacks import Terminal
        from pgx.config import compose_config
        from pgx.train import make_plan, parse

        line = parse(words)
        overrides = resumable(line.overrides)
        plan = make_plan(compose_config(overrides, line.directories), overrides)
        return train(plan, ["pgx", "train", *words], Terminal())


def resumable(overrides: Sequence[str]) -> list[str]:
    """The overrides, such that what an earlier process left is continued, not refused.

    It may have begun after the sweep was planned.
    """
    keys = {word.lstrip("+").partition("=")[0] for word in overrides}
    return [*overrides] if {"resume", "replace"} & keys else [*overrides, "resume=true"]


def train(
    plan: PartPlan, command: Sequence[str], console: Console, patience_s: float = PATIENCE_S
) -> int:
    """Train a part as ``pgx train`` does, after whoever still writes to it has ended.

    Args:
        plan: what to train, checked.
        command: for the record.
        console: where progress and the table of seeds are shown.
        patience_s: how long to wait for another process.

    Returns:
        The exit status of ``pgx train``.

    Raises:
        ConfigError: the config does not fit, or another process is still at work there.
        RunFailed: training raised.
    """
    from pgx.part import train_part
    from pgx.records import read_part
    from pgx.train import check_directory, report

    deadline = time.monotonic() + patience_s
    while is_live(plan.directory) and time.monotonic() < deadline:
        time.sleep(LOOK_S)
    plan = replace(plan, resume=plan.config.resume and (plan.directory / MANIFEST).exists())
    finished = check_directory(plan)
    if finished is not None:
        return report(finished, console)
    code = train_part(plan, command, console)
    report(read_part(plan.directory), console)
    return code


def train_here(config: DictConfig) -> Outcome:
    """Hydra's task below any launcher but pgx's own: train the job here and say how it ended.

    Args:
        config: composed by the launcher; Hydra knows the overrides.
    """
    from hydra.core.hydra_config import HydraConfig

    from pgx.callbacks import Terminal
    from pgx.train import make_plan

    begun, overrides = time.monotonic(), list(HydraConfig.get().overrides.task)
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))  # classes named in the user's own configs
    plan = make_plan(config, overrides)
    plan.directory.mkdir(parents=True, exist_ok=True)
    path, line = plan.directory / LAUNCH, None
    at = path.stat().st_size if path.exists() else 0
    with path.open("a", encoding="utf-8") as log:
        try:
            code = train(plan, ["pgx", "train", *overrides], Terminal(file=log))
        except (ConfigError, RunFailed) as error:
            code, line = 2 if isinstance(error, ConfigError) else 1, " ".join(str(error).split())
            print(f"error: {line}", file=log)
    said = line or last_line(path, at)
    return Outcome(
        arm=plan.arm,
        environment=plan.environment,
        seeds=plan.seeds,
        exit=code,
        directory=str(plan.directory),
        error=why(plan.directory, os.getpid(), code, said),
        elapsed_s=round(time.monotonic() - begun, 3),
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
