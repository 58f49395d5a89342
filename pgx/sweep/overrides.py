"""Hydra's overrides as text: how a value is spelt, what a list sets, what no arm may set."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from pgx.config import quoted
from pgx.errors import ConfigError

#: Keys that belong to the study or to the command line, and where they go instead.
NOT_AN_ARMS = {
    "seeds": "set seeds of the study",
    "decisions": "set decisions of the study, or of an environment: arms share their budget",
    "environment": "list it in environments",
    "study": "an arm belongs to the study of its file",
    "arm": "an arm is called by its name in arms",
    "output": "give it on the command line",
    "resume": "a sweep finds out what was interrupted",
    "replace": "use pgx sweep --replace",
    "hydra": "give it on the command line",
}


def spelt(value: Any) -> str:
    """A plain value in Hydra's grammar: ``null``, ``0.001``, ``[64,64]``, ``'two words'``."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value) if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{spelt(one)}" for key, one in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(spelt, value)) + "]"
    bare = re.fullmatch(r"[A-Za-z_][\w./-]*", str(value))
    taken = str(value).lower() in ("null", "true", "false", "nan", "inf")
    return str(value) if bare and not taken else quoted(str(value))


@cache
def parsed(text: str) -> Override:
    """One override, taken apart.

    Raises:
        ConfigError: it does not parse.
    """
    try:
        (one,) = OverridesParser.create().parse_overrides([text])
    except HydraException as error:
        raise ConfigError(f"'{text}' does not parse: write key=value") from error
    return one


def key_of(text: str) -> str:
    """The key or group that an override speaks of, without ``+`` and ``~``."""
    return str(parsed(text).key_or_group)


def pairs(overrides: Sequence[str]) -> dict[str, Any]:
    """Key to the value that the last override of it sets; a key that is taken out has none."""
    found: dict[str, Any] = {}
    for text in overrides:
        one = parsed(text)
        found.pop(one.key_or_group, None)
        if not one.is_delete():
            found[one.key_or_group] = one.value()
    return found


def listed(where: str, value: Any) -> tuple[str, ...]:
    """One override or a list of them, as the study file gives it, each checked.

    Args:
        where: key of the study that it stands under, for messages.
        value: what stands there.

    Raises:
        ConfigError: it is neither, one does not parse, sweeps, or sets what no arm may set.
    """
    entries = [] if value is None else [value] if isinstance(value, str) else value
    if not isinstance(entries, (list, tuple)) or not all(isinstance(e, str) for e in entries):
        raise ConfigError(f"{where}: give an override such as baseline=none, or a list of them")
    for text in entries:
        _check(where, text)
    return tuple(entries)


def _check(where: str, text: str) -> None:
    try:
        one = parsed(text)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}, or a list of them") from error
    if one.is_sweep_override():
        raise ConfigError(f"{where}: {text} sweeps, an arm has one value; use generate: grid")
    head = re.split(r"[./@]", key_of(text))[0]
    if head == "environment" and key_of(text) != "environment":
        return  # a key of the environment, not another one
    if head in NOT_AN_ARMS:
        raise ConfigError(f"{where}: {text} is not for an arm: {NOT_AN_ARMS[head]}")
