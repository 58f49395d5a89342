"""One decision between left and right, each with its reward."""

from __future__ import annotations

from collections.abc import Sequence

from pgx.environments.mdp import MDP
from pgx.environments.tabular import Tabular
from pgx.errors import ConfigError, check_number

LEFT, RIGHT = 0, 1


def two_action(rewards: Sequence[float]) -> MDP:
    """The process: state 0, in which left and right pay their reward and end in state 1."""
    end = [[0.0, 1.0], [0.0, 1.0]]
    return MDP([end, end], [list(rewards), [0.0, 0.0]], [1.0, 0.0], [False, True], [[1.0], [1.0]])


class TwoAction(Tabular):
    """One step; action 0 is left and pays R_L, 1 is right and pays R_R, and [1] is all there is.

        J = π(L) R_L + π(R) R_R

    With ``policy=clamp`` this is the example in which everything about a gradient estimate can be
    worked out by hand. Which rewards it has is the user's choice.

    Args:
        seeds: one seed per replica.
        slots: environments per replica, N.
        rewards: R_L and R_R.

    Raises:
        ConfigError: not two numbers.
    """

    def __init__(self, seeds: Sequence[int], slots: int, rewards: Sequence[float]) -> None:
        if isinstance(rewards, str) or not isinstance(rewards, Sequence) or len(rewards) != 2:
            raise ConfigError(f"environment.rewards={rewards}: give two numbers, such as [1,0]")
        for reward in rewards:
            check_number("environment.rewards", reward)
        super().__init__(seeds, slots, two_action(rewards), id="two_action")
