"""The classic control problems step as gymnasium's own, slot by slot, whatever the others do."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest

from pgx.environments.acrobot import Acrobot
from pgx.environments.cartpole import CartPole
from pgx.environments.classic import Classic
from pgx.environments.mountain_car import MountainCar
from pgx.environments.mountain_car_continuous import MountainCarContinuous
from pgx.environments.pendulum import Pendulum
from pgx.errors import ConfigError
from pgx.streams import Stream

R, N = 3, 5
SEEDS = [3, 1, 8]

#: Each with the largest difference of a state after one step, and one of observation and reward.
KINDS: dict[type[Classic], tuple[float, float]] = {
    Acrobot: (1e-10, 2e-6),
    MountainCar: (1e-12, 1e-7),
    MountainCarContinuous: (2e-7, 1e-6),  # gymnasium's state is float32
    Pendulum: (1e-12, 2e-6),
}
LOW = {
    Acrobot: [-0.1] * 4,
    MountainCar: [-0.6, 0.0],
    MountainCarContinuous: [-0.6, 0.0],
    Pendulum: [-np.pi, -1.0],
}
HIGH = {
    Acrobot: [0.1] * 4,
    MountainCar: [-0.4, 0.0],
    MountainCarContinuous: [-0.4, 0.0],
    Pendulum: [np.pi, 1.0],
}

every = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)


def actions(env: Classic, rng: np.random.Generator) -> np.ndarray:
    """Actions that go with the movement two times out of three, which gets anywhere."""
    moving = np.sign(env.state[..., -1])
    sign = np.where(rng.random((R, N)) < 0.67, moving, rng.integers(-1, 2, (R, N)))
    if env.spec.action_kind == "discrete":
        return (sign + 1).astype(np.int64)
    return (env.spec.action_high[0] * (sign * rng.random((R, N))))[..., None].astype(np.float32)


def twins(env: Classic) -> list[gym.Env]:
    """Gymnasium's own environment for every slot, not yet in its state."""
    others = [gym.make(env.spec.id) for _ in range(R * N)]
    for other in others:
        other.reset(seed=0)
    return others


@every
def test_every_step_equals_gymnasiums(kind):
    """From the same state: successor, observation, reward and ends, over whole episodes."""
    env, rng = kind(SEEDS, N), np.random.default_rng(0)
    near_state, near_shown = KINDS[kind]
    env.reset()
    others, ends = twins(env), np.zeros(2, dtype=int)
    for _ in range(1100):
        before = env.state.reshape(R * N, -1).copy()
        if kind is MountainCarContinuous:  # as gymnasium holds it
            before = before.astype(np.float32)
        action = actions(env, rng)
        step = env.step(action)
        after = env.state.reshape(R * N, -1)
        for row, other in enumerate(others):
            place = divmod(row, N)
            other.unwrapped.state = before[row]
            observation, reward, terminated, truncated, _ = other.step(action[place])
            assert np.abs(after[row] - other.unwrapped.state).max() <= near_state
            assert np.abs(observation - step.next_observation[place]).max() <= near_shown
            assert abs(reward - step.reward[place]) <= 4 * near_shown
            assert (terminated, truncated) == (step.terminated[place], step.truncated[place])
        ended = step.terminated | step.truncated
        ends += [step.terminated.sum(), step.truncated.sum()]
        env.reset(ended)
        for row in np.flatnonzero(ended):
            others[row].reset(seed=0)
    assert ends[0] > (-1 if kind is Pendulum else 10) and ends.sum() >= 5


@every
def test_the_spec_is_gymnasiums(kind):
    env, other = kind(SEEDS, N), gym.make(kind(SEEDS, N).spec.id)
    assert env.spec.observation_shape == other.observation_space.shape
    assert env.spec.time_limit == other.spec.max_episode_steps
    if env.spec.action_kind == "discrete":
        assert env.spec.actions == other.action_space.n
    else:
        assert env.spec.actions == 1
        assert env.spec.action_low == tuple(other.action_space.low)
        assert env.spec.action_high == tuple(other.action_space.high)


