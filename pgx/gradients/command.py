"""``pgx gradients``: check what is asked, measure every θ, and say what was found."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import torch
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from pgx.build import build, check_machine
from pgx.callbacks import Terminal
from pgx.config import compose_config
from pgx.errors import ConfigError
from pgx.gradients import figure, table, unsampled, unsampled_table
from pgx.gradients.asked import Asked, parse
from pgx.gradients.measure import Measured, check, measure
from pgx.gradients.record import record
from pgx.gradients.theta import Theta, along, fresh, from_run
from pgx.gradients.verdicts import judge
from pgx.names import check_sweep, parse_seeds
from pgx.sheets import FORMATS
from pgx.tracking.atomic import replacing

SUFFIXES = {"markdown": "md", "latex": "tex", "html": "html"}


def main(arguments: Sequence[str]) -> int:
    """Run ``pgx gradients`` and return its exit status.

    Raises:
        ConfigError: the user's mistake; nothing has been written.
        RunFailed: a seed diverged along the way.
    """
    asked = parse(arguments)
    if asked.output is not None:
        figure.check_installed()
    torch.set_num_threads(1)  # sums of another number of threads may differ in their last bit
    config, thetas = where(asked)
    if asked.exact:
        found, shown = unsampled.record(config, asked, thetas), unsampled_table
    else:
        measured = [_measured(config, asked, theta, len(thetas)) for theta in thetas]
        found, shown = record(config, asked, measured, judge(measured)), table
    found = strict(found)
    if asked.output is not None:
        found["files"] = [str(path) for path in write(found, asked.output)]
    if asked.as_json:
        print(json.dumps(found, indent=2, ensure_ascii=False))
        return 0
    console = Terminal()
    shown.render(found, console)
    for path in found.get("files", ()):
        console.print(path, markup=False, highlight=False, soft_wrap=True)
    return 0


def strict(value: Any) -> Any:
    """Plain values as JSON knows them: null for a number that is not finite."""
    if isinstance(value, dict):
        return {key: strict(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [strict(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def where(asked: Asked) -> tuple[DictConfig, list[Theta]]:
    """The config, checked with the first arm of every kind, and the parameters to measure at.

    Raises:
        ConfigError: the user's mistake.
    """
    if asked.run is not None:
        config, thetas = from_run(asked)
    else:
        check_sweep(asked.overrides)
        config = compose_config(asked.overrides, asked.directories)
        thetas = []
    output = {} if asked.output is None else {"output": str(asked.output)}
    check_machine(cast(DictConfig, OmegaConf.merge(config, output)))
    if config.device != "cpu":
        raise ConfigError(f"device={config.device}: gradients are measured on the CPU; leave it")
    if thetas:
        return config, thetas
    seeds = parse_seeds(config.seeds)
    thetas = fresh(config, seeds)
    if asked.along is None:
        return config, thetas
    check(config, asked, thetas[0])  # before the training
    parts = build(config, seeds[:1])  # what is trained must fit as well
    parts.env.close()
    return config, along(config, seeds, asked.along)


def _measured(config: DictConfig, asked: Asked, theta: Theta, count: int) -> Measured:
    """One θ, with a line about it on standard error where a person waits."""
    console = Console(stderr=True)
    if not console.is_terminal:
        return measure(config, asked, theta)
    with console.status(f"seed {theta.seed}, {theta.origin} ({count} to measure)"):
        return measure(config, asked, theta)


def write(found: dict[str, object], directory: Path) -> list[Path]:
    """The tables, the numbers and the figures as files, each whole or not at all."""
    sampled = not found.get("exact")
    made = table if sampled else unsampled_table
    sheet = made.sheet(found)
    texts = {f"gradients.{end}": FORMATS[kind](sheet) for kind, end in SUFFIXES.items()}
    sheets = {"gradients": made.data(found), "parameters": made.parameters(found)}
    for name, rows in (sheets | ({"batches": table.curves(found)} if sampled else {})).items():
        texts[f"{name}.csv"] = FORMATS["csv"](rows)
    texts["gradients.json"] = json.dumps(found, indent=2, ensure_ascii=False) + "\n"
    contents = {name: text.encode() for name, text in texts.items()}
    contents |= figure.files(found) if sampled else {}
    directory.mkdir(parents=True, exist_ok=True)
    written = []
    for name, content in contents.items():
        written.append(directory / name)
        with replacing(written[-1]) as file:
            file.write(content)
    return written
