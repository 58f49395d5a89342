"""``pgx train``: find every mistake first, then hand over to Hydra's run."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from pgx.build import build, check_machine
from pgx.config import (
    arm_name,
    check_sweep,
    compose_config,
    config_diff,
    config_hash,
    expand,
    parse_seeds,
    part_name,
    search_path,
    slug,
)
from pgx.errors import ConfigError
from pgx.part import CONFIG, PartPlan, train_part
from pgx.paths import config_directory
from pgx.records import Part, read_part, seed_rows
from pgx.tables import seed_table, show
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
        return any(flag.startswith(("--cfg", "-c", "--info", "--resolve")) for flag in self.flags)


def parse(arguments: Sequence[str]) -> CommandLine:
    """Tell overrides from flags.

    Raises:
        ConfigError: a directory of configs that does not exist.
    """
    words, overrides, flags, directories = list(arguments), [], [], []
    while words:
        word = words.pop(0)
        if word.startswith("--config-dir"):
            value = word.partition("=")[2] or (words.pop(0) if words else "")
            if not Path(value).is_dir():
                raise ConfigError(f"--config-dir={value}: there is no such folder")
            directories.append(Path(value))
        elif word in ("--cfg", "-c", "--info") and words:
            flags += [word, words.pop(0)]
        elif word.startswith("-"):
            flags.append(word)
        else:
            overrides.append(word)
    return CommandLine(tuple(overrides), tuple(flags), tuple(directories))


def main(arguments: Sequence[str]) -> int:
    """Run ``pgx train`` and return its exit status.

    Raises:
        ConfigError: the user's mistake; nothing has been written.
        RunFailed: training raised.
    """
    line = parse(arguments)
    check_sweep(line.overrides)
    jobs = expand(line.overrides) if line.multirun else [list(line.overrides)]
    plans = [make_plan(compose_config(job, line.directories), job) for job in jobs]
    if line.multirun or line.only_shows:
        return _through_hydra(line, [])
    plan = plans[0]
    finished = check_directory(plan)
    if finished is not None:
        return report(finished, Console())
    return _through_hydra(line, [f"hydra.run.dir='{plan.directory}'"])


def make_plan(config: DictConfig, overrides: Sequence[str]) -> PartPlan:
    """What a config asks for, checked by building it once; nothing is written.

    Raises:
        ConfigError: the user's mistake.
    """
    seeds = parse_seeds(config.seeds)
    check_machine(config)
    arm, study = arm_name(config, overrides), str(config.study.name)
    if slug(study) != study:
        raise ConfigError(f"study.name={study}: use lower case letters, digits and _ . = - only")
    parts = build(config, seeds)
    environment = slug(parts.env.spec.id)
    parts.env.close()
    directory = Path(config.output) / study / arm / environment / part_name(seeds)
    resume = config.resume and (directory / MANIFEST).exists()
    return PartPlan(config, seeds, study, arm, environment, directory, resume)


def check_directory(plan: PartPlan) -> Part | None:
    """Whether the part may be trained now.

    Returns:
        The part if it is finished already, else None.

    Raises:
        ConfigError: the directory holds something that the command does not say what to do with.
    """
    if not (plan.directory / MANIFEST).exists() or plan.config.replace:
        return None
    part = read_part(plan.directory)
    if part.live:
        raise ConfigError(f"{plan.directory}: is being trained by another process; wait for it")
    if part.manifest["config_hash"] != config_hash(plan.config):
        old = OmegaConf.load(plan.directory / CONFIG)
        raise ConfigError(
            f"arm={plan.arm} was trained with another config in {plan.directory} "
            f"({config_diff(old, plan.config)}): choose another arm=NAME, or replace=true"
        )
    if part.status == "finished":
        return part
    if not plan.config.resume:
        raise ConfigError(
            f"{plan.directory}: holds a run that {_ended(part.status)}; "
            "add resume=true to continue it, or replace=true to start over"
        )
    return None


def _ended(status: str) -> str:
    return "was interrupted" if status == "interrupted" else status


def _through_hydra(line: CommandLine, extra: Sequence[str]) -> int:
    """Let Hydra run the job, or with ``-m`` every job of a sweep; jobs hand back their outcome."""
    outcomes: list[int | Exception] = []

    def job(config: DictConfig) -> None:
        try:
            outcomes.append(_job(config))
        except Exception as error:  # noqa: BLE001 - raised again below, out of Hydra's hands
            outcomes.append(error)

    before = sys.argv
    words = [*line.overrides, *extra, search_path(line.directories), *line.flags]
    sys.argv = ["pgx train", *words]
    try:
        GlobalHydra.instance().clear()
        hydra.main(str(config_directory()), "train", "1.3")(job)()
    finally:
        sys.argv = before
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome
    return max((code for code in outcomes if isinstance(code, int)), default=0)


def _job(config: DictConfig) -> int:
    overrides = list(HydraConfig.get().overrides.task)
    plan = make_plan(config, overrides)
    console = Console()
    finished = check_directory(plan)
    if finished is not None:
        return report(finished, console)
    code = train_part(plan, console)
    report(read_part(plan.directory), console)
    if code > 128:
        console.print("interrupted: the same command with resume=true continues it")
    return code


def report(part: Part, console: Console) -> int:
    """Print the table of a part's seeds and where it lies; the exit status of what it says."""
    rows = seed_rows(part)
    show(seed_table(rows), console)
    console.print(str(part.path), style="bold", highlight=False, soft_wrap=True)
    return 1 if any(row["status"] == "failed" for row in rows) else 0
