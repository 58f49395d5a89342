"""MountainCarContinuous takes gymnasium's steps, up to the float32 of gymnasium's state."""

from __future__ import annotations

import numpy as np

from pgx.environments.mountain_car_continuous import MountainCarContinuous
from tests.support.physics import anywhere, follow

R, N = 3, 5
TOLERANCE = 2e-7  #: gymnasium keeps the state in float32: half a unit in its last place, twice


def test_every_step_equals_gymnasiums():
    rng = np.random.default_rng(0)
    env = MountainCarContinuous([3, 1, 8], N, max_episode_steps=110)

    def choose(observation):
        push = np.sign(observation[..., 1:]) + 0.5 * rng.standard_normal((R, N, 1))
        return np.clip(push, -1, 1).astype(np.float32)

    ends = follow(env, choose, 400, TOLERANCE)
    assert ends["terminated"] > 10 and ends["truncated"] > 0


def test_steps_from_anywhere_equal_gymnasiums():
    """Also against the wall, at the edge, at full speed, and rolling back beyond the goal."""
    rng, slots = np.random.default_rng(1), 90
    states = rng.uniform([-1.2, -0.07], [0.6, 0.07], (R, slots, 2))
    states[:, ::9] = -1.19, -0.05
    states[:, 1::9] = 0.58, 0.05
    states[:, 2::9] = 0.55, -0.03
    env = MountainCarContinuous([3, 1, 8], slots)
    action = rng.uniform(-1, 1, (R, slots, 1)).astype(np.float32)
    step = anywhere(env, states, action, TOLERANCE)
    assert (env.state[:, ::9] == [-1.2, 0.0]).all()
    assert step.terminated[:, 1::9].all() and not step.terminated[:, 2::9].any()
    assert (abs(env.state[..., 1]) <= 0.07).all()


def test_a_step_worked_by_hand():
    """At x = −π/6 gravity is nil; half the power is 0.00075, and its price 0.025."""
    env = MountainCarContinuous([0], 2)
    env.reset()
    env.set_state(np.array([[[-np.pi / 6, 0.01], [0.44, 0.06]]]))
    step = env.step(np.array([[[0.5], [0.5]]], dtype=np.float32))
    np.testing.assert_allclose(env.state[0, 0], [-np.pi / 6 + 0.01075, 0.01075], rtol=1e-12)
    assert step.reward.tolist() == [[np.float32(-0.025), np.float32(100 - 0.025)]]
    assert step.terminated.tolist() == [[False, True]]


def test_an_action_beyond_the_bounds_costs_no_more_than_one_at_them():
    env = MountainCarContinuous([0], 3)
    env.reset()
    env.set_state(np.array([[[-0.5, 0.0]] * 3]))
    step = env.step(np.array([[[-1.0], [-7.0], [-np.inf]]], dtype=np.float32))
    assert (step.reward == np.float32(-0.1)).all()
    assert (env.state == env.state[:, :1]).all() and (env.state[..., 1] < 0).all()
    assert env.spec.action_low == (-1.0,) and env.spec.action_high == (1.0,)


def test_reset_states_fill_the_interval_of_gymnasium():
    env = MountainCarContinuous(list(range(101)), 7)
    env.reset()
    position, speed = np.moveaxis(env.state, -1, 0)
    assert (speed == 0).all()
    assert -0.6 <= position.min() < -0.599 and -0.401 < position.max() < -0.4
