"""What a study has to send: its runs as plain values, and what stays behind and why."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pgx.errors import ConfigError
from pgx.tracking.account import check_name

if TYPE_CHECKING:
    from pgx.analysis.model import Evidence
    from pgx.records import Part, Run

CONFIG = "config.yaml"  #: of a part, in its directory

#: arm, environment and seed to what W&B's summary of the run says besides how it ended
Scores = Mapping[tuple[str, str, int], Mapping[str, float]]


@dataclass(frozen=True)
class Outgoing:
    """The runs of a study that can be sent.

    Args:
        parts: one mapping per part: ``directory``, and ``seeds``, a seed's digits to what its
            summary says: ``status``, and where there is one ``reason``, ``final``, ``area``.
        named: the W&B project and entity of every part's config, each once.
        left_out: a line for what is not sent yet: parts that still train.
        damaged: a line for every part that cannot be read.
        notes: a line for every run that is in two parts.
    """

    parts: tuple[dict[str, Any], ...]
    named: frozenset[tuple[str, str | None]]
    left_out: tuple[str, ...]
    damaged: tuple[str, ...]
    notes: tuple[str, ...]


def outgoing(root: Path, study: str, scores: Scores) -> Outgoing:
    """Find what there is to send.

    Args:
        root: the output directory.
        study: its name.
        scores: of runs, as `run_scores` gives them.

    Raises:
        ConfigError: nothing is recorded of the study.
    """
    from pgx.records import part_directories, read_part, runs

    parts, damaged, named = [], [], set()
    for path in part_directories(root, study):
        try:
            part = read_part(path)
            named.add(_named(path / CONFIG))
            parts.append(part)
        except ConfigError as error:
            damaged.append(str(error))
    chosen, notes = runs(parts)
    busy = {part.path for part in parts if _busy(part)}
    sent: dict[Path, dict[str, Any]] = {}
    for run in chosen:
        if run.part.path not in busy:
            sent.setdefault(run.part.path, {})[str(run.seed)] = _outcome(run, scores)
    return Outgoing(
        tuple({"directory": str(path), "seeds": seeds} for path, seeds in sent.items()),
        frozenset(named),
        tuple(f"{path} still trains, or its rows are being sent" for path in sorted(busy)),
        tuple(damaged),
        tuple(notes),
    )


def _busy(part: Part) -> bool:
    from pgx.tracking.manifest import is_live
    from pgx.tracking.runs_state import FOLDER

    return part.live or is_live(part.path / FOLDER)


def _outcome(run: Run, scores: Scores) -> dict[str, Any]:
    reason = {"reason": run.reason} if run.reason else {}
    return {"status": run.status, **reason, **scores.get(run.key[1:], {})}


def run_scores(evidence: Evidence) -> dict[tuple[str, str, int], dict[str, float]]:
    """Every finished run's score by each metric, as `pgx.analysis.analyse` compares them."""
    from pgx.analysis.aligned import align_runs

    found: dict[tuple[str, str, int], dict[str, float]] = {}
    for place in evidence.study.places:
        for metric, arms in align_runs(evidence, place).scores.items():
            for arm, scores in arms.items():
                for seed, score in scores.items():
                    if math.isfinite(score):
                        found.setdefault((arm, place, seed), {})[metric] = float(score)
    return found


def target(
    named: Iterable[tuple[str, str | None]], project: str | None, entity: str | None
) -> tuple[str, str | None]:
    """The W&B project and entity that a study goes to: what is given, else what its configs say.

    Args:
        named: project and entity of every config, as `Outgoing.named`.
        project: ``--project``.
        entity: ``--entity``.

    Returns:
        The project, and the entity; None is the account's own.

    Raises:
        ConfigError: a name that W&B does not take, or configs that disagree.
    """
    named = list(named)
    projects, entities = {name for name, _ in named}, {name for _, name in named}
    chosen = _agreed("--project", project, projects) or "pgx"
    return chosen, _agreed("--entity", entity, entities)


def _agreed(key: str, given: str | None, known: set[Any]) -> str | None:
    if given is None and len(known) > 1:
        listed = ", ".join(sorted(str(name) for name in known))
        raise ConfigError(f"{key}: the runs' configs say {listed}; give one of them")
    chosen = given if given is not None else next(iter(known), None)
    if chosen is not None:
        check_name(key, chosen)
    return chosen


def _named(path: Path) -> tuple[str, str | None]:
    """The W&B project and entity in a part's config.

    Raises:
        ConfigError: the config is gone or damaged.
    """
    import yaml

    try:  # every reference in it is resolved
        keys = yaml.safe_load(path.read_bytes())["wandb"]
        return str(keys["project"]), keys["entity"]
    except (OSError, yaml.YAMLError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read, it is damaged; restore it") from error
