"""Sampled transitions follow the process they are drawn from."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pgx.environments.exact import objective
from pgx.environments.mdp import MDP
from pgx.environments.tabular import Outcomes, Tabular
from pgx.errors import ConfigError
from pgx.streams import Stream

S, A, R, N = 4, 3, 2, 1009

TRANSITION = np.array(
    [
        [[0.0, 0.3, 0.0, 0.7], [0.25, 0.25, 0.25, 0.25], [0.0, 0.0, 1.0, 0.0]],
        [[0.5, 0.0, 0.5, 0.0], [0.1, 0.2, 0.3, 0.4], [0.0, 1.0, 0.0, 0.0]],
        [[0.9, 0.1, 0.0, 0.0], [1 / 3, 1 / 3, 1 / 3, 0.0], [0.0, 0.0, 0.0, 1.0]],
        [[0.0, 0.0, 0.0, 1.0]] * 3,
    ]
)


def process(reward: np.ndarray | None = None, start=(0.2, 0.0, 0.8, 0.0)) -> MDP:
    reward = np.arange(S * A).reshape(S, A) / 8 if reward is None else reward
    return MDP(TRANSITION, reward, start, [False, False, False, True])


def state(env: Tabular) -> np.ndarray:
    """The features are one-hot: int64 ``[R, N]``."""
    assert (env.observation.sum(-1) == 1).all()
    return env.observation.argmax(-1)


def test_states_follow_their_probabilities_and_rewards_their_table():
    env, rng = Tabular([3, 9], N, process()), np.random.default_rng(0)
    env.reset()
    share = (state(env) == 0).mean()
    assert abs(share - 0.2) < 4 * np.sqrt(0.16 / (R * N)) and set(np.unique(state(env))) == {0, 2}
    count = np.zeros((S, A, S))
    for _ in range(40):
        before, action = state(env), rng.integers(0, A, (R, N))
        step = env.step(action)
        after = step.next_observation.argmax(-1)
        np.add.at(count, (before, action, after), 1)
        assert np.array_equal(step.reward, ((before * A + action) / 8).astype(np.float32))
        assert np.array_equal(step.terminated, after == 3) and not step.truncated.any()
        env.reset(step.terminated)
    assert (count[TRANSITION == 0] == 0).all()
    total = count.sum(-1, keepdims=True)
    error = np.sqrt(TRANSITION * (1 - TRANSITION) / np.maximum(total, 1))
    assert (abs(count / np.maximum(total, 1) - TRANSITION)[:3] <= 4 * error[:3]).all()


def shares(probability: np.ndarray) -> np.ndarray:
    """What the tables of `Outcomes` make of every row, summed cell by cell: ``[M, S]``."""
    drawn, width = Outcomes(probability), int((probability > 0).sum(-1).max())
    found = np.zeros_like(probability)
    below, pair = drawn._below.reshape(-1, width), drawn._pair.reshape(-1, width, 2)
    for m, j in np.ndindex(below.shape):
        found[m, pair[m, j, 0]] += below[m, j] / width
        found[m, pair[m, j, 1]] += (1 - below[m, j]) / width
    return found


def test_the_tables_hold_the_probabilities():
    rng = np.random.default_rng(6)
    some = rng.dirichlet(np.ones(7) / 4, 50) * (rng.random((50, 7)) < 0.6)
    some[:, 3] += some.sum(-1) == 0
    some /= some.sum(-1, keepdims=True)
    for probability in (TRANSITION.reshape(-1, S), some, np.eye(7)[:2] * 0.5 + 0.5 / 7):
        np.testing.assert_allclose(shares(probability), probability, rtol=0, atol=1e-15)


def test_a_step_looks_its_number_up():
    """u in [0, .5) is the first pair of (.3, .7), and its first .6 the outcome .3."""
    drawn = Outcomes(np.array([[0.0, 0.3, 0.7], [1.0, 0.0, 0.0]]))
    uniform = np.array([0.0, 0.299, 0.301, 0.499, 0.5, 0.999])
    rows = np.zeros(6, dtype=np.int64)
    assert drawn(rows, uniform).tolist() == [1, 1, 2, 2, 2, 2]
    assert drawn(rows + 1, uniform).tolist() == [0] * 6


def test_a_slots_numbers_are_its_streams():
    env, rng = Tabular([3, 9], N, process()), np.random.default_rng(1)
    env.reset()
    before, action = state(env), rng.integers(0, A, (R, N))
    env.step(action)
    uniform = Stream([3, 9], "dynamics").uniform64(np.zeros((R, N), dtype=np.int64), 1, 1)
    table = Outcomes(TRANSITION.reshape(-1, S))
    wanted = table((before * A + action).reshape(-1), uniform.reshape(-1)).reshape(R, N)
    assert np.array_equal(state(env), wanted)


def test_rewards_may_depend_on_the_successor():
    reward = np.arange(S * A * S).reshape(S, A, S) / 8
    env, rng = Tabular([3, 9], N, process(reward)), np.random.default_rng(2)
    env.reset()
    before, action = state(env), rng.integers(0, A, (R, N))
    step = env.step(action)
    assert np.array_equal(step.reward, reward[before, action, state(env)].astype(np.float32))


def test_the_mean_return_is_the_exact_one():
    mdp, rng = process(), np.random.default_rng(3)
    env = Tabular([3, 9], N, mdp)
    env.reset()
    total, active = np.zeros((R, N)), np.ones((R, N), dtype=bool)
    while active.any():
        step = env.step(rng.integers(0, A, (R, N)), active)
        total[active] += step.reward[active]
        active &= ~step.terminated
    exact = objective(mdp, torch.full((S, A), 1 / A, dtype=torch.float64), 1.0).item()
    assert abs(total.mean() - exact) < 4 * total.std() / np.sqrt(total.size)


@pytest.mark.parametrize("states", [10, 49, 1000])
def test_rounding_cannot_yield_an_impossible_state(states):
    """Shares that are no binary fractions; the last of all uniform numbers, and the first."""
    probability = np.zeros((1, states + 2))
    probability[0, 1 : states + 1] = 1 / states
    drawn = Outcomes(probability)
    ends = np.array([0.0, np.nextafter(1.0, 0.0)])
    found = drawn(np.zeros(2, dtype=np.int64), ends)
    assert ((found >= 1) & (found <= states)).all()
    pairs = set(drawn._pair.tolist())
    assert pairs <= set(range(1, states + 1)) and len(pairs) == states


def test_where_nothing_is_random_nothing_is_drawn():
    fixed = MDP([[[0.0, 1]], [[0, 1]]], [[1.0], [0]], [1.0, 0], [False, True])
    env = Tabular([0, 1], 3, fixed)
    env._reserve = env._start_reserve = None
    env.reset()
    step = env.step(np.zeros((2, 3), dtype=np.int64))
    assert step.terminated.all() and (step.reward == 1).all()


def test_max_steps_truncates_each_episode_by_its_own_count():
    loop = MDP([[[1.0]]], [[1.0]], [1.0], [False])
    env, action = Tabular([0, 1], 3, loop, max_steps=4), np.zeros((2, 3), dtype=np.int64)
    env.reset()
    late = np.array([[False, True, False], [True, False, False]])
    assert not env.step(action).truncated.any()
    env.reset(late)
    for step in range(2, 6):
        truncated = env.step(action).truncated
        assert (truncated[~late] == (step >= 4)).all() and (truncated[late] == (step >= 5)).all()
    assert env.spec.time_limit == 4


def test_an_episode_of_no_steps_is_refused():
    with pytest.raises(ConfigError, match=r"environment\.max_steps=0"):
        Tabular([0], 1, process(), max_steps=0)


def test_an_action_that_does_not_exist_is_refused():
    env = Tabular([0], 1, process())
    env.reset()
    with pytest.raises(IndexError):
        env.step(np.array([[A]]))
