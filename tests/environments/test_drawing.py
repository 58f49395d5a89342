"""Pictures without a screen: of the state that is there, in the slot that was asked for."""

from __future__ import annotations

import sys
from collections.abc import Callable

import gymnasium as gym
import numpy as np
import pytest

from pgx.environments.acrobot import Acrobot
from pgx.environments.base import Environment
from pgx.environments.cartpole import CartPole
from pgx.environments.corridor import Corridor
from pgx.environments.gymnasium import Gymnasium
from pgx.environments.lunarlander import LunarLander
from pgx.environments.mountain_car import MountainCar
from pgx.environments.mountain_car_continuous import MountainCarContinuous
from pgx.environments.pendulum import Pendulum
from pgx.errors import ConfigError

SEEDS, N = (6, 0), 3
CLASSIC = (CartPole, Acrobot, MountainCar, MountainCarContinuous, Pendulum)
DRAWN: dict[str, Callable[..., Environment]] = {cls.__name__: cls for cls in CLASSIC}
DRAWN["LunarLander"] = LunarLander
DRAWN["Gymnasium"] = lambda seeds, slots: Gymnasium(seeds, slots, "CartPole-v1")


def some_action(env: Environment) -> np.ndarray:
    if env.spec.action_kind == "discrete":
        return np.ones((2, N), dtype=np.int64)
    return np.ones((2, N, env.spec.actions), dtype=np.float32)


@pytest.mark.parametrize("name", DRAWN)
def test_a_camera_shows_its_slot_and_changes_nothing(name: str) -> None:
    env, twin = DRAWN[name](SEEDS, N), DRAWN[name](SEEDS, N)
    look, seen = env.camera(1, 2), []
    for both in (env, twin):
        both.reset()
    only = np.zeros((2, N), dtype=bool)
    only[1, 2] = True
    for count in range(1, 13):
        seen.append(look())
        active = only if count <= 6 else ~only
        step, other = env.step(some_action(env), active), twin.step(some_action(env), active)
        for one, two in zip(step, other, strict=True):
            np.testing.assert_array_equal(one[active], two[active])
    np.testing.assert_array_equal(env.observation, twin.observation)
    assert seen[0].dtype == np.uint8
    assert seen[0].ndim == 3
    assert seen[0].shape[-1] == 3
    assert len(np.unique(seen[0].reshape(-1, 3), axis=0)) > 2
    assert (seen[0] != seen[6]).any()  # six steps on
    if name != "LunarLander":  # whose exhaust fades from picture to picture
        np.testing.assert_array_equal(seen[6], seen[11])  # then only others moved
    env.close()


@pytest.mark.parametrize("cls", CLASSIC)
def test_the_picture_is_gymnasiums(cls: type[Environment]) -> None:
    env = cls(SEEDS, N)
    look = env.camera(0, 1)
    env.reset()
    theirs = gym.make(env.spec.id, render_mode="rgb_array").unwrapped
    theirs.reset(seed=1)
    theirs.state = env.state[0, 1]
    np.testing.assert_array_equal(look(), theirs.render())


def test_a_pendulum_shows_its_torque_once_it_acts() -> None:
    env = Pendulum(SEEDS, N)
    look = env.camera(0, 0)
    env.reset()
    env.set_state(np.zeros((2, N, 2)))
    before = look()
    env.step(np.full((2, N, 1), 1.5, dtype=np.float32))
    env._state[...] = 0.0  # where it was: what differs is the arrow
    assert (look() != before).any()


def test_what_has_no_picture_says_so() -> None:
    with pytest.raises(ConfigError, match="corridor cannot be drawn"):
        Corridor(SEEDS, N).camera(0, 0)
    env = Gymnasium(SEEDS, N, "CartPole-v1", "vector_entry_point")
    with pytest.raises(ConfigError, match="vectorization=vector_entry_point: only sync"):
        env.camera(0, 0)
    env.close()


def test_a_missing_package_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pygame", None)
    with pytest.raises(ConfigError, match=r"missing package: pip install 'pgx-lab\[video\]'"):
        CartPole(SEEDS, N).camera(0, 0)
