"""The words of ``pgx sweep``'s command line, and what follows from them for plan and launcher.

The command line imports this module; what needs more than a moment is imported when it is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pgx.errors import ConfigError, suggest

if TYPE_CHECKING:
    from rich.console import Console

    from pgx.sweep.plan import Plan
    from pgx.sweep.request import Request
    from pgx.sweep.work import Work

PATIENCE_S = 10.0  #: with a part's writer that may be a killed sweep's, see `Request`
_FLAGS = ("--dry-run", "--smoke", "--retry-failed", "--replace", "--json")
_VALUES = ("--jobs", "--launcher", "--config-dir")


@dataclass(frozen=True)
class Asked:
    """The arguments of ``pgx sweep``.

    Args:
        overrides: as typed.
        flags: those without a value.
        directories: of further configs.
        jobs: parts at a time; None: as many as there are cores for.
        launcher: None: the local one.
    """

    overrides: tuple[str, ...]
    flags: frozenset[str]
    directories: tuple[Path, ...] = ()
    jobs: int | None = None
    launcher: str | None = None

    @property
    def request(self) -> Request:
        """What the plan needs to know of it."""
        from pgx.sweep.request import Request

        return Request(
            overrides=self.overrides,
            directories=self.directories,
            retry_failed="--retry-failed" in self.flags,
            replace="--replace" in self.flags,
            patience_s=0.0 if "--dry-run" in self.flags else PATIENCE_S,
        )


def parse(arguments: Sequence[str]) -> Asked:
    """Tell overrides from flags, wherever they stand.

    Raises:
        ConfigError: an unknown flag, or a value that none can be.
    """
    words, overrides, flags, values = list(arguments), [], set(), []
    while words:
        word = words.pop(0)
        flag, equals, value = word.partition("=")
        flag = "--config-dir" if flag == "-cd" else flag
        if word in _FLAGS:
            flags.add(word)
        elif flag in _VALUES:
            values.append((flag, value if equals else (words.pop(0) if words else "")))
        elif word.startswith("-"):
            raise ConfigError(f"{flag} is not an option: {suggest(flag, (*_FLAGS, *_VALUES))}")
        else:
            overrides.append(word)
    if {"--dry-run", "--smoke"} <= flags:
        raise ConfigError("--smoke --dry-run: choose one")
    given = dict(values)
    return Asked(
        overrides=tuple(overrides),
        flags=frozenset(flags),
        directories=tuple(_directory(value) for flag, value in values if flag == "--config-dir"),
        jobs=_count(given["--jobs"]) if "--jobs" in given else None,
        launcher=given.get("--launcher"),
    )


def _directory(value: str) -> Path:
    if not value or not Path(value).is_dir():
        raise ConfigError(f"--config-dir={value}: give a folder that exists")
    return Path(value)


def _count(value: str) -> int:
    if not value.isdigit() or not 1 <= int(value) <= 1000:
        raise ConfigError(f"--jobs={value}: give how many parts train at a time, from 1 to 1000")
    return int(value)


def console_of(asked: Asked) -> Console:
    """Where progress is shown: beside the JSON, not in it."""
    from pgx.callbacks import Terminal

    return Terminal(stderr="--json" in asked.flags)


def work_of(plan: Plan, asked: Asked) -> Work:
    """What a plan hands to a launcher."""
    from pgx.sweep.work import Work, check_launcher

    launcher, hydra = asked.launcher, []
    for word in plan.hydra:
        key, _, value = word.partition("=")
        if key == "hydra/launcher":
            check_launcher(value)
            if launcher not in (None, value):
                raise ConfigError(f"{word} --launcher={launcher}: choose one")
            launcher = value
        else:
            hydra.append(word)
    return Work(
        study=plan.study.name,
        output=plan.output,
        jobs=plan.jobs,
        directories=plan.directories,
        launcher=launcher or "local",
        parallel=asked.jobs,
        hydra=tuple(hydra),
    )


def say(lines: Sequence[str], console: Console) -> None:
    """Print lines as they are."""
    from pgx.tables import printable

    for line in lines:
        text = printable(line, console)
        console.print(text, markup=False, highlight=False, soft_wrap=True)
