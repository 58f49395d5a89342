"""Where a result came from: versions, code and machine, found without importing anything."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pgx

DIFF_LIMIT = 256 * 1024  #: bytes of the working tree's diff that are kept

_GIT_TIMEOUT_S = 10.0
_DISTRIBUTIONS = {
    "torch": ("torch",),
    "numpy": ("numpy",),
    "gymnasium": ("gymnasium",),
    "hydra": ("hydra-core",),
    "lightning": ("pytorch-lightning", "lightning"),
    "ale": ("ale-py",),
}


def versions() -> dict[str, str | None]:
    """What is installed, by package metadata: nothing is imported. ``None``: not installed."""
    found: dict[str, str | None] = {"python": platform.python_version(), "pgx": pgx.__version__}
    for name, distributions in _DISTRIBUTIONS.items():
        found[name] = None
        for distribution in distributions:
            try:
                found[name] = version(distribution)
                break
            except PackageNotFoundError:
                continue
    return found


def git(directory: Path | None = None) -> dict[str, Any] | None:
    """Commit and uncommitted changes of the repository we are in; ``None`` outside of one.

    Args:
        directory: where to look; ``None`` looks in the working directory, then where pgx lies.
    """
    places = [Path.cwd(), Path(pgx.__file__).parent] if directory is None else [directory]
    for place in places:
        root = _git(place, "rev-parse", "--show-toplevel")
        if root is None:
            continue
        changes = _git(place, "status", "--porcelain")
        diff = _git(place, "diff", "--no-ext-diff", "--no-color", "HEAD") or ""
        kept = diff.encode()[:DIFF_LIMIT].decode(errors="ignore")
        return {
            "root": root.strip(),
            "commit": (_git(place, "rev-parse", "--verify", "HEAD") or "").strip() or None,
            "dirty": None if changes is None else bool(changes),
            "diff": kept,
            "diff_cut": len(kept) < len(diff),
        }
    return None


def hardware() -> dict[str, Any]:
    """Processor, cores this process may use, cores of the machine, and memory in bytes."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return {
        "cpu": models[0] if models else platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "cores_machine": os.cpu_count(),
        "memory": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
    }


def _git(place: Path, *arguments: str) -> str | None:
    """What git says, or ``None`` if it has nothing to say, does not answer or is not there."""
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
    try:
        done = subprocess.run(
            ["git", "-C", str(place), *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_GIT_TIMEOUT_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode(errors="replace") if done.returncode == 0 else None
