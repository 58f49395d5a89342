"""The contract that every environment keeps, whatever it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import hydra
import numpy as np
import pytest
from omegaconf import OmegaConf

import pgx.config  # noqa: F401 - its resolvers
from pgx.environments.acrobot import Acrobot
from pgx.environments.bandit import Bandit
from pgx.environments.base import Environment
from pgx.environments.cartpole import CartPole
from pgx.environments.chain import Chain
from pgx.environments.corridor import Corridor
from pgx.environments.gymnasium import Gymnasium
from pgx.environments.lunarlander import LunarLander
from pgx.environments.mdp import MDP
from pgx.environments.mountain_car import MountainCar
from pgx.environments.mountain_car_continuous import MountainCarContinuous
from pgx.environments.pendulum import Pendulum
from pgx.environments.regulator import Regulator
from pgx.environments.tabular import Tabular
from pgx.errors import ConfigError
from pgx.types import Transition

SEEDS, N, T = (6, 0, 2**40), 5, 40
CONF = Path(__file__).parents[2] / "conf" / "environment"
EXAMPLE = str(Path(__file__).with_name("two_rooms.yaml"))  #: a process in a file

Make = Callable[..., Environment]


def random_tabular(seeds, slots) -> Tabular:
    rng = np.random.default_rng(0)
    transition = rng.dirichlet(np.ones(4), (4, 2))
    start = [0.5, 0.25, 0.25, 0]
    mdp = MDP(transition, rng.standard_normal((4, 2)), start, [False] * 3 + [True])
    return Tabular(seeds, slots, mdp, max_steps=6)


ENVIRONMENTS: dict[str, Make] = {
    "cartpole": lambda seeds, slots: CartPole(seeds, slots, max_episode_steps=12),
    "acrobot": lambda seeds, slots: Acrobot(seeds, slots, 12),
    "pendulum": lambda seeds, slots: Pendulum(seeds, slots, 12),
    "mountain_car": lambda seeds, slots: MountainCar(seeds, slots, 12),
    "mountain_car_continuous": lambda seeds, slots: MountainCarContinuous(seeds, slots, 12),
    "corridor": lambda seeds, slots: Corridor(seeds, slots, max_steps=9),
    "tabular": random_tabular,
    "bandit": lambda seeds, slots: Bandit(seeds, slots, [0.0, 1.0, -2.0], 0.5),
    "chain": lambda seeds, slots: Chain(seeds, slots, 4, 0.2, max_steps=9),
    "regulator": lambda seeds, slots: Regulator(seeds, slots, 4),
    "lunarlander": lambda seeds, slots: LunarLander(seeds, slots, max_episode_steps=12),
    "sync": lambda seeds, slots: Gymnasium(seeds, slots, "CartPole-v1", "sync", 12),
    "async": lambda seeds, slots: Gymnasium(seeds, slots, "CartPole-v1", "async", 12),
    "vector": lambda seeds, slots: Gymnasium(seeds, slots, "CartPole-v1", "vector_entry_point", 12),
    "box": lambda seeds, slots: Gymnasium(seeds, slots, "Pendulum-v1", "sync", 12),
}


@pytest.fixture(params=ENVIRONMENTS)
def make(request) -> Iterator[Make]:
    opened = []

    def make(seeds=SEEDS, slots=N) -> Environment:
        opened.append(ENVIRONMENTS[request.param](seeds, slots))
        return opened[-1]

    yield make
    for env in opened:
        env.close()


def actions(env: Environment, rng: np.random.Generator) -> np.ndarray:
    shape = (len(SEEDS), N)
    if env.spec.action_kind == "discrete":
        return rng.integers(0, env.spec.actions, shape)
    return rng.uniform(-1, 1, (*shape, env.spec.actions)).astype(np.float32)


def copied(step: Transition) -> list[np.ndarray]:
    return [part.copy() for part in step]


def play(env: Environment, replica: slice, masked: bool) -> list[np.ndarray]:
    """What replicas see under actions and masks that were drawn for all of them."""
    rng, seen = np.random.default_rng(1), []
    env.reset()
    for _ in range(T):
        action = actions(env, rng)[replica]
        active = (rng.random((len(SEEDS), N)) < 0.7)[replica]
        step = env.step(action, active if masked else None)
        used = active if masked else np.ones_like(active)
        parts = copied(step)
        for part in parts:
            part[~used] = 0
        seen += parts
        env.reset((step.terminated | step.truncated) & used)
        seen += [env.observation.copy(), env.episode.copy()]
    return seen


@pytest.mark.parametrize("masked", [False, True])
def test_a_replica_alone_equals_itself_among_others(make, masked):
    together = play(make(), slice(None), masked)
    assert together[-1].max() > 2
    for r, seed in enumerate(SEEDS):
        alone = play(make([seed]), slice(r, r + 1), masked)
        for one, among in zip(alone, together, strict=True):
            assert one.dtype == among.dtype and np.array_equal(one[0], among[r])


def test_replicas_and_slots_are_named_by_seed_and_place(make):
    forward, back = make(SEEDS), make(SEEDS[::-1])
    forward.reset()
    back.reset()
    assert np.array_equal(forward.observation, back.observation[::-1])
    fewer = make(SEEDS, 2)
    fewer.reset()
    assert np.array_equal(fewer.observation, forward.observation[:, :2])


def test_kinds_and_shapes(make):
    env = make()
    env.reset()
    grid, spec = (len(SEEDS), N), env.spec
    assert (env.replicas, env.slots) == grid and env.seeds == SEEDS
    assert env.episode.shape == grid and env.episode.dtype == np.int64 and (env.episode == 1).all()
    step = env.step(actions(env, np.random.default_rng(0)))
    for array in (env.observation, step.next_observation):
        assert array.shape == (*grid, *spec.observation_shape) and array.dtype == np.float32
    kinds = (np.float32, np.bool_, np.bool_)
    for part, kind in zip(step[:3], kinds, strict=True):
        assert part.shape == grid and part.dtype == kind
    if spec.action_kind == "continuous":
        assert len(spec.action_low) == len(spec.action_high) == spec.actions


def state_of(env: Environment) -> list[np.ndarray]:
    """All that a slot is: the saved state, slot by slot, and what it shows."""
    return [*(value.numpy() for value in env.state_dict().values()), env.observation.copy()]


def test_inactive_slots_keep_every_bit(make):
    env, rng = make(), np.random.default_rng(2)
    env.reset()
    for _ in range(T):
        before = state_of(env)
        active = rng.random((len(SEEDS), N)) < 0.5
        step = env.step(actions(env, rng), active)
        for old, new in zip(before, state_of(env), strict=True):
            assert np.array_equal(old[~active], new[~active])
        assert np.array_equal(step.next_observation[active], env.observation[active])
        env.reset((step.terminated | step.truncated) & active)


def test_a_paused_slot_goes_on_as_if_nothing_had_been(make):
    first, second, rng = make(), make(), np.random.default_rng(3)
    first.reset()
    second.reset()
    odd = np.arange(len(SEEDS) * N).reshape(len(SEEDS), N) % 2 == 1
    for _ in range(5):
        action = actions(first, rng)
        whole = copied(first.step(action))
        halves = [copied(second.step(action, mask)) for mask in (odd, ~odd)]
        for full, left, right in zip(whole, *halves, strict=True):
            assert np.array_equal(full[odd], left[odd])
            assert np.array_equal(full[~odd], right[~odd])
        ended = whole[1] | whole[2]
        first.reset(ended)
        second.reset(ended & odd)
        second.reset(ended & ~odd)
        assert np.array_equal(first.observation, second.observation)


def test_nobody_active_changes_nothing(make):
    env = make()
    env.reset()
    before = state_of(env)
    env.step(actions(env, np.random.default_rng(0)), np.zeros((len(SEEDS), N), dtype=bool))
    env.reset(np.zeros((len(SEEDS), N), dtype=bool))
    for old, new in zip(before, state_of(env), strict=True):
        assert np.array_equal(old, new)


def test_reset_touches_only_the_slots_of_its_mask(make):
    env, rng = make(), np.random.default_rng(4)
    env.reset()
    env.step(actions(env, rng))
    before = state_of(env)
    mask = rng.random((len(SEEDS), N)) < 0.5
    assert mask.any() and not mask.all()
    env.reset(mask)
    for old, new in zip(before, state_of(env), strict=True):
        assert np.array_equal(old[~mask], new[~mask])
    assert np.array_equal(env.episode, 1 + mask)


def test_loading_continues_exactly(make):
    first, rng = make(), np.random.default_rng(5)
    first.reset()
    for _ in range(7):
        step = first.step(actions(first, rng))
        first.reset(step.terminated | step.truncated)
    saved = first.state_dict()
    kept = {name: value.clone() for name, value in saved.items()}
    second = make()
    second.load_state_dict(saved)
    if first.exact_resume:
        assert np.array_equal(second.observation, first.observation)
    else:
        first.reset()
        second.reset()
    for _ in range(T):
        action = actions(first, rng)
        one, two = copied(first.step(action)), copied(second.step(action))
        for left, right in zip(one, two, strict=True):
            assert np.array_equal(left, right)
        first.reset(one[1] | one[2])
        second.reset(one[1] | one[2])
        assert np.array_equal(first.observation, second.observation)
    for name, value in saved.items():
        assert value.equal(kept[name])  # copies, not views


def test_states_of_some_slots_may_be_put_into_others(make):
    """A frozen replica goes back to its last good state while the others go on."""
    env, rng = make(), np.random.default_rng(6)
    if not env.exact_resume:
        pytest.skip("episodes that were begun cannot be saved")
    env.reset()
    good, shown = env.state_dict(), env.observation.copy()
    for _ in range(4):
        step = env.step(actions(env, rng))
        env.reset(step.terminated | step.truncated)
    present, now = env.state_dict(), env.observation.copy()
    for name, value in present.items():
        assert value.shape[:2] == (len(SEEDS), N)
        value[1, 2:] = good[name][1, 2:]
    env.load_state_dict(present)
    now[1, 2:] = shown[1, 2:]
    assert np.array_equal(env.observation, now)
    action = actions(env, rng)
    after = copied(env.step(action))
    env.load_state_dict(good)
    again = copied(env.step(action))
    for one, other in zip(after, again, strict=True):
        assert np.array_equal(one[1, 2:], other[1, 2:])


@pytest.mark.parametrize("path", sorted(CONF.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_option_can_be_instantiated(path):
    config = OmegaConf.load(path)
    if path.stem == "table":
        config.file = EXAMPLE
    try:
        env = hydra.utils.instantiate(config, seeds=[3, 1], slots=2)
    except ConfigError as error:
        if "needs a missing package" in str(error):
            pytest.skip(str(error))
        raise
    try:
        env.reset()
        assert isinstance(env, Environment) and env.observation.shape[:2] == (2, 2)
    finally:
        env.close()
