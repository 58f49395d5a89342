"""From a command line to one resolved configuration, and every mistake on the way as one line."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from pgx.errors import ConfigError, suggest
from pgx.paths import config_directory

#: Keys that change where, how fast or whether a run is made, but not what it computes.
NOT_IN_HASH = frozenset(
    (
        *("seeds", "study", "arm", "output", "tracker", "device", "resume", "replace"),
        *("threads", "allocator", "checkpoint_every", "allow_targets"),
    )
)
LONGEST_ARM = 120  #: characters of an arm's name; file systems take 255 bytes
TARGETS = ("pgx.", "torch.nn.", "torch.optim.")


def search_path(extra: Sequence[Path] = ()) -> str:
    """The Hydra override that adds the user's own configs: ./conf and ``--config-dir``."""
    own = Path.cwd() / "conf"
    places = [*extra, *([own] if own.is_dir() and own != config_directory() else [])]
    return f"hydra.searchpath=[{','.join(f'file://{place.resolve()}' for place in places)}]"


def compose_config(overrides: Sequence[str], extra: Sequence[Path] = ()) -> DictConfig:
    """Compose and resolve ``conf/train.yaml`` with overrides.

    Args:
        overrides: in Hydra's grammar.
        extra: directories of further configs.

    Raises:
        ConfigError: an override that does not parse, or names a key or option that does not exist.
    """
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))  # classes named in the user's own configs
    try:
        config = _compose([*overrides, search_path(extra)])
        OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except MissingConfigException as error:
        raise ConfigError(_missing_option(error)) from error
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(_bad_override(error, overrides, extra)) from error
    _check_targets(config)
    return config


def _compose(overrides: Sequence[str]) -> DictConfig:
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(config_directory()), job_name="train", version_base="1.3"):
        return compose("train", list(overrides))


def _missing_option(error: MissingConfigException) -> str:
    group, _, option = str(error.missing_cfg_file).strip("/").rpartition("/")
    if not group:
        return " ".join(str(error).split())
    return f"{group}={option} does not exist: {suggest(option, error.options or [])}"


def _bad_override(error: Exception, overrides: Sequence[str], extra: Sequence[Path]) -> str:
    """One line that names the key; the closest existing key if there is none of that name."""
    if isinstance(error, OverrideParseException):
        return f"'{error.override}' does not parse: write key=value, in quotes if it has blanks"
    text = " ".join(str(error).split())
    found = re.search(r"Could not override '([^']+)'|Key '([^']+)' is not in struct", text)
    if found is None or any("searchpath" in override for override in overrides):
        return text
    key = found.group(1) or found.group(2)
    known = list(flatten(OmegaConf.to_container(_compose([search_path(extra)]), resolve=False)))
    groups = {name.split(".")[0] for name in known}
    return f"{key} is not a key: {suggest(key, {*known, *groups, 'experiment'})}"


def flatten(tree: Any, prefix: str = "") -> dict[str, Any]:
    """``{"a": {"b": 1}}`` to ``{"a.b": 1}``; lists are values."""
    if not isinstance(tree, dict):
        return {prefix.rstrip("."): tree}
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        flat |= flatten(value, f"{prefix}{name}.")
    return flat


def _check_targets(config: DictConfig) -> None:
    """Refuse import paths that a shared config could smuggle in."""
    allowed = (*TARGETS, *(f"{name}." for name in config.allow_targets))
    values = flatten(OmegaConf.to_container(config, resolve=True))
    for key, target in values.items():
        if key.endswith("_target_") and not f"{target}.".startswith(allowed):
            raise ConfigError(
                f"{key}={target} is not pgx's or torch's: if you trust it, add "
                f"allow_targets=[{str(target).split('.')[0]}]"
            )


def expand(overrides: Sequence[str]) -> list[list[str]]:
    """The override lists of every job of a multirun: the product of its sweeps.

    Raises:
        ConfigError: an override that does not parse.
    """
    try:
        parsed = OverridesParser.create().parse_overrides(list(overrides))
    except OverrideParseException as error:
        raise ConfigError(_bad_override(error, overrides, [])) from error
    choices = [
        [f"{o.get_key_element()}={value}" for value in o.sweep_string_iterator()]
        if o.is_sweep_override()
        else [str(o.input_line)]
        for o in parsed
    ]
    return [list(job) for job in itertools.product(*choices)]


