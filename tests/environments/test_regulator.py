"""The regulator's exact utility has the book's figures, and episodes have its mean."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pgx.environments.regulator import Regulator
from pgx.errors import ConfigError
from pgx.policies.gaussian_linear import GaussianLinear
from pgx.policies.gaussian_mlp import GaussianMLP

SEEDS = (3, 1, 7)


def at(env: Regulator, *thetas: tuple[float, float]) -> GaussianLinear:
    """A replica per θ."""
    policy = GaussianLinear(env.spec, range(len(thetas)), 0.0, 1.0)
    with torch.no_grad():
        policy.flat[:, :2] = torch.tensor(thetas)
    return policy


@pytest.mark.parametrize(
    ("theta", "utility", "slope"),
    [
        ((0.0, 1.0), -24.640404, (-119.598724, -47.502668)),
        ((-1.0, 0.0), -0.155132, None),
        ((-0.99501, 0.00499), -0.155273, None),
    ],
)
def test_figures_of_the_book(theta, utility, slope):
    env = Regulator((0,), 1, 10)
    policy = at(env, theta)
    found = env.objective(policy, 0.9)
    assert found.item() == pytest.approx(utility, abs=6e-7)
    (gradient,) = torch.autograd.grad(found.sum(), policy.flat)
    if slope is not None:
        assert gradient[0, policy.free].tolist() == pytest.approx(slope, rel=1e-7)
    assert (gradient[0, ~policy.free] == 0).all()


def test_the_optimum_is_where_the_state_is_cancelled():
    env = Regulator((0,), 1, 10)
    best = env.objective(at(env, (-1.0, 0.0)), 0.9).item()
    near = [(-1.02, 0.0), (-0.98, 0.0), (-1.0, 0.02), (-1.0, -0.02)]
    around = env.objective(at(env, *near), 0.9)
    assert (around < best).all() and around[2] == around[3]


@pytest.mark.parametrize("theta", [(0.0, 0.3), (-0.7, -0.2)])
def test_sampled_returns_have_the_exact_mean(theta):
    env, rng = Regulator(SEEDS, 5003, 10), np.random.default_rng(0)
    env.reset()
    total = np.zeros((3, 5003))
    for step in range(10):
        noise = rng.standard_normal(env.observation.shape)
        moved = env.step((theta[0] * env.observation + theta[1] * noise).astype(np.float32))
        total += 0.9**step * moved.reward
        assert not moved.terminated.any() and moved.truncated.all() == (step == 9)
    exact = env.objective(at(env, theta), 0.9).item()
    assert abs(total.mean() - exact) < 4 * total.std() / np.sqrt(total.size)


def test_a_reward_is_the_square_of_the_state_decided_in():
    env = Regulator([0], 5, 10)
    env.reset()
    before = env.observation.copy()
    step = env.step(np.full((1, 5, 1), 2.0, dtype=np.float32))
    assert np.array_equal(step.reward, -(before[..., 0] ** 2))
    assert (abs(step.next_observation - before - 2) < 0.6).all()


def test_another_policy_has_no_exact_answer():
    env = Regulator([0], 1, 10)
    policy = GaussianMLP(env.spec, [0], [], "tanh", 0.01, 1.0, False, 1)
    with pytest.raises(ConfigError, match="choose policy=gaussian_linear"):
        env.objective(policy, 0.9)


def test_an_episode_of_no_steps_is_refused():
    with pytest.raises(ConfigError, match=r"environment\.max_steps=0"):
        Regulator([0], 1, 0)
