"""The process on which the update without γᵗ goes to the worst policy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pgx.environments.mdp import MDP
from pgx.environments.tabular import Tabular
from pgx.errors import check_number

LEFT, RIGHT = 0, 1


def nota_thomas(first: float, alternative: float, bonus: float, length: int) -> MDP:
    """The process: states 0 and 1, a chain of ``length`` states, and the terminal last one."""
    states = length + 3
    move, reward = np.zeros((states, 2, states)), np.zeros((states, 2))
    move[0, :, 1] = 1.0
    move[1, LEFT, -1] = move[1, RIGHT, 2] = 1.0
    for state in range(2, states - 1):
        move[state, :, state + 1] = 1.0
    move[-1, :, -1] = 1.0
    reward[0, RIGHT], reward[1, LEFT], reward[-2, :] = first, alternative, bonus
    start, place = np.eye(states)[0], np.arange(states)
    return MDP(move, reward, start, place == states - 1, np.ones((states, 1)))


class NotaThomas(Tabular):
    """A small reward now, and later a choice between a sure one and one that is far away.

    In state 0 right pays a and left nothing; both lead to state 1. There left pays alt and ends,
    right enters a chain of n states whose last step pays B and ends; nothing is chosen in the
    chain. Every state shows [1], so that a policy is one number p = π(right). The slopes of J,
    divided by p(1−p), are

        discounted a − γ (alt − γⁿ B),   undiscounted a − alt + B,
        and the update without γᵗ, which is neither,  a − alt + γⁿ B

    With the defaults and γ = .4 the last is the only negative one: it goes to p = 0, the worst
    policy by either measure. ``first=1 alternative=1.75 bonus=1 length=1`` does the same at γ = .5.

    Nota & Thomas (2020), "Is the policy gradient a gradient?", arXiv 1906.07073, section 4; the
    family in these four numbers is ours.

    Args:
        seeds: one seed per replica.
        slots: environments per replica, N.
        first: a.
        alternative: alt.
        bonus: B.
        length: n, states of the chain.

    Raises:
        ConfigError: an argument that is no number, or a chain without states.
    """

    def __init__(
        self,
        seeds: Sequence[int],
        slots: int,
        first: float,
        alternative: float,
        bonus: float,
        length: int,
    ) -> None:
        for key, value in {"first": first, "alternative": alternative, "bonus": bonus}.items():
            check_number(f"environment.{key}", value)
        check_number("environment.length", length, least=1, most=1000, whole=True)
        mdp = nota_thomas(first, alternative, bonus, length)
        super().__init__(seeds, slots, mdp, id="nota_thomas")