def parse_seeds(value: Any) -> tuple[int, ...]:
    """The seeds of ``seeds``: a list, a count, or a range such as ``0-9``.

    Raises:
        ConfigError: none, a duplicate, or one that is no number of at least 0.
    """
    listed = [int(v) if isinstance(v, str) and v.isdigit() else v for v in _listed(value)]
    if any(not isinstance(seed, int) or isinstance(seed, bool) or seed < 0 for seed in listed):
        raise ConfigError(f"seeds={value}: {_SEEDS}")
    if not listed:
        raise ConfigError(f"seeds={value}: at least one seed is needed; {_SEEDS}")
    if twice := sorted({seed for seed in listed if listed.count(seed) > 1}):
        raise ConfigError(f"seeds={value}: seed {twice[0]} is there twice; a replica is its seed")
    return tuple(listed)


_SEEDS = "give a list such as [0,3], a count such as 10, or a range such as '0-9'"


def _listed(value: Any) -> list[Any]:
    if isinstance(value, int) and not isinstance(value, bool):
        return list(range(value))
    if isinstance(value, str) and (match := re.fullmatch(r"(\d+)-(\d+)", value.strip())):
        return list(range(int(match[1]), int(match[2]) + 1))
    if OmegaConf.is_list(value) or isinstance(value, (list, tuple)):
        return list(value)
    raise ConfigError(f"seeds={value}: {_SEEDS}")


def check_sweep(arguments: Sequence[str]) -> None:
    """Refuse a sweep over seeds: they train together.

    Raises:
        ConfigError: with the right spelling.
    """
    for argument in arguments:
        key, _, value = argument.partition("=")
        if key.lstrip("+") == "seeds" and re.fullmatch(r"[\d\s]+(,[\d\s]+)+", value):
            raise ConfigError(
                f"{argument}: seeds are trained together in one job, not swept; "
                f"write seeds=[{value}]"
            )


def run_relevant(config: DictConfig) -> dict[str, Any]:
    """The flat, resolved config without the keys that do not change what is computed."""
    tree = OmegaConf.to_container(config, resolve=True)
    assert isinstance(tree, dict)
    return {key: value for key, value in flatten(tree).items() if _relevant(key)}


def _relevant(key: str) -> bool:
    return key.split(".")[0] not in NOT_IN_HASH


def config_hash(config: DictConfig) -> str:
    """What two runs must share to be replicas of one arm: 16 hex digits."""
    text = json.dumps(run_relevant(config), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def config_diff(before: DictConfig, after: DictConfig) -> str:
    """``key: old → new`` for every run-relevant key that differs."""
    old, new = run_relevant(before), run_relevant(after)
    keys = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
    return ", ".join(f"{key}: {old.get(key)} → {new.get(key)}" for key in keys)


def slug(text: str) -> str:
    """Lower case letters, digits and ``_.=-``; brackets go, everything else becomes ``-``."""
    bare = re.sub(r"[\[\]{}\s'\"]", "", text.lower())
    return re.sub(r"[^a-z0-9_.=-]+", "-", bare).strip("-.")


def arm_name(config: DictConfig, overrides: Sequence[str]) -> str:
    """The arm's slug: ``arm``, or the preset and the sorted overrides, or ``default``."""
    if config.arm is not None:
        if slug(str(config.arm)) != str(config.arm):
            raise ConfigError(f"arm={config.arm}: use lower case letters, digits and _ . = - only")
        return str(config.arm)
    name = "_".join(_named(overrides)) or "default"
    if len(name) <= LONGEST_ARM:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:12]
    return f"{name[: LONGEST_ARM - 13]}-{digest}"


def _named(overrides: Sequence[str]) -> Iterator[str]:
    """The preset, then ``key=value`` of every other override, in order of the keys."""
    parsed = OverridesParser.create().parse_overrides(list(overrides))
    values = {o.key_or_group: o.value() for o in parsed}
    preset = values.pop("experiment", None)
    if preset is not None:
        yield slug(str(preset))
    for key in sorted(values):
        if not key.startswith("hydra") and _relevant(key):
            yield slug(f"{key}={values[key]}")


def part_name(seeds: Sequence[int]) -> str:
    """The directory of a part: ``seeds-0-9``, ``seeds-3``, ``seeds-0_2_5``."""
    first, last = seeds[0], seeds[-1]
    if list(seeds) == list(range(first, last + 1)):
        return f"seeds-{first}" if len(seeds) == 1 else f"seeds-{first}-{last}"
    name = "seeds-" + "_".join(map(str, seeds))
    if len(name) <= 60:
        return name
    return f"seeds-{len(seeds)}x-{hashlib.sha256(name.encode()).hexdigest()[:12]}"
