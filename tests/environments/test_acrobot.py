"""Acrobot takes gymnasium's steps, swings up, and is paid as gymnasium pays."""

from __future__ import annotations

import numpy as np
import pytest

from pgx.environments.acrobot import START, Acrobot
from tests.support.physics import anywhere, follow

R, N = 3, 5


def pump(observation: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Torque along the first link's motion swings the tip up; int64 ``[R, N]``."""
    action = np.where(observation[..., 4] > 0, 0, 2)
    return np.where(rng.random(action.shape) < 0.1, rng.integers(0, 3, action.shape), action)


@pytest.mark.parametrize("policy", ["random", "pump"])
def test_every_step_equals_gymnasiums(policy):
    rng = np.random.default_rng(0)
    env = Acrobot([3, 1, 8], N, max_episode_steps=120)

    def choose(observation):
        return rng.integers(0, 3, (R, N)) if policy == "random" else pump(observation, rng)

    ends = follow(env, choose, 400, 1e-10)
    assert ends["truncated" if policy == "random" else "terminated"] > 20


def test_steps_from_anywhere_equal_gymnasiums():
    """Also where an angle is wrapped and a speed is bounded, which it says it saw."""
    rng, seeds, slots = np.random.default_rng(1), [3, 1, 8], 70
    high = np.array([np.pi, np.pi, 4 * np.pi, 9 * np.pi])
    states = rng.uniform(-high, high, (R, slots, 4))
    env = Acrobot(seeds, slots)
    step = anywhere(env, states, rng.integers(0, 3, (R, slots)), 1e-10)
    assert (abs(env.state[..., :2]) <= np.pi).all()
    assert (abs(env.state[..., 0] - states[..., 0]) > np.pi).any()
    assert (abs(env.state[..., 2:]) == high[2:]).any((0, 1)).all()
    assert 0 < step.terminated.sum() < step.terminated.size
    assert np.array_equal(step.reward, np.where(step.terminated, 0, -1))


def test_a_still_acrobot_hangs_and_stands_still():
    """Hand-worked: at θ₁ = 0 and at θ₁ = π no gravity acts, and τ = 0 changes nothing."""
    env = Acrobot([0], 2)
    env.reset()
    env.set_state(np.array([[[0.0, 0, 0, 0], [np.pi, 0, 0, 0]]]))
    step = env.step(np.ones((1, 2), dtype=np.int64))
    np.testing.assert_allclose(env.state, [[[0, 0, 0, 0], [np.pi, 0, 0, 0]]], atol=1e-14)
    assert step.terminated.tolist() == [[False, True]]
    assert step.reward.tolist() == [[-1.0, 0.0]]
    np.testing.assert_allclose(env.observation[0, 1], [-1, 0, 1, 0, 0, 0], atol=1e-6)


def test_the_elbow_accelerates_as_worked_by_hand():
    """Hanging, τ = 1: d₁ = 9/2, d₂ = 7/4, θ̈₂ = 1 / (5/4 − 49/72) = 72/41, θ̈₁ = −28/41."""
    env = Acrobot([0], 1)
    env.reset()
    env._torque[...] = 1.0
    slope = np.empty((4, 1, 1))
    env._slope(np.zeros((4, 1, 1)), slope)
    np.testing.assert_allclose(slope.ravel(), [0, 0, -28 / 41, 72 / 41], rtol=1e-14, atol=1e-15)


def test_reset_states_fill_the_interval_of_gymnasium():
    env = Acrobot(list(range(101)), 7)
    env.reset()
    assert START == 0.1 and 0.0999 < abs(env.state).max() < 0.1
    assert abs(env.state.var((0, 1)) / (0.04 / 12) - 1).max() < 0.2


def test_an_action_that_does_not_exist_is_refused():
    env = Acrobot([0], 1)
    env.reset()
    with pytest.raises(IndexError):
        env.step(np.array([[3]]))
