"""One step, one of two rewards."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pgx.environments.two_action import TwoAction
from pgx.errors import ConfigError
from pgx.policies.categorical_linear import CategoricalLinear


def test_each_action_pays_its_reward_and_ends():
    env = TwoAction([0, 1], 3, [2.0, -5.0])
    env.reset()
    step = env.step(np.array([[0, 1, 0], [1, 1, 0]]))
    assert step.reward.tolist() == [[2, -5, 2], [-5, -5, 2]] and step.terminated.all()
    assert (step.next_observation == 1).all()


@pytest.mark.parametrize("rewards", [[1.0, 0.0], [-2.0, 7.0]])
def test_the_objective_is_the_mean_reward(rewards):
    env = TwoAction([0], 1, rewards)
    policy = CategoricalLinear(env.spec, [0], [float(np.log(0.3)), float(np.log(0.7))])
    found = env.objective(policy, 0.5)
    assert found.item() == pytest.approx(0.3 * rewards[0] + 0.7 * rewards[1], rel=1e-6)
    (slope,) = torch.autograd.grad(found.sum(), policy.flat)
    bias = policy.net.layers(slope)[0][1].flatten()
    assert bias[0].item() == pytest.approx(0.21 * (rewards[0] - rewards[1]), rel=1e-5)


@pytest.mark.parametrize("rewards", [[1.0], "ab", 3.0, [1.0, float("nan")], [1.0, None]])
def test_rewards_are_two_numbers(rewards):
    with pytest.raises(ConfigError, match=r"environment\.rewards="):
        TwoAction([0], 1, rewards)
