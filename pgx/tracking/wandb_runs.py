"""One W&B run per replica: how it is called, what it holds, and how it is closed.

Only the mirror process (`pgx.tracking.mirror_process`) imports this module, and with it wandb.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import wandb
from omegaconf import OmegaConf

from pgx.tracking.grid import Point
from pgx.tracking.manifest import read_manifest
from pgx.tracking.run_names import LONGEST, LONGEST_TAG, environments, fitted, group_name
from pgx.tracking.runs_state import FOLDER, read_state, write_state

FINISH_S = 20.0  #: for what is still to be sent when a run is closed; all runs close at once

#: Nothing but the rows: no console, code, git state, machine statistics or installed packages.
QUIET: dict[str, Any] = {
    "silent": True,
    "console": "off",
    "save_code": False,
    "disable_code": True,
    "disable_git": True,
    "disable_job_creation": True,
    "x_disable_stats": True,
    "x_disable_meta": True,
    "x_disable_machine_info": True,
    "x_save_requirements": False,
}


@dataclass(frozen=True)
class Job:
    """What the runs of a part say about themselves.

    Attributes:
        directory: of the part.
        mode: ``offline`` or ``online``.
        project: of W&B.
        entity: of W&B, or None for the user's own.
        points: at most, per replica.
        study, arm, environment: the part's names.
        seeds: one per replica, one run each.
        budget: decisions per replica.
        config_hash: 16 hex digits.
        config: the resolved config, without the keys that only say where it runs.
        places: environments of the study, as far as is known here.
    """

    directory: Path
    mode: str
    project: str
    entity: str | None
    points: int
    study: str
    arm: str
    environment: str
    seeds: tuple[int, ...]
    budget: int
    config_hash: str
    config: dict[str, Any]
    places: int = 1

    @property
    def group(self) -> str:
        """Of its runs."""
        return group_name(self.study, self.arm, self.environment if self.places > 1 else None)

    @classmethod
    def of(cls, directory: Path, mode: str) -> Job:
        """Read it from the part's manifest and config."""
        manifest = read_manifest(directory)
        config: Any = OmegaConf.to_container(OmegaConf.load(directory / "config.yaml"))
        keys = config["wandb"]
        kept = {name: value for name, value in config.items() if name not in _NOT_OF_THE_RUN}
        return cls(
            directory=directory,
            mode=mode,
            project=keys["project"],
            entity=keys["entity"],
            points=keys["points"],
            study=manifest["study"],
            arm=manifest["arm"],
            environment=manifest["environment"],
            seeds=tuple(manifest["seeds"]),
            budget=manifest["budget"],
            config_hash=manifest["config_hash"],
            config=kept,
            places=environments(directory.parents[2]),
        )


#: Keys of the part, not of a replica, and those that a run's config gives from the manifest.
_NOT_OF_THE_RUN = frozenset(
    (
        *("seeds", "study", "arm", "output", "tracker", "wandb", "resume", "replace"),
        "allow_targets",
    )
)