@every
def test_episode_k_of_a_slot_depends_on_seed_slot_and_k_alone(kind):
    env, rng, uniform = kind(SEEDS, N), np.random.default_rng(2), Stream(SEEDS, "resets")
    low, high = np.array(LOW[kind]), np.array(HIGH[kind])
    for _ in range(60):  # beyond what is drawn ahead, in no order
        mask = rng.random((R, N)) < np.linspace(0.1, 0.9, N)
        drawn = uniform.uniform64(env.episode, 1, len(low))[:, 0]
        env.reset(mask)
        assert np.array_equal(env.state[mask], (low + (high - low) * drawn)[mask])
    assert env.episode.min() > 1 and env.episode.max() > 30


@every
def test_reset_states_fill_gymnasiums_interval(kind):
    env, other = kind(list(range(101)), 7), gym.make(kind([0], 1).spec.id)
    env.reset()
    gymnasiums = []
    for seed in range(707):
        other.reset(seed=seed)
        gymnasiums.append(np.array(other.unwrapped.state))
    low, high = np.array(LOW[kind]), np.array(HIGH[kind])
    near = 0.02 * (high - low)
    for state in (env.state.reshape(707, -1), np.array(gymnasiums)):
        assert (state >= low - 1e-7).all() and (state <= high + 1e-7).all()
        assert (state.min(0) - low <= near).all() and (high - state.max(0) <= near).all()


@every
def test_a_lone_slot_equals_itself_among_many(kind):
    """One slot of one replica: no vectorised loop has a body, only a tail."""
    wide, lone, rng = kind(SEEDS, 1), kind(SEEDS[1:2], 1), np.random.default_rng(4)
    wide.reset()
    lone.reset()
    for _ in range(120):
        if wide.spec.action_kind == "discrete":
            action = rng.integers(0, wide.spec.actions, (R, 1))
        else:
            action = rng.uniform(-3, 3, (R, 1, 1)).astype(np.float32)
        one, among = lone.step(action[1:2]), wide.step(action)
        for left, right in zip(one, among, strict=True):
            assert np.array_equal(left[0], right[1])
        assert np.array_equal(lone.state[0], wide.state[1])


@pytest.mark.parametrize("kind", [*KINDS, CartPole], ids=lambda kind: kind.__name__)
def test_states_are_put_and_read_in_gymnasiums_order(kind):
    env = kind(SEEDS, N)
    env.reset()
    width = env.state.shape[-1]
    state = np.linspace(-0.05, 0.05, R * N * width).reshape(R, N, width)
    env.set_state(state)
    assert env.state.dtype == np.float64 and np.array_equal(env.state, state)
    assert np.array_equal(env.state_dict()["state"].numpy(), state)
    other = gym.make(env.spec.id)
    other.reset(seed=0)
    other.unwrapped.state = state[2, 3]
    action = np.zeros(1, np.float32) if env.spec.action_kind == "continuous" else 1
    step = env.step(np.broadcast_to(action, (R, N, *np.shape(action))).copy())
    observation = other.step(action)[0]
    assert np.abs(observation - step.next_observation[2, 3]).max() < 1e-6


@every
def test_the_time_limit_counts_the_decisions_of_each_slot(kind):
    env = kind([0], 2, max_episode_steps=3)
    env.reset()
    action = np.zeros((1, 2) if env.spec.action_kind == "discrete" else (1, 2, 1), dtype=np.int64)
    truncated = [env.step(action).truncated.tolist()[0]]
    truncated += [env.step(action, np.array([[True, False]])).truncated.tolist()[0]]
    truncated += [env.step(action).truncated.tolist()[0] for _ in range(2)]
    assert truncated[:3] == [[False, False], [False, False], [True, False]]
    assert truncated[3][1] and env.spec.time_limit == 3


@every
def test_an_episode_of_no_steps_is_refused(kind):
    with pytest.raises(ConfigError, match=r"environment\.max_episode_steps=0"):
        kind([0], 1, max_episode_steps=0)


@pytest.mark.parametrize("kind", [Acrobot, MountainCar])
def test_an_action_that_does_not_exist_is_refused(kind):
    env = kind([0], 1)
    env.reset()
    with pytest.raises(IndexError):
        env.step(np.array([[3]]))
