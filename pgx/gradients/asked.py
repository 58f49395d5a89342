"""What ``pgx gradients`` is asked: Hydra's overrides, and flags of its own."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from pgx.errors import ConfigError, suggest

SAMPLES = 10_000  #: episodes of every seed, unless asked otherwise
LONGER = 10  #: times as many episodes in a reference run, unless asked otherwise
FIT = 200  #: iterations that a baseline which learns is fitted for, unless asked otherwise
MOST = 10**8  #: episodes

_NUMBERS = {"--samples": (200, MOST), "--reference": (200, MOST), "--fit": (0, 10**6)}
_NUMBERS |= {"--along": (2, 1000)}
_OWN = ("--estimators", "--baselines", "--from", "--seeds", "--output")
_TEXTS = (*_OWN, "--config-dir", "--allow-targets")
_SWITCHES = ("--json", "--exact")


@dataclass(frozen=True)
class Choice:
    """An option with changes to its keys, as in ``gae:trace_decay=0.5:steps=3``."""

    name: str
    changes: tuple[tuple[str, Any], ...] = ()

    @property
    def label(self) -> str:
        return ":".join([self.name, *(f"{key}={value}" for key, value in self.changes)])


@dataclass(frozen=True)
class Asked:
    """The command line of ``pgx gradients``.

    Attributes:
        overrides: Hydra's.
        directories: of further configs.
        estimators: named ones; None is what fits.
        baselines: named ones; None is what fits.
        samples: episodes of every seed.
        reference: episodes of the reference run where no truth is known.
        fit: iterations that a baseline which learns is fitted for.
        along: checkpoints along a training run; None is at one θ.
        run: whose checkpoint θ is; None is fresh parameters.
        seeds: of that run, such as ``0-4``; None is all.
        output: where files go; None writes none.
        as_json: whether to print JSON.
        exact: whether nothing is sampled, where trajectories are few or equations known.
        allowed: import paths that a run's config may name.
    """

    overrides: tuple[str, ...] = ()
    directories: tuple[Path, ...] = ()
    estimators: tuple[Choice, ...] | None = None
    baselines: tuple[Choice, ...] | None = None
    samples: int = SAMPLES
    reference: int | None = None
    fit: int = FIT
    along: int | None = None
    run: Path | None = None
    seeds: str | None = None
    output: Path | None = None
    as_json: bool = False
    exact: bool = False
    allowed: tuple[str, ...] = field(default=())

    @property
    def reference_episodes(self) -> int:
        return self.reference or LONGER * self.samples


def parse(arguments: Sequence[str]) -> Asked:
    """Tell overrides from flags.

    Raises:
        ConfigError: an unknown flag, or a value that makes no sense.
    """
    words, overrides, found = list(arguments), [], {}
    directories: list[Path] = []
    allowed: list[str] = []
    while words:
        word = words.pop(0)
        flag, equals, value = word.partition("=")
        if not word.startswith("-"):
            overrides.append(word)
        elif flag in _SWITCHES:
            found[flag] = "true"
        elif flag in (*_TEXTS, *_NUMBERS):
            value = value if equals else (words.pop(0) if words else "")
            if not value:
                raise ConfigError(f"{flag}: give a value; `pgx gradients --help` shows it")
            if flag == "--config-dir":
                directories.append(_directory(value))
            elif flag == "--allow-targets":
                allowed.append(value)
            else:
                found[flag] = value
        else:
            known = (*_TEXTS, *_NUMBERS, *_SWITCHES, "--help")
            raise ConfigError(f"{flag} is not an option: {suggest(flag, known)}")
    return _checked(tuple(overrides), tuple(directories), found, tuple(allowed))


def _checked(
    overrides: tuple[str, ...],
    directories: tuple[Path, ...],
    found: dict[str, str],
    allowed: tuple[str, ...],
) -> Asked:
    numbers = {flag: _number(flag, found[flag]) for flag in _NUMBERS if flag in found}
    run = found.get("--from")
    if run is not None and overrides:
        raise ConfigError(
            f"{overrides[0]}: --from takes the run's own config; leave the override out, or write "
            "estimators and baselines as NAME:KEY=VALUE"
        )
    if run is not None and "--along" in found:
        raise ConfigError("--along trains from fresh parameters: leave --from out")
    if run is None and "--seeds" in found:
        raise ConfigError("--seeds chooses among a run's: write seeds=…, or add --from RUN")
    if "--exact" in found and (sampled := {"--samples", "--reference"} & found.keys()):
        raise ConfigError(f"{min(sampled)}: --exact samples no episodes; leave it out")
    output = found.get("--output")
    return Asked(
        overrides,
        directories,
        choices("--estimators", found["--estimators"]) if "--estimators" in found else None,
        choices("--baselines", found["--baselines"]) if "--baselines" in found else None,
        numbers.get("--samples", SAMPLES),
        numbers.get("--reference"),
        numbers.get("--fit", FIT),
        numbers.get("--along"),
        None if run is None else Path(run),
        found.get("--seeds"),
        None if output is None else Path(output),
        "--json" in found,
        "--exact" in found,
        allowed,
    )


def choices(flag: str, text: str) -> tuple[Choice, ...]:
    """``a,b:key=value`` as choices.

    Raises:
        ConfigError: it does not parse, or names one twice.
    """
    made: list[Choice] = []
    for word in re.split(r",(?![^\[\]]*\])", text):  # not those of a list
        name, *changes = word.strip().split(":")
        pairs = [change.partition("=") for change in changes]
        if not name or any(not key or not equals for key, equals, _ in pairs):
            raise ConfigError(f"{flag}={text}: write names, or NAME:KEY=VALUE, with commas between")
        made.append(Choice(name, tuple((key, _value(flag, value)) for key, _, value in pairs)))
    labels = [choice.label for choice in made]
    if twice := sorted({label for label in labels if labels.count(label) > 1}):
        raise ConfigError(f"{flag}={text}: {twice[0]} is there twice")
    return tuple(made)


def _value(flag: str, text: str) -> Any:
    try:
        return OmegaConf.to_container(OmegaConf.create(f"value: {text}"))["value"]  # type: ignore[index, call-overload]
    except (YAMLError, OmegaConfBaseException) as error:
        raise ConfigError(f"{flag}: {text} is no value; write a number or a word") from error


def _number(flag: str, text: str) -> int:
    least, most = _NUMBERS[flag]
    try:
        value = float(text.replace("_", ""))
    except ValueError:
        value = math.nan
    if not (least <= value <= most and value == int(value)):
        bounds = f"at least {least:,} and at most {most:,}"
        raise ConfigError(f"{flag}={text}: choose a whole number of {bounds}")
    return int(value)


def _directory(text: str) -> Path:
    if not Path(text).is_dir():
        raise ConfigError(f"--config-dir={text}: give a folder that exists")
    return Path(text)
