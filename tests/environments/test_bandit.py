"""Rewards of several arms, and their exact mean."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pgx.environments.bandit import Bandit
from pgx.errors import ConfigError
from pgx.policies.categorical_linear import CategoricalLinear

MEANS = [1.0, -2.0, 3.0]


def test_without_noise_an_arm_pays_its_mean():
    env = Bandit([0, 1], 3, MEANS, 0.0)
    env.reset()
    step = env.step(np.array([[0, 1, 2], [2, 1, 0]]))
    assert step.reward.tolist() == [[1, -2, 3], [3, -2, 1]] and step.terminated.all()


def test_noise_is_gaussian_around_the_mean():
    env = Bandit([3, 1], 2003, MEANS, 0.5)
    env.reset()
    action = np.tile(np.arange(2003) % 3, (2, 1))
    reward = env.step(action).reward - np.array(MEANS)[action]
    error = 1 / np.sqrt(reward.size)
    assert abs(reward.mean() / 0.5) < 4 * error and abs(reward.std() / 0.5 - 1) < 4 * error
    assert 0.62 < (abs(reward) < 0.5).mean() < 0.74


def test_a_slot_that_is_not_active_draws_nothing():
    whole, part = Bandit([5], 4, MEANS, 1.0), Bandit([5], 4, MEANS, 1.0)
    seen = []
    for env, active in ((whole, None), (part, np.array([[True, False, True, True]]))):
        env.reset()
        seen.append(env.step(np.zeros((1, 4), dtype=int), active).reward.copy())
    assert np.array_equal(seen[0][0, [0, 2, 3]], seen[1][0, [0, 2, 3]])
    part.reset()
    later = part.step(np.zeros((1, 4), dtype=int)).reward
    assert later[0, 1] == seen[0][0, 1]  # its first draw, only now


def test_the_objective_is_the_mean_over_arms():
    env = Bandit([0], 1, MEANS, 7.0)
    policy = CategoricalLinear(env.spec, [0], [0.0, 1.0, -0.5])
    pi = torch.tensor([0.0, 1.0, -0.5]).double().softmax(0)
    wanted = (pi * torch.tensor(MEANS).double()).sum().item()
    assert env.objective(policy, 0.3).item() == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize(("means", "noise"), [([1.0], 0.0), ("abc", 0.0), ([1.0, "x"], 0.0)])
def test_means_are_numbers(means, noise):
    with pytest.raises(ConfigError, match=r"environment\.means="):
        Bandit([0], 1, means, noise)


def test_a_deviation_is_not_negative():
    with pytest.raises(ConfigError, match=r"environment\.noise=-1"):
        Bandit([0], 1, MEANS, -1)
