"""A walk to the right, with sums by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pgx.environments.chain import RIGHT, Chain, chain
from pgx.environments.exact import objective, state_value, visits
from pgx.errors import ConfigError

L = 5


def always(action: int, length: int = L) -> torch.Tensor:
    return torch.eye(2, dtype=torch.float64)[action].expand(length + 1, 2)


def test_straight_to_the_end_earns_a_discounted_one():
    mdp = chain(L, 0.0)
    assert objective(mdp, always(RIGHT), 0.9).item() == pytest.approx(0.9 ** (L - 1), rel=1e-12)
    wanted = [0.9 ** (L - 1 - state) for state in range(L)]
    assert state_value(mdp, always(RIGHT), 0.9)[:L].tolist() == pytest.approx(wanted, rel=1e-12)
    assert objective(mdp, always(RIGHT), 0.9, L - 1).item() == 0.0  # one decision too few


@pytest.mark.parametrize("slip", [0.1, 0.5])
def test_the_time_to_the_end_is_that_of_a_walk(slip):
    """T_i = (1 + q T_{i−1}) / p decisions from state i to the next, T_0 = 1/p."""
    p, q, steps = 1 - slip, slip, [1 / (1 - slip)]
    for _ in range(L - 1):
        steps.append((1 + q * steps[-1]) / p)
    found = visits(chain(L, slip), always(RIGHT), 1.0).sum().item()
    assert found == pytest.approx(sum(steps), rel=1e-12)


def test_moves_slip_as_often_as_they_should():
    env = Chain([3, 8], 2003, L, 0.2)
    env.reset()
    env.step(np.full((2, 2003), RIGHT))
    share = env.observation[..., 1].mean()
    assert abs(share - 0.8) < 4 * np.sqrt(0.16 / (2 * 2003))
    assert (env.observation[..., :2].sum(-1) == 1).all()


@pytest.mark.parametrize(("key", "value"), [("length", 0), ("slip", 1.5), ("slip", "x")])
def test_mistakes_name_the_key(key, value):
    with pytest.raises(ConfigError, match=rf"environment\.{key}="):
        Chain([0], 1, **{"length": L, "slip": 0.1, key: value})
