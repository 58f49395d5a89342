"""A map of cells, drawn as lines of text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pgx.environments.mdp import MDP
from pgx.environments.tabular import Tabular
from pgx.errors import ConfigError, check_flag, check_number

UP, RIGHT, DOWN, LEFT = range(4)
MOVES = ((-1, 0), (0, 1), (1, 0), (0, -1))  #: rows and columns, by action
WALL, FREE, START, GOAL, PIT = "#.SGP"

RUSSELL_NORVIG = ("...G", ".#.P", "S...")  #: Artificial Intelligence, figure 17.1
SILVER = ("SSSSS", "P#G#P")  #: his lecture 7: the second and fourth cell of the top row look alike


class Grid:
    """The cells of a map, numbered row by row without the walls; around it everything is wall.

    Args:
        rows: strings of one length, of the characters ``# . S G P``.

    Raises:
        ConfigError: rows of other lengths or characters, or nowhere to begin or to arrive.
    """

    def __init__(self, rows: Sequence[str]) -> None:
        key = "environment.map"
        if isinstance(rows, str) or not rows or not all(isinstance(row, str) for row in rows):
            raise ConfigError(f"{key}={rows}: give a list of strings, such as ['S..G']")
        for number, row in enumerate(rows):
            if len(row) != len(rows[0]):
                raise ConfigError(
                    f"{key}[{number}] has {len(row)} characters, the first row {len(rows[0])}"
                )
            if odd := set(row) - {WALL, FREE, START, GOAL, PIT}:
                raise ConfigError(
                    f"{key}[{number}]: '{min(odd)}' is no cell; write # wall, . free, S start, "
                    "G goal, P pit"
                )
        self.rows, text = rows, "".join(rows)
        for kind, name in ((START, "start"), (GOAL, "goal")):
            if kind not in text:
                raise ConfigError(f"{key} has no {name}: write at least one {kind}")
        cells = [place for place in np.ndindex(len(rows), len(rows[0])) if self.at(*place) != WALL]
        self.cells = {place: number for number, place in enumerate(cells)}
        self.kind = np.array([self.at(*place) for place in cells])

    def at(self, row: int, column: int) -> str:
        """The character of a place; outside the map it is wall."""
        inside = 0 <= row < len(self.rows) and 0 <= column < len(self.rows[0])
        return self.rows[row][column] if inside else WALL

    def behind(self, place: tuple[int, int], action: int) -> int:
        """The cell that a move leads to: the same, if a wall is there."""
        row, column = MOVES[action]
        return self.cells.get((place[0] + row, place[1] + column), self.cells[place])

    def walls(self) -> np.ndarray:
        """float64 ``[S, 4]``: whether a wall is above, to the right, below, to the left."""
        return np.array(
            [[self.at(y + dy, x + dx) == WALL for dy, dx in MOVES] for y, x in self.cells], float
        )


def gridworld(rows: Sequence[str], slip: float, step_reward: float, aliased: bool) -> MDP:
    """The process of a map; see `Gridworld`."""
    grid = Grid(rows)
    size = len(grid.cells)
    move = np.zeros((size, 4, size))
    for place, cell in grid.cells.items():
        for action in range(4):
            aside = (action + 1) % 4, (action - 1) % 4
            for way, share in ((action, 1.0 - slip), *((side, slip / 2) for side in aside)):
                move[cell, action, grid.behind(place, way)] += share
    prize = (grid.kind == GOAL) * 1.0 - (grid.kind == PIT) * 1.0
    reward = np.broadcast_to(step_reward + prize, move.shape)
    start = (grid.kind == START) / (grid.kind == START).sum()
    features = grid.walls() if aliased else None
    return MDP(move, reward, start, prize != 0, features)


class Gridworld(Tabular):
    """Cells of a map, walls between them, goals that pay 1 and pits that cost 1; both end it.

    Actions are 0 up, 1 right, 2 down, 3 left. With probability ``slip`` a move goes to one of the
    two sides instead, each as often; a move into a wall stays. An episode begins in one of the
    cells marked S, each as often. A state shows itself, one-hot; ``aliased`` it shows only whether
    there are walls above, to the right, below and to the left, and the best policy may have to be
    stochastic.

    Russell & Norvig, "Artificial Intelligence: A Modern Approach", section 17.1, is the map that
    one gets without another (with ``slip=0.2``, as there; the reward of a state is paid on entering
    it). ``aliased`` it is that of Silver's lectures on reinforcement learning (2015), number 7,
    where two cells left and right of the goal look alike and a step to the wrong side is a trap.

    Args:
        seeds: one seed per replica.
        slots: environments per replica, N.
        map: rows of characters: # wall, . free, S start, G goal, P pit; None for those above.
        slip: probability that a move goes to a side.
        step_reward: what every decision pays.
        aliased: whether a state shows only the walls around it.
        max_steps: decisions after which an episode is truncated; None: never.

    Raises:
        ConfigError: a map that cannot be read, or a number out of range.
    """

    def __init__(
        self,
        seeds: Sequence[int],
        slots: int,
        map: Sequence[str] | None,
        slip: float,
        step_reward: float,
        aliased: bool,
        max_steps: int | None = None,
    ) -> None:
        check_number("environment.slip", slip, least=0.0, most=1.0)
        check_number("environment.step_reward", step_reward)
        check_flag("environment.aliased", aliased)
        rows = (SILVER if aliased else RUSSELL_NORVIG) if map is None else map
        mdp = gridworld(rows, slip, step_reward, aliased)
        super().__init__(seeds, slots, mdp, max_steps, id="gridworld")
