"""What is known about a part besides its rows: ``manifest.json``, and the lock of its writer.

A killed process cannot say that it was: status ``running`` means that a process is training only as
long as that process holds the lock (`is_live`); without it, the part was interrupted.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from pgx.errors import ConfigError
from pgx.tracking.atomic import remove_stale, replacing
from pgx.tracking.fields import STATUSES, complaint
from pgx.tracking.provenance import git, hardware, versions

MANIFEST = "manifest.json"
LOCK = ".lock"
LAUNCH = "launch.log"  #: what a sweep caught of the output; it outlives a part that starts over
_ADVICE = "restore it, or train the part again with replace=true"
_PATIENCE_S = 1.0  # a reader's `is_live` holds the lock for an instant: a writer asks again


class Manifest:
    """The ``manifest.json`` of a part that this process trains; every change is written at once.

    Args:
        directory: of the part.
        fields: the content; `begin` collects it.
    """

    def __init__(self, directory: Path, fields: dict[str, Any]) -> None:
        self.directory, self.fields = Path(directory), fields
        self._begun, self._before = time.monotonic(), float(fields["elapsed_s"])

    @classmethod
    def begin(
        cls,
        directory: Path,
        *,
        study: str,
        arm: str,
        environment: str,
        seeds: Sequence[int],
        budget: int,
        config_hash: str,
        environment_class: str,
        wrappers: Sequence[str] = (),
        threads: int = 1,
        command: Sequence[str] | None = None,
        prediction_sha256: str | None = None,
        resume: bool = False,
    ) -> Manifest:
        """Write the manifest of a part whose training starts or continues now.

        Args:
            directory: of the part; created if absent.
            study: its name.
            arm: slug of the arm.
            environment: slug of the environment.
            seeds: of the part, one per replica.
            budget: decisions per replica.
            config_hash: hash of the run-relevant config.
            environment_class: import path of the environment's class.
            wrappers: what wraps it, from the inside out.
            threads: that torch computes with.
            command: argv; ``None`` takes ``sys.argv``.
            prediction_sha256: of what the study predicted before it trained this part.
            resume: continue an earlier manifest: it keeps when it started, what was predicted
                then, the time it took, the seeds that ended, and moves what described the earlier
                attempt to ``attempts``.
        """
        fields: dict[str, Any] = {
            "status": "running",
            "study": study,
            "arm": arm,
            "environment": environment,
            "seeds": [int(seed) for seed in seeds],
            "budget": int(budget),
            "config_hash": config_hash,
            "environment_class": environment_class,
            "wrappers": list(wrappers),
            "command": list(sys.argv if command is None else command),
            "threads": int(threads),
            "prediction_sha256": prediction_sha256,
            "seed_status": {str(int(seed)): _seed("running") for seed in seeds},
            **_attempt(),
        }
        if resume:
            _continue(fields, read_manifest(directory))
        manifest = cls(directory, fields)
        manifest.write()
        return manifest

    def progress(self, decisions: Mapping[int, int]) -> None:
        """Note how many decisions each seed has taken; for a checkpoint, not for an iteration."""
        for seed, count in decisions.items():
            self.fields["seed_status"][str(seed)]["decisions"] = int(count)
        self.write()

    def end_seed(
        self, seed: int, status: str, reason: str | None = None, decisions: int | None = None
    ) -> None:
        """Note how one seed ended, such as ``failed``, "diverged at iteration 12"."""
        entry = self.fields["seed_status"][str(seed)]
        entry.update(status=_known(status), reason=reason)
        if decisions is not None:
            entry["decisions"] = int(decisions)
        self.write()

    def end(self, status: str | None = None, *, exit: int, error: str | None = None) -> None:
        """Note how the part ended; seeds that still run end the same way.

        Args:
            status: ``finished``, ``failed`` or ``interrupted``; ``None`` lets the seeds that still
                run finish, and the part is ``failed`` if some seed is, else ``finished``.
            exit: the process's exit status.
            error: what went wrong; its last line is kept.
        """
        entries = self.fields["seed_status"].values()
        for entry in entries:
            if entry["status"] == "running":
                entry["status"] = _known(status or "finished")
        if status is None:
            failed = any(entry["status"] == "failed" for entry in entries)
            status = "failed" if failed else "finished"
        lines = (error or "").strip().splitlines()
        self.fields.update(
            status=status, ended=_now(), exit=exit, error=lines[-1] if lines else None
        )
        self.write()

    def write(self) -> None:
        """Replace the file by the present content, at once or not at all."""
        self.fields["elapsed_s"] = round(self._before + time.monotonic() - self._begun, 3)
        self.directory.mkdir(parents=True, exist_ok=True)
        path = self.directory / MANIFEST
        with replacing(path) as file:
            file.write(json.dumps(self.fields, indent=2).encode() + b"\n")
        remove_stale(path)


def read_manifest(directory: Path) -> dict[str, Any]:
    """The manifest of a part, with every field that readers use and each as it should be.

    Raises:
        ConfigError: there is none, or it is not one.
    """
    path = Path(directory) / MANIFEST
    try:
        fields = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise ConfigError(f"{directory}: holds no {MANIFEST}; is this a run's directory?") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: is damaged, not JSON; {_ADVICE}") from error
    if wrong := complaint(fields):
        raise ConfigError(f"{path}: is damaged, {wrong}; {_ADVICE}")
    return fields


class PartLock:
    """The right to write to a part: held by one process, released when it ends in any way.

    Args:
        directory: of the part; created if absent.

    Raises:
        ConfigError: on entering, if another process is writing there.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = Path(directory)
        self._fd = -1

    def __enter__(self) -> PartLock:
        self.directory.mkdir(parents=True, exist_ok=True)
        fd = os.open(self.directory / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        deadline = time.monotonic() + _PATIENCE_S
        while not _locked(fd, fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                owner = os.pread(fd, 200, 0).decode(errors="replace").strip()
                os.close(fd)
                raise ConfigError(
                    f"output: {self.directory} is being written by {owner or 'another process'}; "
                    "wait for it to end, or stop it"
                )
            time.sleep(0.02)
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
        self._fd = fd
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def is_live(directory: Path) -> bool:
    """Whether a process is writing to this part now."""
    try:
        fd = os.open(Path(directory) / LOCK, os.O_RDONLY)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise ConfigError(f"{directory}/{LOCK}: cannot be read ({error.strerror})") from error
    try:
        return not _locked(fd, fcntl.LOCK_SH)
    finally:
        os.close(fd)


def _attempt() -> dict[str, Any]:
    """What is true of this process and of no earlier one."""
    return {
        "started": _now(),
        "ended": None,
        "elapsed_s": 0.0,
        "error": None,
        "exit": None,
        "attempts": [],
        "versions": versions(),
        "git": git(),
        "hardware": hardware(),
        "host": socket.gethostname(),
        "pid": os.getpid(),
    }


def _continue(fields: dict[str, Any], before: dict[str, Any]) -> None:
    """Carry over what a resumed part keeps."""
    described = ("command", "threads", "versions", "git", "hardware", "host", "elapsed_s", "error")
    attempt = {name: before.get(name) for name in described}
    fields["attempts"] = [*before.get("attempts", []), attempt]
    kept = ("started", "elapsed_s", "prediction_sha256")
    fields.update({name: before.get(name) for name in kept})
    for seed, entry in before["seed_status"].items():
        if seed in fields["seed_status"]:
            ended = entry["status"] in ("finished", "failed")
            fields["seed_status"][seed] = {
                **entry,
                "status": entry["status"] if ended else "running",
            }


def _seed(status: str) -> dict[str, Any]:
    return {"status": status, "reason": None, "decisions": 0}


def _known(status: str) -> str:
    if status not in STATUSES:
        raise ValueError(f"status '{status}' is not one of {', '.join(STATUSES)}")
    return status


def _locked(fd: int, kind: int) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
