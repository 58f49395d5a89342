"""What runs are called and told apart by: seeds, slugs, directories, hashes."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from pgx.errors import ConfigError

#: Keys that change where, how fast or whether a run is made, but not what it computes.
NOT_IN_HASH = frozenset(
    (
        *("seeds", "study", "arm", "output", "tracker", "wandb", "device", "diagnostics"),
        *("resume", "replace", "threads", "allocator", "checkpoint_every", "allow_targets"),
    )
)
#: Keys that came later, and what was done before there was a choice: the hash of a config from
#: before stays what it was.
BEFORE = {"updates": "rollout"}
SHOWN_CHANGES = 6  #: keys that differ which a message names
MOST_SEEDS = 10_000  #: replicas of a part
NO_ARMS = (
    "study.json",
    "report",
    "wandb-push.json",
    "wandb-report.json",
)  #: are in a study's folder
LONGEST_ARM = 120  #: characters of an arm's name; file systems take 255 bytes


def flatten(tree: Any, prefix: str = "") -> dict[str, Any]:
    """``{"a": {"b": 1}}`` to ``{"a.b": 1}``; lists are values."""
    if not isinstance(tree, dict):
        return {prefix.rstrip("."): tree}
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        flat |= flatten(value, f"{prefix}{name}.")
    return flat


def parse_seeds(value: Any) -> tuple[int, ...]:
    """The seeds of ``seeds``: a list, a count, or a range such as ``0-9``.

    Raises:
        ConfigError: none, a duplicate, or one that is no number of at least 0.
    """
    listed = [int(v) if isinstance(v, str) and v.isdigit() else v for v in _listed(value)]
    if any(not isinstance(seed, int) or isinstance(seed, bool) or seed < 0 for seed in listed):
        raise ConfigError(f"seeds={value}: {_SEEDS}")
    if len(listed) > MOST_SEEDS or any(seed >= 2**63 for seed in listed):
        raise ConfigError(f"seeds: at most {MOST_SEEDS:,} seeds, each below 2**63")
    if not listed:
        raise ConfigError(f"seeds={value}: at least one seed is needed; {_SEEDS}")
    if twice := sorted({seed for seed in listed if listed.count(seed) > 1}):
        raise ConfigError(f"seeds={value}: seed {twice[0]} is there twice; a replica is its seed")
    return tuple(listed)


_SEEDS = "give a list such as [0,3], a count such as 10, or a range such as '0-9'"


def _listed(value: Any) -> list[Any]:
    if isinstance(value, int) and not isinstance(value, bool):
        return list(range(min(value, MOST_SEEDS + 1)))
    if isinstance(value, str) and (match := re.fullmatch(r"(\d+)-(\d+)", value.strip())):
        return list(range(int(match[1]), min(int(match[2]), int(match[1]) + MOST_SEEDS) + 1))
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
    if (tree.get("evaluation") or {}).get("every") is None:
        tree.pop("evaluation", None)  # nothing is evaluated, however it would be
    flat = {key: value for key, value in flatten(tree).items() if _relevant(key)}
    return {key: value for key, value in flat.items() if key not in BEFORE or value != BEFORE[key]}


def _relevant(key: str) -> bool:
    return key.split(".")[0] not in NOT_IN_HASH


def config_hash(config: DictConfig) -> str:
    """What two runs must share to be replicas of one arm: 16 hex digits."""
    text = json.dumps(run_relevant(config), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def config_diff(before: DictConfig, after: DictConfig) -> tuple[str, ...]:
    """``key: old → new`` for every run-relevant key that differs."""
    old, new = (BEFORE | run_relevant(config) for config in (before, after))
    keys = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
    return tuple(f"{key}: {old.get(key)} → {new.get(key)}" for key in keys)


def in_short(changes: Sequence[str]) -> str:
    """The first `SHOWN_CHANGES` of what `config_diff` found, and how many more there are."""
    more = len(changes) - SHOWN_CHANGES
    return ", ".join(changes[:SHOWN_CHANGES]) + (f", … and {more} more" if more > 0 else "")


def slug(text: str) -> str:
    """Lower case letters, digits and ``_.=-``; brackets go, everything else becomes ``-``."""
    bare = re.sub(r"[\[\]{}\s'\"]", "", text.lower())
    return re.sub(r"[^a-z0-9_.=-]+", "-", bare).strip("-.")


def check_name(key: str, name: Any) -> str:
    """``name``, if it is a slug that file systems take.

    Raises:
        ConfigError: it is empty, too long, or holds other characters.
    """
    text = str(name)
    sound = slug(text) == text and any(one.isalnum() for one in text)
    if not sound or len(text) > LONGEST_ARM:
        raise ConfigError(
            f"{key}={text[:LONGEST_ARM]}: use 1 to {LONGEST_ARM} lower case letters, digits "
            "and _ . = -, a letter or a digit among them"
        )
    return text


def check_arm_name(key: str, name: Any) -> str:
    """``name``, if an arm's directory may have it.

    Raises:
        ConfigError: as `check_name`; or a study's directory has a file or folder of this name.
    """
    text = check_name(key, name)
    if text in NO_ARMS:
        raise ConfigError(f"{key}={text}: a study's folder has a {text} of its own; name it anew")
    return text


def arm_name(config: DictConfig, overrides: Sequence[str]) -> str:
    """The arm's slug: ``arm``, or the preset and the sorted overrides, or ``default``."""
    if config.arm is not None:
        return check_arm_name("arm", config.arm)
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
            yield slug(re.sub(r"(?<=\de)\+(?=\d)", "", f"{key}={values[key]}"))  # 1e+30


def part_name(seeds: Sequence[int]) -> str:
    """The directory of a part: ``seeds-0-9``, ``seeds-3``, ``seeds-0_2_5``."""
    first, last = seeds[0], seeds[-1]
    if list(seeds) == list(range(first, last + 1)):
        return f"seeds-{first}" if len(seeds) == 1 else f"seeds-{first}-{last}"
    name = "seeds-" + "_".join(map(str, seeds))
    if len(name) <= 60:
        return name
    return f"seeds-{len(seeds)}x-{hashlib.sha256(name.encode()).hexdigest()[:12]}"
