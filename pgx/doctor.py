"""``pgx doctor``: what is installed, missing or known bad, and what to do about it."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Literal, NamedTuple

from packaging.requirements import Requirement

DISTRIBUTION = "pgx-lab"

#: Releases that must not stay installed, whether or not a requirement allows them.
KNOWN_BAD = {
    "pytorch-lightning": ("2.6.2", "2.6.3"),
    "lightning": ("2.6.2", "2.6.3"),
}


class Finding(NamedTuple):
    """One thing looked at. ``bad`` needs mending, ``missing`` is optional, ``note`` is a fact."""

    name: str
    status: Literal["ok", "bad", "missing", "note"]
    detail: str


def examine(output: Path) -> list[Finding]:
    """Everything ``pgx doctor`` looks at.

    Args:
        output: where runs would be written.
    """
    return [
        Finding("python", "ok", f"{platform.python_version()} on {platform.platform()}"),
        *clashes(),
        *requirements(metadata.requires(DISTRIBUTION) if _version(DISTRIBUTION) else None),
        *compromised(),
        *torch_build(),
        allocator(),
        configs(),
        writable(output),
    ]


def clashes() -> Iterator[Finding]:
    """Is the importable ``pgx`` ours? The board-game suite of that name uses the same folder."""
    from pgx_lab import clash

    problem = clash()
    if problem is not None:
        yield Finding("pgx", "bad", problem)
    elif (foreign := _version("pgx")) is not None:
        detail = f"the board-game suite pgx {foreign} is installed as well: pip uninstall pgx"
        yield Finding("pgx", "bad", detail)
    else:
        yield Finding("pgx", "ok", f"pgx-lab in {Path(__file__).resolve().parent}")


def requirements(declared: list[str] | None) -> Iterator[Finding]:
    """Each requirement of pgx-lab against what is installed, extras last.

    Args:
        declared: requirement lines as `importlib.metadata.requires` gives them, or None if pgx-lab
            is not installed (a checkout on the path).
    """
    if declared is None:
        yield Finding(DISTRIBUTION, "missing", "runs from a checkout: pip install -e . installs it")
        return
    seen = set()
    for line in sorted(declared, key=lambda text: "extra ==" in text):
        requirement = Requirement(line)
        if requirement.name == DISTRIBUTION or requirement.name in seen:
            continue
        seen.add(requirement.name)
        yield _requirement(requirement, _extra_of(requirement))


def _requirement(requirement: Requirement, extra: str | None) -> Finding:
    name, wanted = requirement.name, f"{requirement.name}{requirement.specifier}"
    version = _version(name)
    if version is None and extra is not None:
        return Finding(name, "missing", f"optional: pip install '{DISTRIBUTION}[{extra}]'")
    if version is None:
        return Finding(name, "bad", f"not installed: pip install '{wanted}'")
    if not requirement.specifier.contains(version, prereleases=True):
        return Finding(name, "bad", f"{version} installed: pip install '{wanted}'")
    return Finding(name, "ok", version)


def compromised() -> Iterator[Finding]:
    """Installed releases that are known to have been tampered with."""
    for name, versions in KNOWN_BAD.items():
        version = _version(name)
        if version in versions:
            detail = f"{version} was compromised: pip uninstall {name}, then change your passwords"
            yield Finding(name, "bad", detail)


def _extra_of(requirement: Requirement) -> str | None:
    """The extra that a requirement belongs to, or None if pgx always needs it."""
    if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
        return None
    text = str(requirement.marker)
    return text.rpartition("extra ==")[2].strip(" \"'")


def torch_build() -> Iterator[Finding]:
    """Does torch load, on how many threads, and which devices does it see?"""
    try:
        import torch
    except (ImportError, OSError) as error:
        yield Finding("torch import", "bad", " ".join(str(error).split()))
        return
    limit = os.environ.get("OMP_NUM_THREADS", "unset")
    threads = f"{torch.get_num_threads()} of {os.cpu_count()} cores (OMP_NUM_THREADS {limit})"
    yield Finding("threads", "note", threads)
    if not torch.cuda.is_available():
        yield Finding("cuda", "note", f"no device; torch {torch.__version__} trains on the CPU")
        return
    names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    yield Finding("cuda", "ok", ", ".join(names))


def allocator() -> Finding:
    """Can ``allocator=tuned`` work? It needs glibc's ``mallopt``."""
    if sys.platform == "linux" and hasattr(ctypes.CDLL(None), "mallopt"):
        return Finding("allocator", "ok", "glibc's mallopt: allocator=tuned works")
    return Finding("allocator", "note", "no mallopt here: allocator=tuned changes nothing")


def configs() -> Finding:
    """Are pgx's own configs where they belong?"""
    from pgx.paths import config_directory

    try:
        return Finding("configs", "ok", str(config_directory()))
    except FileNotFoundError as error:
        return Finding("configs", "bad", str(error))


def writable(output: Path) -> Finding:
    """Can runs be written under ``output``? Leaves nothing behind."""
    place = output.absolute()
    while not place.exists():
        place = place.parent
    try:
        with tempfile.TemporaryFile(dir=place):
            return Finding("output", "ok", str(output))
    except OSError as error:
        detail = f"{output} cannot be written ({error.strerror}): choose another with output=DIR"
        return Finding("output", "bad", detail)


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def render(findings: list[Finding]) -> None:
    """Print the findings, one line each."""
    from rich.console import Console
    from rich.table import Table

    from pgx.tables import show

    colours = {"ok": "green", "bad": "bold red", "missing": "yellow", "note": "cyan"}
    table = Table.grid(padding=(0, 2))
    for finding in findings:
        mark = f"[{colours[finding.status]}]{finding.status}"
        table.add_row(mark, finding.name, finding.detail.replace("[", r"\["))
    show(table, Console())
