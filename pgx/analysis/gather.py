"""A study's runs, read from an output directory: what `pgx.analysis.analyse` starts from.

Nothing here imports torch or instantiates a config. A part that cannot be read takes nothing down:
its runs are missing, and a note says why.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pgx.analysis.model import Evidence, Run
from pgx.errors import ConfigError
from pgx.study import METRICS, STUDY, Place, Study, read_study
from pgx.tables import seed_span

if TYPE_CHECKING:
    from pgx.records import Part
    from pgx.records import Run as Record

CONFIG = "config.yaml"  #: of a part, in its directory
LAST = 100  #: episodes in a point of a curve, where no study says how many

#: what `Evidence.parts` takes over from a manifest
_TOLD = ("config_hash", "prediction_sha256", "started", "ended", "elapsed_s")
_TOLD += ("versions", "hardware", "git", "command")

Key = tuple[str, str, int]  #: arm, environment, seed
Lost = tuple[str, str, int | None]  #: the same; every seed, where only the directory is known
Rows = tuple[np.ndarray, np.ndarray]  #: decisions ``[E]`` and returns ``[E]`` of one run


def gather(root: Path, name: str) -> Evidence:
    """Everything that is recorded of a study.

    Runs that the study did not ask for (arms, environments or seeds that ``study.json`` does not
    know) are left out, and noted; so are those of a part whose config is not the one that the
    study has for its arm. Without a ``study.json`` the parts themselves are the study:
    no question, no reference, the metric ``area``, and no run is asked for but those there are.

    Args:
        root: the output directory.
        name: the study's.

    Raises:
        ConfigError: nothing is recorded of it, or its ``study.json`` is damaged.
    """
    root = Path(root)
    declared = (root / name / STUDY).exists()
    study = read_study(root, name) if declared else None
    parts, rows, lost, notes = _read(_directories(root, name, declared))
    study = study or _undeclared(name, parts)
    from pgx.records import runs

    chosen, twice = runs([part for part in parts if not _strange(study, part)])
    notes += twice
    for part in (part for part in parts if _strange(study, part)):
        why = f"{part.path.name} has another config than the study"
        lost |= {(part.arm, part.environment, seed): why for seed in part.seeds}
    found = {run.key[1:]: _run(run, rows[run.part.path]) for run in chosen}
    asked = _asked(study) if declared else list(found)
    notes += _foreign(study, found.keys() - set(asked))
    every = tuple(found.get(key) or _missing(key, lost) for key in asked)
    pairs = {key[:2] for key in asked}
    known = [part for part in parts if (part.arm, part.environment) in pairs]
    configs, more = _configs(study, [part for part in known if not _strange(study, part)])
    if not declared:
        notes.append(f"there is no {STUDY}: arms, seeds and environments are those on disk")
    notes += more
    above = f"{os.path.abspath(root)}{os.sep}"
    return Evidence(
        study,
        every,
        tuple(_told(part, _differs(study, part, configs)) for part in known),
        configs,
        tuple(dict.fromkeys(note.replace(above, "") for note in notes)),
    )


def _directories(root: Path, name: str, declared: bool) -> list[Path]:
    from pgx.records import part_directories

    if declared:  # it may have been swept and not begun
        return [path for path in part_directories(root) if path.parts[-4] == name]
    return part_directories(root, name)


def _read(
    directories: Sequence[Path],
) -> tuple[list[Part], dict[Path, dict[int, Rows]], dict[Lost, str], list[str]]:
    """The parts that can be read, their rows by seed, and why what is lost is lost."""
    from pgx.records import read_part

    parts, rows, notes = [], {}, []
    lost: dict[Lost, str] = {}
    for path in directories:
        part = None
        try:
            part = read_part(path)
            rows[part.path] = _rows(part)
            parts.append(part)
        except ConfigError as error:
            notes.append(f"cannot be read: {error}")
            seeds = part.seeds if part else (None,)
            lost |= {(*path.parts[-3:-1], seed): f"{path.name} is damaged" for seed in seeds}
    parts.sort(key=lambda p: (p.arm, p.environment, p.seeds))
    return parts, rows, lost, notes


def _rows(part: Part) -> dict[int, Rows]:
    """Each seed's episodes, from one look at the part's file."""
    from pgx.records import episodes

    table = episodes(part).select("seed", "decisions", "return_raw")  # by seed and episode
    seeds, decisions, returns = (table[column].to_numpy() for column in table.columns)
    found = {}
    for seed in part.seeds:
        start, stop = np.searchsorted(seeds, [seed, seed + 1])
        found[seed] = decisions[start:stop], returns[start:stop]
        if (np.diff(found[seed][0]) < 0).any():
            raise ConfigError(
                f"{part.path}: episodes of seed {seed} are not in the order in which they ended; "
                "train the part again with replace=true"
            )
    return found


def _run(record: Record, rows: Mapping[int, Rows]) -> Run:
    """What comparisons need of a record: a failed run that diverged says so."""
    _, arm, environment, seed = record.key
    decisions, returns = rows[seed]
    status, reason = record.status, record.reason
    if record.diverged:
        status = "diverged"
    elif status in ("failed", "interrupted"):
        reason = reason or record.part.manifest["error"]
    counted = record.part.manifest["seed_status"][str(seed)]["decisions"]
    reached = max(int(counted), int(decisions[-1]) if len(decisions) else 0)
    return Run(arm, environment, seed, status, reason, reached, decisions, returns)


def _missing(key: Key, lost: Mapping[Lost, str]) -> Run:
    nothing = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float64)
    reason = lost.get(key) or lost.get((*key[:2], None))
    return Run(*key, "missing", reason, 0, *nothing)


def _asked(study: Study) -> list[Key]:
    """Every run the study wants, in the order in which it is shown."""
    out = {(arm, place) for arm, place, _ in study.excluded}
    return [
        (arm, place, seed)
        for place in study.places
        for arm in study.trained
        if (arm, place) not in out
        for seed in study.seeds
    ]


def _strange(study: Study, part: Part) -> bool:
    """Whether the part has another config than the study has for its arm; if that is known."""
    expected = study.hashes.get(part.arm, {}).get(part.environment)
    return expected not in (None, part.manifest["config_hash"])


def _differs(
    study: Study, part: Part, configs: Mapping[str, Mapping[str, Mapping[str, Any]]]
) -> str | None:
    """How a strange part's config differs from the study's, as far as a part has that one."""
    if not _strange(study, part):
        return None
    expected = study.hashes[part.arm][part.environment]
    whole = f"hash {part.manifest['config_hash']}, not {expected}"
    own = configs[part.arm].get(part.environment)
    if own is None:
        return whole
    try:
        theirs = read_config(part.path / CONFIG)
    except ConfigError:
        return whole
    keys = sorted(k for k in own.keys() | theirs.keys() if own.get(k) != theirs.get(k))
    return ", ".join(f"{key}: {theirs.get(key)}, not {own.get(key)}" for key in keys) or whole


def _undeclared(name: str, parts: Sequence[Part]) -> Study:
    """The study that parts without one make up; they may be none that can be read."""
    places: dict[str, Place] = {}
    for slug in sorted({part.environment for part in parts}):
        here = [part for part in parts if part.environment == slug]
        places[slug] = Place(slug, slug, max(int(part.manifest["budget"]) for part in here))
    arms: dict[str, tuple[str, ...]] = {part.arm: () for part in parts}
    seeds = tuple(sorted({seed for part in parts for seed in part.seeds}))
    return Study(name, "", "", "", next(iter(METRICS)), LAST, seeds, places, arms)


def _foreign(study: Study, keys: Iterable[Key]) -> list[str]:
    """A line for each arm and environment whose runs on disk were not asked for."""
    groups: dict[tuple[str, str], list[int]] = {}
    for arm, environment, seed in sorted(keys):
        groups.setdefault((arm, environment), []).append(seed)
    notes = []
    for (arm, environment), seeds in groups.items():
        why = f"seeds {seed_span(seeds)} of {arm} on {environment} are left out: "
        if arm in study.duplicates:
            why += f"{arm} is the same as {study.duplicates[arm]}"
        elif arm not in study.arms:
            why += f"the study has no arm {arm}"
        elif environment not in study.places:
            why += f"the study has no environment {environment}"
        elif any(out[:2] == (arm, environment) for out in study.excluded):
            why += "the study excludes them"
        else:
            why += "the study did not ask for them"
        notes.append(why)
    return notes


def _configs(
    study: Study, parts: Sequence[Part]
) -> tuple[dict[str, dict[str, dict[str, Any]]], list[str]]:
    """Arm to environment to flat config, of the part that began last; a line where they differ."""
    found: dict[str, dict[str, dict[str, Any]]] = {arm: {} for arm in study.trained}
    known: dict[tuple[str, str, str], dict[str, Any]] = {}
    notes = []
    for part in sorted(parts, key=lambda p: p.manifest["started"]):
        key = (part.arm, part.environment, part.manifest["config_hash"])
        if key in known:
            continue
        try:
            known[key] = read_config(part.path / CONFIG)
        except ConfigError as error:
            notes.append(str(error))
            continue
        before = found[part.arm].get(part.environment)
        if before is not None:
            notes.append(_difference(part, before, known[key]))
        found[part.arm][part.environment] = known[key]
    return {arm: dict(sorted(here.items())) for arm, here in found.items()}, notes


def _difference(part: Part, before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    keys = sorted(k for k in before.keys() | after.keys() if before.get(k) != after.get(k))
    told = ", ".join(f"{key}: {before.get(key)} → {after.get(key)}" for key in keys)
    where = f"{part.arm} on {part.environment}, {part.path.name}"
    return f"{where}: its config is not that of earlier parts ({told or 'no key that is kept'})"


def read_config(path: Path) -> dict[str, Any]:
    """The flat run-relevant config in a file that training left.

    Raises:
        ConfigError: it is gone or damaged.
    """
    import yaml
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    from pgx.names import run_relevant

    try:  # plain YAML, written with every reference resolved: the fast reader will do
        tree = yaml.load(path.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        config = OmegaConf.create(tree if isinstance(tree, dict) else {})
        if not config:
            raise ConfigError(f"{path}: holds no config; restore it")
        return run_relevant(config)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, OmegaConfBaseException) as error:
        raise ConfigError(f"{path}: cannot be read, it is damaged; restore it") from error


def _told(part: Part, differs: str | None) -> dict[str, Any]:
    """What the part's manifest says, in plain values; of the code, not the lines that differ.

    Only a part that is not the study's has ``differs``.
    """
    names = {"arm": part.arm, "environment": part.environment, "seeds": list(part.seeds)}
    told = {**names, "status": part.status, **{key: part.manifest.get(key) for key in _TOLD}}
    if isinstance(git := told["git"], dict):
        told["git"] = {key: git.get(key) for key in ("root", "commit", "dirty")}
    return told | ({"differs": differs} if differs else {})
