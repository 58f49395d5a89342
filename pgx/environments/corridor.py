"""The short corridor with switched actions: three states that look alike."""

from __future__ import annotations

from collections.abc import Sequence

from pgx.environments.mdp import MDP
from pgx.environments.tabular import Tabular

LEFT, RIGHT = 0, 1

#: state: (where left leads, where right leads); the actions of state 1 are switched
_SUCCESSORS = {0: (0, 1), 1: (2, 0), 2: (1, 3), 3: (3, 3)}


def corridor() -> MDP:
    """The process: states 0, 1, 2 and terminal 3, start in 0, reward −1 for every decision."""
    one_hot = [[float(state == place) for place in range(4)] for state in range(4)]
    return MDP(
        transition=[[one_hot[place] for place in _SUCCESSORS[state]] for state in range(4)],
        reward=[[-1.0, -1.0]] * 4,
        start=one_hot[0],
        terminal=[False, False, False, True],
        features=[[1.0]] * 4,
    )


class Corridor(Tabular):
    """Short corridor with switched actions; 0 is left, 1 is right, and every state shows [1].

        J(p) = −2 (2 − p) / (p (1 − p)),   p = π(right),   best at p* = 2 − √2

    Sutton & Barto (2018), "Reinforcement Learning: An Introduction", example 13.1.

    Args:
        seeds: one seed per replica.
        slots: environments per replica, N.
        max_steps: decisions after which an episode is truncated; None, as in the book: never.
    """

    def __init__(self, seeds: Sequence[int], slots: int, max_steps: int | None = None) -> None:
        super().__init__(seeds, slots, corridor(), max_steps, id="corridor")
