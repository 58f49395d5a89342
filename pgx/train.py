"""``pgx train``: find every mistake first, then hand over to Hydra's run."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from rich.console import Console
from yaml import YAMLError

from pgx.build import build, check_machine
from pgx.callbacks import Terminal
from pgx.checkpoint import LAST
from pgx.config import compose_config, expand, search_path
from pgx.errors import ConfigError, check_choice, suggest
from pgx.evaluation import Protocol
from pgx.names import (
    arm_name,
    check_name,
    check_sweep,
    config_diff,
    config_hash,
    in_short,
    parse_seeds,
    part_name,
    slug,
)
from pgx.part import CONFIG, PartPlan, train_part
from pgx.paths import config_directory
from pgx.records import Part, read_part, seed_rows
from pgx.tables import printable, seed_table, show
from pgx.tracking.manifest import MANIFEST


@dataclass(frozen=True)
class CommandLine:
    """The arguments of ``pgx train``: Hydra's overrides, and the few flags that make sense here."""

    overrides: tuple[str, ...]
    flags: tuple[str, ...]
    directories: tuple[Path, ...]

    @property
    def multirun(self) -> bool:
        return bool({"-m", "--multirun"} & set(self.flags))

    @property
    def only_shows(self) -> bool:
        """Whether Hydra is asked to print something instead of running."""
        return "--cfg" in self.flags


def parse(arguments: Sequence[str]) -> CommandLine:
    """Tell overrides from flags.

    Raises:
        ConfigError: an unknown flag, or a directory of configs that does not exist.
    """
    words, overrides, flags, directories = list(arguments), [], [], []
    while words:
        word = words.pop(0)
        flag, _, value = word.partition("=")
        if flag in ("--config-dir", "-cd"):
            value = value or (words.pop(0) if words else "")
            if not value or not Path(value).is_dir():
                raise ConfigError(f"--config-dir={value}: give a folder that exists")
            directories.append(Path(value))
        elif flag in ("--cfg", "-c"):
            value = value or (words.pop(0) if words else "")
            check_choice("--cfg", value, ("job", "hydra", "all"))
            flags += ["--cfg", value]
        elif word in ("-m", "--multirun"):
            flags.append(word)
        elif word.startswith("-"):
            known = ("--multirun", "--config-dir", "--cfg", "--help")
            raise ConfigError(f"{flag} is not an option: {suggest(flag, known)}")
        else:
            overrides.append(word)
    return CommandLine(tuple(overrides), tuple(flags), tuple(directories))


def main(
    arguments: Sequence[str],
    check: Callable[[PartPlan, Sequence[Path]], None] = lambda plan, directories: None,
) -> int:
    """Run ``pgx train`` and return its exit status.

    Args:
        arguments: of the command line.
        check: of what is about to be trained and the directories of further configs; it raises
            `ConfigError` for what only a sweep may do.

    Raises:
        ConfigError: the user's mistake; nothing has been written.
        RunFailed: training raised.
    """
    line = parse(arguments)
    check_sweep(line.overrides)
    jobs = expand(line.overrides) if line.multirun else [list(line.overrides)]
    plans = [make_plan(compose_config(job, line.directories), job) for job in jobs]
    for plan in plans:
        check(plan, line.directories)
    if line.only_shows:
        return _through_hydra(line)
    check_apart(plans)
    finished = [check_directory(plan) for plan in plans]
    if not line.multirun and finished[0] is not None:
        return report(finished[0], Terminal())
    return _through_hydra(line)


def make_plan(config: DictConfig, overrides: Sequence[str]) -> PartPlan:
    """What a config asks for, checked by building one replica of it; nothing is written.

    Raises:
        ConfigError: the user's mistake.
    """
    seeds = parse_seeds(config.seeds)
    check_machine(config)
    arm, study = arm_name(config, overrides), check_name("study.name", config.study.name)
    parts = build(config, seeds[:1])
    parts.env.close()
    environment = slug(parts.env.spec.id)
    Protocol.of(config.evaluation, parts.env.spec)
    directory = Path(config.output) / study / arm / environment / part_name(seeds)
    resume = config.resume and (directory / MANIFEST).exists()
    return PartPlan(config, seeds, study, arm, environment, directory, resume)


