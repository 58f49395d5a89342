"""The lunar lander plays gymnasium's episodes, each from its own seed, wherever it lives."""

from __future__ import annotations

import sys

import gymnasium as gym
import numpy as np
import pytest

from pgx.environments.gymnasium import Gymnasium
from pgx.environments.lunarlander import LunarLander
from pgx.errors import ConfigError

SEEDS, N = (3, 1, 8), 2


@pytest.fixture
def make():
    """Landers that are closed when the test ends."""
    opened = []

    def make(seeds=SEEDS, slots=N, **kwargs) -> LunarLander:
        opened.append(LunarLander(seeds, slots, **kwargs))
        return opened[-1]

    yield make
    for env in opened:
        env.close()


def play(env: LunarLander, replica: slice = slice(None)) -> list[np.ndarray]:
    """What replicas see in 300 decisions, under actions that were drawn for all of them."""
    rng, seen = np.random.default_rng(0), []
    env.reset()
    for _ in range(300):
        if env.spec.action_kind == "discrete":
            action = rng.integers(0, 4, (len(SEEDS), N))[replica]
        else:
            action = rng.uniform(-1.5, 1.5, (len(SEEDS), N, 2)).astype(np.float32)[replica]
        step = env.step(action)
        seen += [part.copy() for part in step]
        env.reset(step.terminated | step.truncated)
        seen += [env.observation.copy(), env.episode.copy()]
    return seen


@pytest.mark.parametrize("continuous", [False, True])
def test_a_replica_alone_equals_itself_among_others(make, continuous):
    together = play(make(continuous=continuous))
    assert together[-1].min() > 1  # several landings, each in a world made anew
    for r, seed in enumerate(SEEDS):
        alone = play(make([seed], continuous=continuous), slice(r, r + 1))
        for one, among in zip(alone, together, strict=True):
            assert np.array_equal(one[0], among[r])


def test_worker_processes_play_the_same_episodes(make):
    for one, other in zip(play(make()), play(make(vectorization="async")), strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("continuous", [False, True])
def test_episode_k_is_gymnasiums_from_its_seed(make, continuous):
    """The third episode of every slot, beside a fresh lander that begins with its seed."""
    env, rng = make(continuous=continuous), np.random.default_rng(1)
    for _ in range(3):
        env.reset()
        env.step(np.ones((3, N, *[2] * continuous), dtype=np.float32 if continuous else np.int64))
    env.reset()
    seeds = env._reserve._draw(env.episode - 1, 1).ravel()
    actions = rng.integers(0, 4, (40, 3, N)), rng.uniform(-1, 1, (40, 3, N, 2)).astype(np.float32)
    others = [gym.make("LunarLander-v3", continuous=continuous) for _ in seeds]
    for row, (other, seed) in enumerate(zip(others, seeds, strict=True)):
        shown = other.reset(seed=int(seed))[0]
        assert np.array_equal(shown, env.observation[divmod(row, N)])
    for action in actions[continuous]:
        step = env.step(action)
        for row, other in enumerate(others):
            place = divmod(row, N)
            shown, reward, terminated, truncated, _ = other.step(action[place])
            assert np.array_equal(shown, step.next_observation[place])
            assert np.float32(reward) == step.reward[place]
            assert (terminated, truncated) == (step.terminated[place], step.truncated[place])


def test_what_is_chosen(make):
    four, throttles = make().spec, make(continuous=True, max_episode_steps=7).spec
    assert (four.id, four.observation_shape, four.actions) == ("LunarLander-v3", (8,), 4)
    assert four.action_kind == "discrete" and four.time_limit == 1000
    assert throttles.id == "LunarLanderContinuous-v3" and throttles.actions == 2
    assert throttles.action_low == (-1.0, -1.0) and throttles.action_high == (1.0, 1.0)
    assert throttles.time_limit == 7 and issubclass(LunarLander, Gymnasium)


def test_falling_ends_in_a_crash_that_costs_a_hundred(make):
    env = make(seeds=(0,), slots=3)
    env.reset()
    alive = np.ones((1, 3), dtype=bool)
    for _ in range(200):
        step = env.step(np.zeros((1, 3), dtype=np.int64), alive)
        assert (step.reward[alive & step.terminated] == -100).all()
        alive &= ~step.terminated
    assert not alive.any()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"continuous": 1}, r"^environment\.continuous=1: choose true or false$"),
        ({"vectorization": "vector_entry_point"}, r"^environment\.vectorization=vector_entry"),
        ({"max_episode_steps": 0}, r"^environment\.max_episode_steps=0: choose a whole number"),
    ],
)
def test_mistakes_are_one_line_that_names_the_key(make, arguments, line):
    with pytest.raises(ConfigError, match=line):
        make(**arguments)


def test_without_box2d_it_says_what_to_install(make, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("gymnasium.envs.box2d")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "Box2D", None)
    expected = (
        r"^environment\.id='LunarLander-v3' needs a missing package: "
        r"pip install 'pgx-lab\[box2d\]'$"
    )
    with pytest.raises(ConfigError, match=expected):
        make()
