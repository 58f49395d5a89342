"""Maps: published values of the classic one, and one on which no deterministic policy is best."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch

from pgx.environments.exact import action_value, objective, state_value
from pgx.environments.gridworld import (
    DOWN,
    LEFT,
    RIGHT,
    RUSSELL_NORVIG,
    SILVER,
    UP,
    Grid,
    Gridworld,
    gridworld,
)
from pgx.environments.mdp import MDP
from pgx.errors import ConfigError
from pgx.policies.categorical_linear import CategoricalLinear

#: Russell & Norvig, figure 17.3: utilities of the best policy, row by row
PUBLISHED = [0.812, 0.868, 0.918, 1, 0.762, 0.660, -1, 0.705, 0.655, 0.611, 0.388]


def greedy(mdp: MDP, discount: float, sweeps: int = 100) -> torch.Tensor:
    """The best policy by policy iteration, from a random one that ends."""
    policy = torch.full((mdp.states, mdp.actions), 1 / mdp.actions, dtype=torch.float64)
    for _ in range(sweeps):
        best = action_value(mdp, policy, discount, horizon=sweeps).argmax(-1)
        policy = torch.nn.functional.one_hot(best, mdp.actions).double()
    return policy


def test_the_classic_map_has_its_published_utilities():
    mdp = gridworld(RUSSELL_NORVIG, 0.2, -0.04, False)
    value = state_value(mdp, greedy(mdp, 1.0), 1.0)
    for found, wanted in zip(value.tolist(), PUBLISHED, strict=True):
        assert found == (0 if abs(wanted) == 1 else pytest.approx(wanted, abs=5e-4))


def test_moves_walls_and_prizes_of_a_map():
    mdp = gridworld(["S.P", "#G."], 0.0, -0.5, False)  # cells: 0 S, 1 free, 2 pit, 3 goal, 4 free
    assert mdp.transition[0].argmax(-1).tolist() == [0, 1, 0, 0]
    assert mdp.transition[1].argmax(-1).tolist() == [1, 2, 3, 0]
    assert mdp.reward[1, DOWN, 3] == 0.5 and mdp.reward[1, RIGHT, 2] == -1.5
    assert mdp.reward[0, UP, 0] == -0.5 and mdp.start.tolist() == [1, 0, 0, 0, 0]
    assert mdp.terminal.tolist() == [False, False, True, True, False]


def test_a_slip_goes_to_either_side():
    mdp = gridworld(["...", ".SG", "..."], 0.2, 0.0, False)
    row = mdp.transition[4, RIGHT]
    assert row[5] == 0.8 and row[1] == pytest.approx(0.1) and row[7] == pytest.approx(0.1)
    assert mdp.transition[0, LEFT].tolist() == pytest.approx([0.9, 0, 0, 0.1, 0, 0, 0, 0, 0])


def test_aliased_a_state_shows_the_walls_around_it():
    walls = Grid(SILVER).walls()
    assert walls[:5].tolist() == [
        [1, 0, 0, 1],
        [1, 0, 1, 0],
        [1, 0, 0, 0],
        [1, 0, 1, 0],
        [1, 1, 0, 0],
    ]
    env = Gridworld([0], 4, None, 0.0, 0.0, True)
    env.reset()
    assert env.observation.shape == (1, 4, 4)
    assert {tuple(shown) for shown in env.observation[0]} <= {tuple(row) for row in walls[:5]}


def policies_of_looks(mdp: MDP):
    """Every deterministic policy that does the same where things look the same."""
    looks, place = torch.unique(mdp.features[:5], dim=0, return_inverse=True)
    for choice in product(range(4), repeat=len(looks)):
        action = torch.tensor([*(choice[look] for look in place), 0, 0, 0])
        yield torch.nn.functional.one_hot(action, 4).double()


def test_where_cells_look_alike_the_best_policy_is_stochastic():
    """Of all 256 deterministic policies none is as good as tossing a coin in the two cells."""
    mdp = gridworld(SILVER, 0.0, 0.0, True)
    best = max(objective(mdp, policy, 0.9, 1000).item() for policy in policies_of_looks(mdp))
    coin = torch.zeros(8, 4, dtype=torch.float64)
    for cell, actions in enumerate(([RIGHT], [RIGHT, LEFT], [DOWN], [RIGHT, LEFT], [LEFT])):
        coin[cell, actions] = 1 / len(actions)
    coin[5:, 0] = 1.0
    found = objective(mdp, coin, 0.9, 1000).item()
    # one of the sides is lost to a policy that always goes one way: 3 of 5 starts arrive
    assert best == pytest.approx((1 + 0.9 + 0.81) / 5, rel=1e-12)
    assert found > best + 0.2
    shows = gridworld(SILVER, 0.0, 0.0, False)
    least = (1 + 2 * 0.9 + 2 * 0.81) / 5  # who can tell the cells apart needs no coin
    assert found < objective(shows, greedy(shows, 0.9), 0.9).item() == pytest.approx(least)


def test_a_policy_on_what_is_seen_learns_the_coin():
    """Exact ascent of a softmax over the walls ends at a stochastic policy above every pure one."""
    env = Gridworld([0], 1, None, 0.0, 0.0, True, max_steps=1000)
    policy = CategoricalLinear(env.spec, [0], None)
    for _ in range(400):
        found = env.objective(policy, 0.9)
        (slope,) = torch.autograd.grad(found.sum(), policy.flat)
        policy.flat.data += 20.0 * slope
    assert found.item() > (1 + 0.9 + 0.81) / 5 + 0.2
    rows = torch.zeros(1, 64, 4)
    rows[0, 0] = torch.tensor([1.0, 0, 1, 0])
    alike = policy.probabilities(policy(rows))[0, 0]
    assert alike[[RIGHT, LEFT]].tolist() == pytest.approx([0.5, 0.5], abs=0.05)


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        ("S.G", "give a list of strings"),
        ([], "give a list of strings"),
        (["S.G", ".."], r"map\[1\] has 2 characters, the first row 3"),
        (["SxG"], r"map\[0\]: 'x' is no cell"),
        (["..G"], "has no start"),
        (["S.P"], "has no goal"),
    ],
)
def test_a_map_that_cannot_be_read_is_one_line(rows, line):
    with pytest.raises(ConfigError, match=line):
        Gridworld([0], 1, rows, 0.0, 0.0, False)


@pytest.mark.parametrize(("key", "value"), [("slip", 2), ("step_reward", "x"), ("aliased", 1)])
def test_mistakes_name_the_key(key, value):
    good = {"map": None, "slip": 0.0, "step_reward": 0.0, "aliased": False}
    with pytest.raises(ConfigError, match=rf"environment\.{key}="):
        Gridworld([0], 1, **{**good, key: value})


def test_sampled_moves_are_those_of_the_map():
    env = Gridworld([0], 2, ["S.P", "#G."], 0.0, -0.5, False)
    env.reset()
    step = env.step(np.array([[RIGHT, UP]]))
    assert step.next_observation.argmax(-1).tolist() == [[1, 0]]
    step = env.step(np.array([[DOWN, RIGHT]]))
    assert step.reward.tolist() == [[0.5, -0.5]] and step.terminated.tolist() == [[True, False]]
