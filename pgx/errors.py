"""The two kinds of failure a user meets: a mistake in the input, and a run that went wrong."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


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
    return f"choose one of: {', '.join(options)}"