class Runs:
    """The W&B runs of a part, continued by every mirror process of the part.

    The same rows always make the same points, so a process sends those that W&B lacks. Online the
    server says how far its run goes, also after ``replace=true``: the same config and seed make the
    same run, and a run of that id that is not resumed would get the rows a second time. Offline
    `wandb sync` appends one process's files to another's, so a process begins where the last one
    noted that it had come to; files of one that was killed are written again, unless they have been
    sent.

    Args:
        job: what they say about themselves.
        patience_s: after which a server that does not let a run be opened counts as unreachable.

    Attributes:
        points: at most, per replica; as in the part's first process.
    """

    def __init__(self, job: Job, patience_s: float) -> None:
        self.job, self.folder = job, job.directory / FOLDER
        self._patience_s = patience_s
        before = read_state(self.folder) or {}
        elsewhere = any(before.get(name) != getattr(job, name) for name in ("project", "entity"))
        self._before: dict[str, Any] = {} if elsewhere else before
        self.points: int = self._before.get("points", job.points)
        self._runs: dict[int, wandb.Run] = {}
        self._state: dict[str, Any] = {}

    def open(self, rest: Callable[[], None]) -> None:
        """Open one run per seed.

        Args:
            rest: called after each.
        """
        online = self.job.mode == "online"
        self._state = {
            **{name: getattr(self.job, name) for name in ("mode", "project", "entity")},
            "points": self.points,
            "closed": False,
            "runs": {},
        }
        begun = {} if online else {seed: self._begin(seed) for seed in self.job.seeds}
        for seed in self.job.seeds:
            run = self._runs[seed] = begin(self.job, seed, init_timeout=self._patience_s)
            step = run.starting_step - 1 if online else begun[seed]
            self._state["runs"][str(seed)] = {
                "id": run.id,
                "url": run.url if online else None,
                "directory": Path(run.settings.sync_dir).name,
                "begun": step,
                "step": step,
                "decisions": 0,
            }
            rest()
        if online:
            self._remove_unsent("offline-run-*")
        self.note()

    def _begin(self, seed: int) -> int:
        """The step of the last point that earlier processes sent, or left for `wandb sync`."""
        if not self._before:
            self._remove_unsent(f"offline-run-*-{run_id(self.job, seed)}")
            return -1
        entry = self._before["runs"][str(seed)]
        self._remove_unsent(f"offline-run-*-{run_id(self.job, seed)}", after=entry["directory"])
        if self._before["closed"]:
            return int(entry["step"])
        online = self._before["mode"] == "online"  # nobody knows what arrived
        again = online or self._remove_unsent(entry["directory"])
        return int(entry["begun" if again else "step"])

    def _remove_unsent(self, pattern: str, after: str = "") -> bool:
        """Remove what lies there for `wandb sync` and was not sent yet; whether anything did.

        Args:
            pattern: of folders of wandb's.
            after: one of them; only later ones, which a process left that died while it opened its
                runs. Their names tell their times.
        """
        found = [path for path in self.folder.glob(pattern) if not list(path.glob("*.synced"))]
        begun = after.rpartition("run-")[2]
        unsent = [path for path in found if path.name.rpartition("run-")[2] > begun]
        for path in unsent:
            shutil.rmtree(path, ignore_errors=True)
        return bool(unsent)

    def log(self, seed: int, points: Iterable[Point]) -> None:
        """Send a replica's points; those that W&B has already are left out."""
        entry = self._state["runs"][str(seed)]
        for point in points:
            if point.step > entry["step"]:
                self._runs[seed].log(point.values, step=point.step, commit=True)
                entry.update(step=point.step, decisions=point.values["decisions"])

    def finish(self, outcomes: Mapping[int, dict[str, Any]]) -> None:
        """Close every run, all at once.

        Args:
            outcomes: the summary of each seed; it has a ``status``, and ``finished`` is exit 0.

        Raises:
            TimeoutError: the server did not take what is still to be sent.
        """

        def close(seed: int) -> None:
            run, outcome = self._runs[seed], outcomes[seed]
            run.summary.update(outcome)
            run.finish(exit_code=int(outcome["status"] != "finished"))

        with ThreadPoolExecutor(min(len(self._runs), 32)) as pool:
            list(pool.map(close, self._runs))
        wandb.teardown()  # wandb-core says that a run is closed before its file is whole
        self._state["closed"] = True
        self.note()

    def note(self) -> None:
        """Write down what has been sent."""
        write_state(self.folder, self._state)


def begin(job: Job, seed: int, **changes: Any) -> wandb.Run:
    """Open a replica's run, or open it again.

    Args:
        job: of its part.
        seed: of the replica.
        changes: settings of wandb that are not those of a mirror.
    """
    settings = {
        "mode": job.mode,
        "root_dir": str(job.directory),
        "project": job.project,
        "entity": job.entity,
        "run_id": run_id(job, seed),
        "run_name": fitted(f"{job.arm} {job.environment} seed {seed}", LONGEST),
        "run_group": job.group,
        "run_job_type": "train",
        "run_tags": tuple(fitted(tag, LONGEST_TAG) for tag in (job.study, job.environment)),
        "reinit": "create_new",
        "resume": "allow" if job.mode == "online" else None,
        "finish_timeout": FINISH_S if job.mode == "online" else 0,
        "finish_timeout_raises": True,
    }
    run = wandb.init(
        settings=wandb.Settings(**(settings | QUIET | changes)), config=run_config(job, seed)
    )
    run.define_metric("decisions")
    run.define_metric("*", step_metric="decisions")
    return run


def run_config(job: Job, seed: int) -> dict[str, Any]:
    """What a replica's run says of its config."""
    return {
        **job.config,
        "environment": {**job.config["environment"], "name": job.environment},
        **{name: getattr(job, name) for name in ("study", "arm", "config_hash")},
        "seed": seed,
    }


def run_id(job: Job, seed: int) -> str:
    """The id of a replica's run: the same config and seed of the same arm are the same run.

    Another arm's is another, or a study would take the runs of a second one out of their group.
    """
    arm = hashlib.sha256(f"{job.study}/{job.arm}".encode()).hexdigest()[:6]
    return f"{job.config_hash}-{arm}-{seed}"