def check_apart(plans: Sequence[PartPlan]) -> None:
    """Refuse a multirun of which two jobs would write to one directory."""
    places = [plan.directory for plan in plans]
    for place in places:
        if places.count(place) > 1:
            raise ConfigError(f"{place}: two jobs would write here; do not set arm= in a multirun")


def check_directory(plan: PartPlan) -> Part | None:
    """Whether the part may be trained now.

    Returns:
        The part if each of its seeds has ended already, else None.

    Raises:
        ConfigError: the directory holds something that the command does not say what to do with.
    """
    if plan.config.replace or not plan.directory.exists():
        return None
    if not (plan.directory / MANIFEST).exists():
        if (plan.directory / LAST).exists():
            raise ConfigError(f"{plan.directory}: has lost {MANIFEST}; replace=true starts over")
        return None
    part = read_part(plan.directory)
    if part.live:
        raise ConfigError(f"{plan.directory}: is being trained by another process; wait for it")
    if part.manifest["config_hash"] != config_hash(plan.config):
        changes = in_short(difference(plan.directory, plan.config))
        raise ConfigError(
            f"arm={plan.arm} was trained with another config in {plan.directory} "
            f"({changes}): choose another arm=NAME, or replace=true"
        )
    if all(part.seed_status(seed)[0] in ("finished", "failed") for seed in part.seeds):
        return part
    if not plan.config.resume:
        raise ConfigError(
            f"{plan.directory}: holds a run that {_ended(part.status)}; "
            "add resume=true to continue it, or replace=true to start over"
        )
    return None


def difference(directory: Path, config: DictConfig) -> tuple[str, ...]:
    """What a config changes about the one that a part was trained with, for people."""
    try:
        return config_diff(OmegaConf.load(directory / CONFIG), config)
    except (OSError, YAMLError, OmegaConfBaseException, AttributeError):
        return (f"its {CONFIG} is missing or damaged",)


def _ended(status: str) -> str:
    return "was interrupted" if status == "interrupted" else status


def _through_hydra(line: CommandLine) -> int:
    """Let Hydra run the job, or with ``-m`` every job of a sweep; jobs hand back their outcome."""
    outcomes: list[int | Exception] = []
    typed = list(sys.argv)

    def job(config: DictConfig) -> None:
        if any(isinstance(code, int) and code > 128 for code in outcomes):
            return  # Ctrl-C ends a sweep, not only the job at hand
        try:
            outcomes.append(_job(config, typed))
        except Exception as error:  # noqa: BLE001 - raised again below, out of Hydra's hands
            outcomes.append(error)

    sys.argv = ["pgx train", *line.overrides, search_path(line.directories), *line.flags]
    try:
        GlobalHydra.instance().clear()
        hydra.main(str(config_directory()), "train", "1.3")(job)()
    finally:
        sys.argv = typed
        for name in logging.root.manager.loggerDict:
            if name.partition(".")[0] == "pgx":
                logging.getLogger(name).disabled = False  # Hydra silences what it does not know
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome
    return max((code for code in outcomes if isinstance(code, int)), default=0)


def _job(config: DictConfig, typed: Sequence[str]) -> int:
    """Train one part; ``typed`` is the command line as the user typed it."""
    plan = make_plan(config, list(HydraConfig.get().overrides.task))
    console = Terminal()
    finished = check_directory(plan)
    if finished is not None:
        return report(finished, console)
    code = train_part(plan, typed, console)
    report(read_part(plan.directory), console)
    if code > 128:
        console.print("interrupted: the same command with resume=true continues it")
    return code


def report(part: Part, console: Console) -> int:
    """Print the table of a part's seeds and where it lies; the exit status of what it says."""
    rows = seed_rows(part)
    show(seed_table(rows), console)
    path = printable(str(part.path), console)
    console.print(path, style="bold", markup=False, highlight=False, soft_wrap=True)
    return 1 if any(row["status"] == "failed" for row in rows) else 0
