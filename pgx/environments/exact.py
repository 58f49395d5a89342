"""Finite Markov decision processes, and what linear algebra says about them without sampling.

Everything here is a differentiable float64 function of the action probabilities, so that autograd
gives the exact policy gradient: ``torch.autograd.grad(objective(mdp, policy(θ), discount), θ)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pgx.errors import ConfigError

_TOLERANCE = 1e-9  #: by which probabilities may miss a sum of one


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
            if found not in shapes:
                expected = " or ".join(map(str, shapes))
                raise ConfigError(f"environment.mdp.{name} has shape {found}, expected {expected}")

    def _check_values(self) -> None:
        for name in ("transition", "start"):
            table = getattr(self, name)
            total, low = table.sum(-1), table.amin(-1)
            off = ~((total - 1).abs() <= _TOLERANCE)
            for wrong, text in ((off, "sums to {0:g}, not 1"), (low < 0, "has probability {1:g}")):
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


def chain(mdp: MDP, probabilities: Tensor) -> tuple[Tensor, Tensor]:
    """The Markov chain that a policy makes of an MDP.

        P_π(s, s') = Σ_a π(a|s) P(s'|s, a),   r_π(s) = Σ_a π(a|s) r(s, a)

    Args:
        mdp: the process.
        probabilities: float64 ``[…, S, A]``, π(a|s); rows of terminal states weigh nothing.

    Returns:
        ``[…, S, S]`` and ``[…, S]``, both 0 at terminal states.

    Raises:
        ValueError: for another shape or dtype.
    """
    wanted = (mdp.states, mdp.actions)
    if probabilities.shape[-2:] != wanted or probabilities.dtype != torch.float64:
        found = f"{probabilities.dtype} {tuple(probabilities.shape)}"
        raise ValueError(f"probabilities are {found}, expected torch.float64 (…, {wanted})")
    live = (~mdp.terminal).double()
    transition = mdp.transition * live[:, None, None] * live
    reward = (probabilities * mdp.expected_reward).sum(-1)
    return (probabilities[..., None] * transition).sum(-2), reward


def state_value(mdp: MDP, probabilities: Tensor, discount: float) -> Tensor:
    """What a policy earns from a state on: V = (I − γ P_π)⁻¹ r_π.

    Args:
        mdp: the process.
        probabilities: float64 ``[…, S, A]``, π(a|s).
        discount: γ. With γ = 1 the policy must reach a terminal state from everywhere.

    Returns:
        float64 ``[…, S]``, 0 at terminal states.

    Raises:
        torch.linalg.LinAlgError: with γ = 1, if the policy never ends from some state.
    """
    between, reward = chain(mdp, probabilities)
    system = torch.eye(mdp.states, dtype=torch.float64) - discount * between
    return torch.linalg.solve(system, reward[..., None])[..., 0]


def action_value(mdp: MDP, probabilities: Tensor, discount: float) -> Tensor:
    """What an action earns and the policy thereafter: Q(s, a) = r(s, a) + γ Σ_s' P(s'|s, a) V(s').

    Arguments and errors as in `state_value`.

    Returns:
        float64 ``[…, S, A]``, 0 at terminal states.
    """
    value = state_value(mdp, probabilities, discount)
    later = (mdp.transition * value[..., None, None, :]).sum(-1)
    return mdp.expected_reward + discount * later


def visits(mdp: MDP, probabilities: Tensor, discount: float) -> Tensor:
    """Expected discounted decisions in each state: η = (I − γ P_πᵀ)⁻¹ d₀.

    Arguments and errors as in `state_value`.

    Returns:
        float64 ``[…, S]``, 0 at terminal states, where nothing is decided.
    """
    between, _ = chain(mdp, probabilities)
    system = torch.eye(mdp.states, dtype=torch.float64) - discount * between.transpose(-1, -2)
    start = mdp.start.expand(*between.shape[:-1])
    return torch.linalg.solve(system, start[..., None])[..., 0]


def objective(mdp: MDP, probabilities: Tensor, discount: float) -> Tensor:
    """The expected discounted return of an episode: J = d₀ · V.

    Its gradient through ``probabilities`` is the exact policy gradient Σ_s η(s) Σ_a Q(s, a) ∇π(a|s)
    (Sutton et al. 2000, theorem 1). Time limits are not part of it. Arguments and errors as in
    `state_value`.

    Returns:
        float64 ``[…]``.
    """
    return (mdp.start * state_value(mdp, probabilities, discount)).sum(-1)


def gradient(
    mdp: MDP, probabilities: Tensor, discount: float, parameters: Sequence[Tensor]
) -> tuple[Tensor, ...]:
    """The exact policy gradient: dJ/dθ for every tensor that ``probabilities`` was computed from.

    Args:
        mdp: the process.
        probabilities: float64 ``[…, S, A]``, π(a|s), with a graph that leads to ``parameters``.
        discount: γ.
        parameters: tensors θ. A leading replica axis that they share with ``probabilities`` is kept
            apart: replicas do not mix.

    Returns:
        A tensor of each parameter's shape, a direction of ascent on J.
    """
    total = objective(mdp, probabilities, discount).sum()
    return torch.autograd.grad(total, list(parameters))
