"""Finite Markov decision processes as tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pgx.errors import ConfigError

TOLERANCE = 1e-9  #: by which probabilities may miss a sum of one


@dataclass(frozen=True, eq=False)
class MDP:
    """A finite Markov decision process: S states, A actions, some states terminal.

    What is passed may be nested lists, numpy arrays or tensors; what is kept are float64 tensors.
    An episode ends on entering a terminal state. Rows of terminal states are not read: what is kept
    stays there and earns nothing.

    Args:
        transition: ``[S, A, S]``, probability of the last axis' state after (state, action).
        reward: ``[S, A]``, or ``[S, A, S]`` if it depends on the successor.
        start: ``[S]``, probability that an episode begins in a state; none in a terminal one.
        terminal: bool ``[S]``.
        features: ``[S, F]``, what a policy sees of a state; by default a one-hot vector, F = S.

    Raises:
        ConfigError: for shapes that do not fit, probabilities that are none, rewards that are not
            finite; the line names the entry.
    """

    transition: Any
    reward: Any
    start: Any
    terminal: Any
    features: Any = None

    def __post_init__(self) -> None:
        states = len(self.transition)
        features = np.eye(states) if self.features is None else self.features
        for name, value in {**vars(self), "features": features}.items():
            kind = torch.bool if name == "terminal" else torch.float64
            object.__setattr__(self, name, torch.tensor(np.asarray(value)).to(kind))
        self._check_shapes(states)
        self.transition[self.terminal] = torch.eye(states).double()[self.terminal, None]
        self.reward[self.terminal] = 0.0
        self._check_values()

    @property
    def states(self) -> int:
        return int(self.transition.shape[0])

    @property
    def actions(self) -> int:
        return int(self.transition.shape[1])

    @property
    def expected_reward(self) -> Tensor:
        """float64 ``[S, A]``, the mean over successors."""
        if self.reward.ndim == 2:
            return self.reward
        return (self.transition * self.reward).sum(-1)

    def _check_shapes(self, states: int) -> None:
        actions = self.transition.shape[1] if self.transition.ndim == 3 else 1
        width = self.features.shape[1] if self.features.ndim == 2 else 1
        wanted: dict[str, list[tuple[int, ...]]] = {
            "transition": [(states, actions, states)],
            "reward": [(states, actions), (states, actions, states)],
            "start": [(states,)],
            "terminal": [(states,)],
            "features": [(states, width)],
        }
        for name, shapes in wanted.items():
            found = tuple(getattr(self, name).shape)
            if 0 in found:
                raise ConfigError(f"environment.mdp.{name} has shape {found}: no axis may be empty")
            if found not in shapes:
                expected = " or ".join(map(str, shapes))
                raise ConfigError(f"environment.mdp.{name} has shape {found}, expected {expected}")

    def _check_values(self) -> None:
        for name in ("transition", "start"):
            table = getattr(self, name)
            total, low = table.sum(-1), table.amin(-1)
            off = ~((total - 1).abs() <= TOLERANCE)
            for wrong, text in (
                (off, "sums to {0:.12g}, not 1"),
                (low < 0, "has probability {1:g}"),
            ):
                if wrong.any():
                    place = tuple(wrong.nonzero()[0].tolist())
                    entry = f"environment.mdp.{name}{list(place) if place else ''}"
                    raise ConfigError(f"{entry} {text.format(total[place], low[place])}")
        for name in ("reward", "features"):
            wrong = ~getattr(self, name).isfinite()
            if wrong.any():
                place = tuple(wrong.nonzero()[0].tolist())
                value = getattr(self, name)[place]
                raise ConfigError(f"environment.mdp.{name}{list(place)} is {value:g}, not finite")
        if (self.start[self.terminal] > 0).any():
            raise ConfigError("environment.mdp.start begins episodes in a terminal state")
