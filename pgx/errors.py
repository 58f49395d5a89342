"""The two kinds of failure a user meets: a mistake in the input, and a run that went wrong."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable
from typing import Any

SHOWN = 12  #: choices that a message lists
LARGEST = 2**62  #: whole number that is taken; counters are 64 bits wide


class ConfigError(ValueError):
    """The user's mistake: one line that names the key and says what would work. Exit status 2."""


class RunFailed(RuntimeError):
    """A run that started and did not end well, a diverged replica for example. Exit status 1."""


def suggest(word: str, choices: Iterable[str]) -> str:
    """`did you mean 'x'?` when a choice is close to `word`, else the list of choices."""
    options = sorted(set(choices))
    close = difflib.get_close_matches(word, options, n=1, cutoff=0.6)
    if close:
        return f"did you mean '{close[0]}'?"
    more = f", and {len(options) - SHOWN} more" if len(options) > SHOWN else ""
    return f"choose one of: {', '.join(options[:SHOWN])}{more}"


def check_number(
    key: str,
    value: Any,
    least: float = -math.inf,
    most: float = math.inf,
    below: float = math.inf,
    above: float = -math.inf,
    whole: bool = False,
) -> None:
    """Check a number of the config.

    Args:
        key: its full name, such as ``estimator.discount``.
        value: what the user gave.
        least: smallest value allowed.
        most: largest value allowed.
        below: what the value must stay below.
        above: what the value must exceed.
        whole: whether it must be an integer, of 63 bits at most.

    Raises:
        ConfigError: it is not a finite number, or out of range.
    """
    if whole and isinstance(value, int) and value > LARGEST:
        most = min(most, LARGEST)
    numeric = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
    if numeric and math.isfinite(value) and least <= value <= most and above < value < below:
        return
    bounds = [f"at least {least:g}"] if least > -math.inf else []
    bounds += [f"at most {most:g}"] if most < math.inf else []
    bounds += [f"below {below:g}"] if below < math.inf else []
    bounds += [f"above {above:g}"] if above > -math.inf else []
    kind = "whole number" if whole else "number"
    limits = " and ".join(bounds)
    words = [kind, *(["of"] if limits.startswith("at ") else []), *([limits] if limits else [])]
    raise ConfigError(f"{key}={value}: choose a {' '.join(words)}")


def check_choice(key: str, value: Any, choices: Iterable[str]) -> None:
    """Raise `ConfigError` naming ``key`` unless ``value`` is one of ``choices``."""
    options = list(choices)
    if value not in options:
        raise ConfigError(f"{key}={value}: {suggest(str(value), options)}")


def check_flag(key: str, value: Any) -> None:
    """Raise `ConfigError` naming ``key`` unless ``value`` is true or false."""
    if not isinstance(value, bool):
        raise ConfigError(f"{key}={value}: choose true or false")
