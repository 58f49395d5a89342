"""From states, actions and names to the tables of a process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pgx.environments.mdp import MDP, TOLERANCE
from pgx.errors import ConfigError, check_number, suggest

NEEDED = ("states", "actions", "start", "terminal", "transition", "reward")
KEYS = (*NEEDED, "features")


class Outline:
    """A process as a person writes it: names instead of numbers, and only what is not zero.

    Args:
        tree: what a YAML file holds.
        place: what to call it in messages, such as the file's name.

    Raises:
        ConfigError: a key that is missing or unknown, or names that are no list of words.
    """

    def __init__(self, tree: Any, place: str) -> None:
        if not isinstance(tree, Mapping):
            raise ConfigError(f"{place}: give the keys {', '.join(KEYS)}")
        for key in tree:
            if key not in KEYS:
                raise ConfigError(f"{place}: {key} is not a key: {suggest(str(key), KEYS)}")
        for key in NEEDED:
            if key not in tree:
                raise ConfigError(f"{place}: the key {key} is missing")
        self.tree, self.place = tree, place
        self.states, self.actions = self._names("states"), self._names("actions")

    def _names(self, key: str) -> dict[Any, int]:
        """The names that a list gives, with their numbers."""
        names = self.tree[key]
        listed = isinstance(names, Sequence) and not isinstance(names, str) and len(names) > 0
        if not listed or not all(type(name) in (str, int) for name in names):
            raise ConfigError(f"{self.place}: {key}: give a list of names, such as [a, b]")
        for name in names:
            if list(names).count(name) > 1:
                raise ConfigError(f"{self.place}: {key}: {name} is there twice")
        return {name: number for number, name in enumerate(names)}

    def number(self, where: str, name: Any, names: Mapping[Any, int]) -> int:
        """The number of a name."""
        if not isinstance(name, str | int) or name not in names:
            raise ConfigError(
                f"{self.place}: {where}: {name} is not a name here: "
                f"{suggest(str(name), map(str, names))}"
            )
        return names[name]

    def value(self, where: str, value: Any) -> float:
        """A finite number."""
        check_number(f"{self.place}: {where}", value)
        return float(value)

    def spread(self, where: str, value: Any) -> np.ndarray:
        """Probabilities of the states ``[S]``: one name, or names with shares that sum to one."""
        found = np.zeros(len(self.states))
        if not isinstance(value, Mapping):
            found[self.number(where, value, self.states)] = 1.0
            return found
        for name, share in value.items():
            found[self.number(where, name, self.states)] = self.value(f"{where}.{name}", share)
        if (found < 0).any():
            raise ConfigError(f"{self.place}: {where}: a probability is negative")
        if abs(found.sum() - 1.0) > TOLERANCE:
            total = f"{found.sum():g}"
            raise ConfigError(f"{self.place}: {where}: the probabilities sum to {total}, not 1")
        return found

    def section(self, key: str, allowed: Mapping[Any, int], tree: Any) -> Mapping[Any, Any]:
        """A mapping all of whose keys are names."""
        if not isinstance(tree, Mapping):
            raise ConfigError(f"{self.place}: {key}: give a mapping of names")
        for name in tree:
            self.number(key, name, allowed)
        return tree


def mdp_of(tree: Any, place: str) -> MDP:
    """The process that a mapping describes.

    Keys: ``states`` and ``actions``, lists of names. ``start``, a state, or states with their
    probabilities. ``terminal``, a list of states, which may be empty. ``transition``, for every
    state that is not terminal and every action a state, or states with their probabilities.
    ``reward``, by state and action, a number, or a number for each successor; what is not there
    pays 0. ``features``, if wanted, a list of numbers for every state; without them a state shows
    itself, one-hot.

    Args:
        tree: the mapping.
        place: what to call it in messages.

    Raises:
        ConfigError: one line that names the entry.
    """
    outline = Outline(tree, place)
    states = outline.states
    terminal = np.zeros(len(states), dtype=bool)
    ends = tree["terminal"] or []
    if isinstance(ends, str) or not isinstance(ends, Sequence):
        raise ConfigError(f"{place}: terminal: give a list of states, such as [end], or []")
    for name in ends:
        terminal[outline.number("terminal", name, states)] = True
    transition = _transition(outline, terminal)
    start = outline.spread("start", tree["start"])
    if start[terminal].any():
        raise ConfigError(f"{place}: start: an episode cannot begin in a terminal state")
    reward = _reward(outline, transition, terminal)
    return MDP(transition, reward, start, terminal, _features(outline))


def _transition(outline: Outline, terminal: np.ndarray) -> np.ndarray:
    states, actions = outline.states, outline.actions
    table = np.zeros((len(states), len(actions), len(states)))
    moves = outline.section("transition", states, outline.tree["transition"])
    for state, s in states.items():
        if terminal[s]:
            continue
        key = f"transition.{state}"
        if state not in moves:
            raise ConfigError(f"{outline.place}: {key} is missing; {state} is not terminal")
        row = outline.section(key, actions, moves[state])
        for action, a in actions.items():
            if action not in row:
                raise ConfigError(f"{outline.place}: {key}.{action} is missing")
            table[s, a] = outline.spread(f"{key}.{action}", row[action])
    return table


def _reward(outline: Outline, transition: np.ndarray, terminal: np.ndarray) -> np.ndarray:
    states, actions = outline.states, outline.actions
    table = np.zeros_like(transition)
    for state, row in outline.section("reward", states, outline.tree["reward"] or {}).items():
        if terminal[states[state]]:
            raise ConfigError(
                f"{outline.place}: reward.{state}: {state} is terminal and earns nothing: "
                "leave it out"
            )
        for action, pay in outline.section(f"reward.{state}", actions, row).items():
            key, cell = f"reward.{state}.{action}", table[states[state], actions[action]]
            if not isinstance(pay, Mapping):
                cell[:] = outline.value(key, pay)
                continue
            for name, value in outline.section(key, states, pay).items():
                if not transition[states[state], actions[action], states[name]]:
                    raise ConfigError(
                        f"{outline.place}: {key}.{name}: {name} never follows: leave it out"
                    )
                cell[states[name]] = outline.value(f"{key}.{name}", value)
    return table if (table != table[..., :1]).any() else table[..., 0]


def _features(outline: Outline) -> np.ndarray | None:
    shown = outline.tree.get("features")
    if shown is None:
        return None
    rows = outline.section("features", outline.states, shown)
    table: list[list[float]] = []
    for state in outline.states:
        row = rows.get(state)
        if isinstance(row, str) or not isinstance(row, Sequence) or not row:
            raise ConfigError(f"{outline.place}: features.{state}: give a list of numbers")
        table.append([outline.value(f"features.{state}", value) for value in row])
        if len(row) != len(table[0]):
            raise ConfigError(
                f"{outline.place}: features.{state} has {len(row)} numbers, the first state has "
                f"{len(table[0])}"
            )
    return np.array(table)
