"""CartPole equals gymnasium's bit for bit, and its reset states come from counters alone."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest

from pgx.environments.cartpole import CartPole
from pgx.errors import ConfigError
from pgx.streams import Stream

R, N = 3, 5


def balance(observation: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Actions that keep the pole up for long, with some noise: int64 ``[R, N]``."""
    lean = observation[..., 2] + 0.5 * observation[..., 3] + 0.05 * observation[..., 0]
    noise = 0.1 * rng.standard_normal(lean.shape)
    return (lean + noise > 0).astype(np.int64)


def scalars(states: np.ndarray) -> list[gym.Env]:
    """One scalar gymnasium environment per slot, in the given float64 ``[R, N, 4]`` states."""
    envs = []
    for state in states.reshape(-1, 4):
        env = gym.make("CartPole-v1")
        env.reset(seed=0)
        env.unwrapped.state = state.copy()
        envs.append(env)
    return envs


def states(env: CartPole) -> np.ndarray:
    """What gymnasium calls the state, float64 ``[R, N, 4]``."""
    return env.state_dict()["state"].numpy()


@pytest.mark.parametrize("policy", ["random", "balance"])
def test_every_step_equals_gymnasiums_scalar_environment(policy):
    env, rng = CartPole([3, 1, 8], N), np.random.default_rng(0)
    env.reset()
    others, ends = scalars(states(env)), {"terminated": 0, "truncated": 0}
    for _ in range(1500):
        random = rng.integers(0, 2, (R, N))
        action = random if policy == "random" else balance(env.observation, rng)
        step = env.step(action)
        for row, other in enumerate(others):
            place = divmod(row, N)
            observation, reward, terminated, truncated, _ = other.step(int(action[place]))
            assert observation.dtype == step.next_observation.dtype == np.float32
            assert np.array_equal(observation, step.next_observation[place])
            assert reward == step.reward[place]
            assert terminated == step.terminated[place] and truncated == step.truncated[place]
        ended = step.terminated | step.truncated
        ends["terminated"] += int(step.terminated.sum())
        ends["truncated"] += int(step.truncated.sum())
        env.reset(ended)
        for row in np.flatnonzero(ended):
            others[row].reset(seed=0)
            others[row].unwrapped.state = states(env).reshape(-1, 4)[row]
    assert ends["terminated"] > 100 if policy == "random" else ends["truncated"] > 20


def test_terminated_and_truncated_may_both_be_set_as_in_gymnasium():
    env = CartPole([0], 2, max_episode_steps=1)
    env.reset()
    env.set_state(np.array([[[2.399, 3.0, 0, 0], [0, 0, 0, 0]]]))
    step = env.step(np.ones((1, 2), dtype=np.int64))
    assert step.terminated.tolist() == [[True, False]] and step.truncated.all()
    assert env.spec.time_limit == 1


@pytest.mark.parametrize("limit", [2.4, 12 * 2 * np.pi / 360])
def test_the_limits_themselves_do_not_terminate(limit):
    env = CartPole([0], 3)
    env.reset()
    state = np.zeros((1, 3, 4))
    state[0, :, 0 if limit == 2.4 else 2] = limit, np.nextafter(limit, 9), -np.nextafter(limit, 9)
    env.set_state(state)
    step = env.step(np.zeros((1, 3), dtype=np.int64))
    assert step.terminated.tolist() == [[False, True, True]]


def test_gymnasiums_vector_environment_takes_the_same_steps():
    """It does, but draws the reset states of all its slots from one generator that moves."""
    vector, rng = gym.make_vec("CartPole-v1", R * N), np.random.default_rng(1)
    vector.reset(seed=0)
    env = CartPole([3, 1, 8], N)
    env.reset()
    env.set_state(vector.unwrapped.state.T.reshape(R, N, 4))
    live = np.ones(R * N, dtype=bool)
    for _ in range(100):
        action = rng.integers(0, 2, (R, N))
        step = env.step(action)
        observation, reward, terminated, truncated, _ = vector.step(action.ravel())
        assert np.array_equal(step.next_observation.reshape(-1, 4)[live], observation[live])
        assert np.array_equal(step.terminated.ravel()[live], terminated[live])
        assert np.array_equal(step.truncated.ravel()[live], truncated[live])
        assert np.array_equal(step.reward.ravel()[live], reward[live])
        live &= ~(terminated | truncated)
    assert not live.any()


def test_episode_k_of_a_slot_depends_on_seed_slot_and_k_alone():
    seeds, rng = [3, 1, 8], np.random.default_rng(2)
    env = CartPole(seeds, N)
    uniform = Stream(seeds, "resets")
    for _ in range(200):  # far beyond what is drawn ahead, in no order
        mask = rng.random((R, N)) < np.linspace(0.1, 0.9, N)
        expected = 0.1 * uniform.uniform64(env.episode, 1, 4)[:, 0] - 0.05
        env.reset(mask)
        assert np.array_equal(states(env)[mask], expected[mask])
        assert np.array_equal(env.observation[mask], expected[mask].astype(np.float32))
    assert env.episode.min() > 1 and env.episode.max() > 100


def test_reset_states_fill_the_interval_of_gymnasium():
    env = CartPole(list(range(101)), 7)
    env.reset()
    state = states(env)
    assert abs(state).max() < 0.05 and abs(state).max() > 0.0499
    assert abs(state.mean()) < 4 * 0.1 / np.sqrt(12 * state.size)
    assert abs(state.var() / (0.01 / 12) - 1) < 0.1


def test_arrays_are_reused_and_of_the_promised_kind():
    env = CartPole([3, 1, 8], N)
    env.reset()
    shown = env.observation
    first, second = (env.step(np.ones((R, N), dtype=np.int64)) for _ in range(2))
    assert env.observation is shown and first.reward is second.reward
    assert shown.dtype == np.float32 and shown.shape == (R, N, 4) and shown.flags["C_CONTIGUOUS"]


def test_an_episode_of_no_steps_is_refused():
    with pytest.raises(ConfigError, match=r"environment\.max_episode_steps=0"):
        CartPole([0], 1, max_episode_steps=0)


def test_an_action_that_does_not_exist_is_refused():
    env = CartPole([0], 1)
    env.reset()
    with pytest.raises(IndexError):
        env.step(np.array([[2]]))
