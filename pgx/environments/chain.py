"""States in a row, and a reward at the far end."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pgx.environments.mdp import MDP
from pgx.environments.tabular import Tabular
from pgx.errors import check_number

LEFT, RIGHT = 0, 1


def chain(length: int, slip: float) -> MDP:
    """The process: states 0 to ``length`` − 1, start in 0, and the terminal state behind them."""
    move, reward = np.zeros((length + 1, 2, length + 1)), np.zeros((length + 1, 2))
    for state in range(length):
        for action, share in ((LEFT, slip), (RIGHT, 1.0 - slip)):
            move[state, action, state + 1] += share
            move[state, action, max(state - 1, 0)] += 1.0 - share
    move[-1, :, -1] = 1.0
    reward[-2] = slip, 1.0 - slip
    place = np.arange(length + 1)
    return MDP(move, reward, place == 0, place == length)


class Chain(Tabular):
    """A walk along L states that pays 1 when it leaves the last one to the right, and ends there.

    0 is left, 1 is right; left of the first state is the first state. A move goes the other way
    with probability ``slip``. A state shows itself, one-hot. Always right, with nothing slipping,
    earns γ^(L−1), and what is random reaches the end in a time that grows like the square of L.

    Args:
        seeds: one seed per replica.
        slots: environments per replica, N.
        length: L.
        slip: probability that a move goes the other way.
        max_steps: decisions after which an episode is truncated; None: never.

    Raises:
        ConfigError: a chain without states, a probability that is none, ``max_steps`` below 1.
    """

    def __init__(
        self,
        seeds: Sequence[int],
        slots: int,
        length: int,
        slip: float,
        max_steps: int | None = None,
    ) -> None:
        check_number("environment.length", length, least=1, most=1000, whole=True)
        check_number("environment.slip", slip, least=0.0, most=1.0)
        super().__init__(seeds, slots, chain(length, slip), max_steps, id="chain")
