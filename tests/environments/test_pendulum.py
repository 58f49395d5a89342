"""Pendulum takes gymnasium's steps and earns gymnasium's rewards."""

from __future__ import annotations

import numpy as np
import pytest

from pgx.environments.pendulum import Pendulum
from tests.support.physics import anywhere, follow

R, N = 3, 5


def test_every_step_equals_gymnasiums():
    rng = np.random.default_rng(0)
    env = Pendulum([3, 1, 8], N, max_episode_steps=60)

    def choose(observation):
        return rng.uniform(-3, 3, (R, N, 1)).astype(np.float32)

    assert follow(env, choose, 200, 1e-12) == {"terminated": 0, "truncated": 3 * R * N}


def test_steps_from_anywhere_equal_gymnasiums():
    """Also after many turns, and where the speed is bounded."""
    rng, slots = np.random.default_rng(1), 70
    states = rng.uniform([-30, -8], [30, 8], (R, slots, 2))
    env = Pendulum([3, 1, 8], slots)
    anywhere(env, states, rng.uniform(-3, 3, (R, slots, 1)).astype(np.float32), 1e-12)
    assert (env.state[..., 1] == 8).any() and (env.state[..., 1] == -8).any()


def test_a_step_worked_by_hand():
    """From θ = π/2, θ̇ = 1, τ = 2: θ̈ = 15 + 6, θ̇ = 2.05, θ = π/2 + 0.1025."""
    env = Pendulum([0], 2)
    env.reset()
    env.set_state(np.array([[[np.pi / 2, 1.0], [0.0, 0.0]]]))
    step = env.step(np.array([[[2.0], [0.0]]], dtype=np.float32))
    np.testing.assert_allclose(env.state[0, 0], [np.pi / 2 + 0.1025, 2.05], rtol=1e-12)
    np.testing.assert_allclose(step.reward[0, 0], -((np.pi / 2) ** 2 + 0.1 + 0.004), rtol=1e-6)
    assert step.reward[0, 1] == 0 and env.state[0, 1].tolist() == [0, 0]
    angle = np.pi / 2 + 0.1025
    np.testing.assert_allclose(
        env.observation[0, 0], [np.cos(angle), np.sin(angle), 2.05], rtol=1e-6
    )


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_torque_beyond_the_bounds_is_clipped(sign):
    env = Pendulum([0], 2)
    env.reset()
    env.set_state(np.zeros((1, 2, 2)))
    step = env.step(np.array([[[2 * sign], [np.inf * sign]]], dtype=np.float32))
    assert np.array_equal(env.state[0, 0], env.state[0, 1])
    assert step.reward[0, 0] == step.reward[0, 1] == np.float32(-0.004)
    assert env.spec.action_low == (-2.0,) and env.spec.action_high == (2.0,)


def test_reset_states_fill_the_rectangle_of_gymnasium():
    env = Pendulum(list(range(101)), 7)
    env.reset()
    high = np.array([np.pi, 1.0])
    largest = abs(env.state).max((0, 1))
    assert (largest < high).all() and (largest > 0.995 * high).all()
    assert abs(env.state.var((0, 1)) / (high**2 / 3) - 1).max() < 0.2
