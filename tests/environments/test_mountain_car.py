"""MountainCar takes gymnasium's steps, over the hill and against the wall."""

from __future__ import annotations

import numpy as np
import pytest

from pgx.environments.mountain_car import MountainCar
from tests.support.physics import anywhere, follow

R, N = 3, 5


@pytest.mark.parametrize("policy", ["random", "swing"])
def test_every_step_equals_gymnasiums(policy):
    rng = np.random.default_rng(0)
    env = MountainCar([3, 1, 8], N)

    def choose(observation):
        return rng.integers(0, 3, (R, N)) if policy == "random" else swing(observation)

    ends = follow(env, choose, 500, 1e-12)
    if policy == "random":
        assert ends == {"terminated": 0, "truncated": 2 * R * N}
    else:
        assert ends["terminated"] > 2 * R * N


def swing(observation: np.ndarray) -> np.ndarray:
    """Push along the motion: over the hill in some 120 decisions."""
    return np.where(observation[..., 1] < 0, 0, 2)


def test_pushing_along_the_motion_reaches_the_goal_and_random_does_not():
    rng, ends = np.random.default_rng(0), []
    for policy in (swing, lambda observation: rng.integers(0, 3, observation.shape[:2])):
        env = MountainCar([3, 1, 8], N)
        env.reset()
        ended = np.zeros((R, N), dtype=bool)
        for _ in range(199):
            step = env.step(policy(env.observation), ~ended)
            ended |= step.terminated
        ends.append(ended)
    assert ends[0].all() and not ends[1].any()


def test_steps_from_anywhere_equal_gymnasiums():
    """Also against the wall, at the edge, at full speed, and rolling back beyond the goal."""
    rng, slots = np.random.default_rng(1), 90
    states = rng.uniform([-1.2, -0.07], [0.6, 0.07], (R, slots, 2))
    states[:, ::9] = -1.19, -0.05
    states[:, 1::9] = 0.58, 0.05
    states[:, 2::9] = 0.55, -0.03
    env = MountainCar([3, 1, 8], slots)
    step = anywhere(env, states, rng.integers(0, 3, (R, slots)), 1e-12)
    assert (env.state[:, ::9] == [-1.2, 0.0]).all()
    assert step.terminated[:, 1::9].all() and not step.terminated[:, 2::9].any()
    assert (env.state[:, 2::9, 0] > 0.5).all()
    assert (abs(env.state[..., 1]) <= 0.07).all() and (step.reward == -1).all()


def test_a_step_worked_by_hand():
    """At x = −π/6 gravity is nil (cos 3x = 0): only the push remains."""
    env = MountainCar([0], 3)
    env.reset()
    env.set_state(np.array([[[-np.pi / 6, 0.01]] * 3]))
    env.step(np.array([[0, 1, 2]]))
    speeds = np.array([0.009, 0.010, 0.011])
    np.testing.assert_allclose(env.state[0, :, 1], speeds, rtol=1e-12)
    np.testing.assert_allclose(env.state[0, :, 0], -np.pi / 6 + speeds, rtol=1e-12)


def test_reset_states_fill_the_interval_of_gymnasium():
    env = MountainCar(list(range(101)), 7)
    env.reset()
    position, speed = np.moveaxis(env.state, -1, 0)
    assert (speed == 0).all()
    assert -0.6 <= position.min() < -0.599 and -0.401 < position.max() < -0.4
    assert abs(position.var() / (0.04 / 12) - 1) < 0.2
