"""A trained part taken from its directory again: config, policies, and what these see through."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from pgx.build import build_policy
from pgx.checkpoint import LAST, load_checkpoint
from pgx.config import check_targets
from pgx.errors import ConfigError, RunFailed
from pgx.normalization import Normalization
from pgx.policies.base import Policy
from pgx.records import Part, read_part
from pgx.tables import seed_span
from pgx.tracking.manifest import MANIFEST
from pgx.types import EnvSpec

CONFIG = "config.yaml"  #: of a part, in its directory

_DEEPEST = ("", "seeds-*/", "*/seeds-*/", "*/*/seeds-*/")  # where a part may lie below RUN


def find_part(run: Path, root: Path) -> Part:
    """The one part in or below a directory.

    Args:
        run: of a part, an environment, an arm or a study; from here, or below ``root``.
        root: the output directory.

    Raises:
        ConfigError: there is none, or more than one.
    """
    place = next((path for path in (run, root / run) if path.exists()), None)
    if place is None:
        raise ConfigError(f"RUN={run}: does not exist; give a part's directory, as train printed")
    found = sorted({path.parent for deep in _DEEPEST for path in place.glob(f"{deep}{MANIFEST}")})
    if not found:
        raise ConfigError(f"RUN={run}: holds no part; give a directory such as …/seeds-0-4")
    if len(found) > 1:
        raise ConfigError(f"RUN={run}: holds {len(found)} parts; choose one, such as {found[0]}")
    return read_part(found[0])


def choose_seeds(text: str | None, part: Part) -> list[int]:
    """The part's seeds that ``--seeds`` names, in the part's order; all without it.

    Raises:
        ConfigError: it does not parse, or names one that the part has not.
    """
    if text is None:
        return list(part.seeds)
    wanted: set[int] = set()
    for word in text.split(","):
        found = re.fullmatch(r"\s*(\d+)(?:-(\d+))?\s*", word)
        if found is None:
            raise ConfigError(f"--seeds={text}: give a range or a list, such as 0-4 or 0,3")
        first, last = int(found[1]), int(found[2] or found[1])
        if last - first > 10_000 or not (span := set(range(first, last + 1))):
            raise ConfigError(f"--seeds={text}: {word} is no range of seeds")
        wanted |= span
    if missing := sorted(wanted - set(part.seeds)):
        has = seed_span(part.seeds)
        raise ConfigError(f"--seeds={text}: the part has no seed {missing[0]}; it has {has}")
    return [seed for seed in part.seeds if seed in wanted]


def read_config(part: Part, allowed: Sequence[str]) -> DictConfig:
    """What the part was trained with.

    Args:
        part: whose.
        allowed: ``--allow-targets``; what the config itself says of that is not believed.

    Raises:
        ConfigError: it is gone or damaged, or names classes that are not allowed.
    """
    path = part.path / CONFIG
    try:
        config = OmegaConf.load(path)
        OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except (OSError, UnicodeDecodeError, YAMLError, OmegaConfBaseException) as error:
        raise ConfigError(f"{path}: cannot be read, it is gone or damaged; restore it") from error
    if not isinstance(config, DictConfig) or not {"environment", "policy"} <= set(config):
        raise ConfigError(f"{path}: is not the config of a trained part; restore it")
    config.allow_targets = list(allowed)
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))  # classes of the user's own
    try:
        check_targets(config)
    except ConfigError as error:
        what, trust, _ = str(error).partition(": if you trust")
        advice = f"{trust} it, add --allow-targets NAME" if trust else ""
        raise ConfigError(f"{path}: {what}{advice}") from error
    return config


def read_state(part: Part) -> dict[str, Any]:
    """The training's state in the part's last checkpoint.

    Raises:
        ConfigError: there is none, or it cannot be read.
    """
    try:
        state = load_checkpoint(part.path)
    except RunFailed as error:
        what = str(error).partition("; replace=true")[0]
        raise ConfigError(f"{what}; restore it, or train the part again") from error
    if state is None:
        raise ConfigError(f"{part.path / LAST}: there is no checkpoint yet; train the part first")
    return dict(state["module"])


def restore(
    config: DictConfig, spec: EnvSpec, part: Part, state: dict[str, Any], seeds: Sequence[int]
) -> tuple[Policy, Normalization | None]:
    """The policies of these seeds as they were saved, and the statistics they see through.

    Raises:
        ConfigError: the checkpoint is not of the policy that the config names.
    """
    rows = [part.seeds.index(seed) for seed in seeds]
    policy, saved = build_policy(config, spec, seeds), state["parameters"][0]
    if saved.shape != (len(part.seeds), policy.flat.shape[1]):
        raise ConfigError(f"{part.path}: its checkpoint is not of the policy in its {CONFIG}")
    policy.flat.data.copy_(saved[rows])
    keys = config.get("normalization") or {}
    return policy, Normalization.recalled(spec, keys, state["memory"], rows)
