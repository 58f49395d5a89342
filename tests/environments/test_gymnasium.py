"""Gymnasium's environments keep their episodes, ends and successors behind our contract."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from pgx.environments.cartpole import CartPole
from pgx.environments.gymnasium import Gymnasium
from pgx.errors import ConfigError
from tests.support.arms import arm, tensors, trained

R, N = 3, 2
MODES = ["sync", "async", "vector_entry_point"]


class Counting(gym.Env):
    """Shows (seed, decision); ends by itself at decision ``end``, action 1 ends it at once."""

    observation_space = spaces.Box(-np.inf, np.inf, (2,), np.float64)
    action_space = spaces.Discrete(2, start=5)

    def __init__(self, end: int = 4) -> None:
        self.end = end

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.shown = np.array([seed % 2**20, 0.0])
        return self.shown, {}

    def step(self, action):
        assert type(action) is np.int64 and action in self.action_space
        self.shown[1] += 1  # in place: a caller that keeps no copy sees it change
        return self.shown, self.shown[1] / 4, action == 6, self.shown[1] >= self.end, {}


class Boxed(gym.Env):
    """Takes a float32 array of two by two and shows where in 3 to 6 its sum falls."""

    observation_space = spaces.Discrete(4, start=3)
    action_space = spaces.Box(-2.0, 1.0, (2, 2), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return 3 + int(self.np_random.integers(4)), {}

    def step(self, action):
        assert action.dtype == np.float32 and action in self.action_space
        total = float(action.sum())
        return 3 + int(total) % 4, total, False, False, {}


class Mixed(gym.Env):
    """Shows spaces within spaces, and in ``last`` the two choices it took (1 or 2, and 0 to 2)."""

    observation_space = spaces.Dict(
        {
            "box": spaces.Box(-9, 9, (2, 2), np.float64),
            "place": spaces.Discrete(3, start=1),
            "pair": spaces.Tuple((spaces.MultiBinary(2), spaces.Discrete(2))),
            "last": spaces.MultiDiscrete([2, 3], start=[1, 0]),
        }
    )
    action_space = spaces.MultiDiscrete([2, 3], start=[1, 0])

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.show(np.array([1, 0])), {}

    def show(self, last):
        self.shown = {
            "box": self.np_random.integers(-9, 9, (2, 2)).astype(np.float64),
            "place": 1 + int(self.np_random.integers(3)),
            "pair": (self.np_random.integers(0, 2, 2).astype(np.int8), 1),
            "last": last,
        }
        return self.shown

    def step(self, action):
        assert action in self.action_space
        return self.show(action), float(10 * action[0] + action[1]), False, False, {}


class Image(gym.Env):
    """Shows an image of bytes; its switches pay as the binary number they spell."""

    observation_space = spaces.Box(0, 255, (4, 3, 2), np.uint8)
    action_space = spaces.MultiBinary(3)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.arange(24, dtype=np.uint8).reshape(4, 3, 2) + 200, {}

    def step(self, action):
        assert action in self.action_space
        reward = float(action @ [4, 2, 1])
        return np.full((4, 3, 2), reward, dtype=np.uint8), reward, False, False, {}


class Unreadable(gym.Env):
    observation_space = spaces.Dict({"a": spaces.Tuple((spaces.Discrete(2), spaces.Text(3)))})
    action_space = spaces.Discrete(2)


class Unplayable(gym.Env):
    observation_space = spaces.Discrete(2)

    def __init__(self, kind: str = "many") -> None:
        self.action_space = {
            "many": spaces.MultiDiscrete([5, 13]),
            "switches": spaces.MultiBinary([70]),
            "dict": spaces.Dict({"a": spaces.Discrete(2)}),
            "tuple": spaces.Tuple((spaces.Discrete(2),)),
            "whole": spaces.Box(0, 3, (2,), np.int64),
        }[kind]


class Vector(VectorEnv):
    """A vector class of its own, of environments that show a Dict: the seed, and the action."""

    metadata = {"autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012

    def __init__(self, num_envs: int) -> None:
        self.num_envs = num_envs
        self.single_observation_space = spaces.Dict(
            begun=spaces.Box(0, np.inf, (1,), np.float32), taken=spaces.Discrete(3)
        )
        self.single_action_space = spaces.MultiDiscrete([3])
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

    def reset(self, *, seed=None, options=None):
        self.seed = np.full((self.num_envs, 1), seed % 2**20, dtype=np.float32)
        return {"begun": self.seed, "taken": np.zeros(self.num_envs, dtype=np.int64)}, {}

    def step(self, actions):
        off = np.zeros(self.num_envs, dtype=bool)
        return {"begun": self.seed, "taken": actions[:, 0]}, actions[:, 0] / 2, off, off, {}


class SameStep(VectorEnv):
    metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}  # noqa: RUF012

    def __init__(self, num_envs: int) -> None:
        self.single_observation_space = self.single_action_space = spaces.Discrete(2)


@pytest.fixture(autouse=True)
def registered():
    kinds = (Counting, Boxed, Mixed, Image, Unreadable, Unplayable)
    for kind in kinds:
        gym.register(f"pgx/{kind.__name__}-v0", kind, vector_entry_point=SameStep)
    yield
    for kind in kinds:
        del gym.registry[f"pgx/{kind.__name__}-v0"]


@pytest.fixture
def make():
    """Environments that are closed when the test ends."""
    opened = []

    def make(seeds=(4, 0, 9), slots=N, id="pgx/Counting-v0", **kwargs) -> Gymnasium:
        opened.append(Gymnasium(seeds, slots, id, **kwargs))
        return opened[-1]

    yield make
    for env in opened:
        env.close()


def play(env: Gymnasium, steps: int, seed: int = 0) -> list[np.ndarray]:
    """Random actions and masks; everything that may be read, step by step."""
    rng, seen = np.random.default_rng(seed), []
    env.reset()
    for _ in range(steps):
        action = rng.integers(0, env.spec.actions, (R, N))
        active = rng.random((R, N)) < 0.8
        step = env.step(action, active)
        seen += [np.where(active, part, 0) for part in step[:3]]
        seen += [step.next_observation.copy()]
        env.reset((step.terminated | step.truncated) & active)
        seen += [env.observation.copy(), env.episode.copy()]
    return seen


def test_vectorizations_play_the_same_episodes(make):
    runs = [play(make(id="CartPole-v1", vectorization=mode), 150) for mode in MODES]
    for others in runs[1:]:
        for one, other in zip(runs[0], others, strict=True):
            assert np.array_equal(one, other)
    assert runs[0][-1].max() > 4  # several episodes were begun


@pytest.mark.parametrize("mode", MODES)
def test_cartpole_takes_the_steps_of_our_own(make, mode):
    env, rng = make(id="CartPole-v1", vectorization=mode, max_episode_steps=12), np.random
    ours = CartPole([4, 0, 9], N, max_episode_steps=12)
    env.reset()
    ours.reset()
    if mode == "sync":
        start = [one.unwrapped.state for one in env._backend._envs]
    elif mode == "async":
        start = [one.reset(seed=seed)[0] for one, seed in twins(env)]
    else:
        start = [one._env.unwrapped.state[:, 0] for one in env._backend._envs]
    ours.set_state(np.array(start).reshape(R, N, 4))
    generator = rng.default_rng(5)
    ended = np.zeros((R, N), dtype=bool)
    for _ in range(12):
        action = generator.integers(0, 2, (R, N))
        step, expected = env.step(action, ~ended), ours.step(action, ~ended)
        for one, other in zip(step, expected, strict=True):
            assert one.dtype == other.dtype
            if mode != "async":  # its twins show float32 only
                assert np.array_equal(one[~ended], other[~ended])
            else:
                assert np.allclose(one[~ended], other[~ended], atol=1e-6)
        ended |= step.terminated | step.truncated
    assert ended.all()


def twins(env: Gymnasium) -> list[tuple[gym.Env, int]]:
    """A scalar environment and the seed of its first episode, for every slot."""
    seeds = env._reserve._draw(np.zeros((R, N), dtype=np.int64), 1).ravel()
    return [(gym.make(env.spec.id), int(seed)) for seed in seeds]


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_ends_and_successors_are_the_environments_own(make, mode):
    """Slot 0 terminates at decision 2, slot 1 is truncated at 4: nothing is inserted or lost."""
    env = make(vectorization=mode, max_episode_steps=9)
    env.reset()
    decisions, seeds = np.zeros((R, N)), env.observation[..., 0].copy()
    assert len(np.unique(seeds)) == R * N and (env.observation[..., 1] == 0).all()
    for _ in range(12):
        decisions += 1
        action = np.zeros((R, N), dtype=np.int64)
        action[:, 0] = decisions[:, 0] == 2
        step = env.step(action)
        assert np.array_equal(step.next_observation, np.stack([seeds, decisions], -1))
        assert step.reward.dtype == np.float32
        assert np.array_equal(step.reward, (decisions / 4).astype(np.float32))
        assert np.array_equal(step.terminated, action == 1)
        assert np.array_equal(step.truncated, decisions == 4)
        ended = step.terminated | step.truncated
        if ended.any():
            env.reset(ended)
            assert np.array_equal(env.observation[~ended], np.stack([seeds, decisions], -1)[~ended])
            assert (env.observation[ended][:, 1] == 0).all()
            assert (env.observation[ended][:, 0] != seeds[ended]).all()
            decisions[ended], seeds = 0, env.observation[..., 0].copy()
    assert (env.episode == [7, 4]).all()


def test_the_time_limit_of_gymnasium_truncates(make):
    env = make(max_episode_steps=3)
    env.reset()
    ended = [env.step(np.zeros((R, N), dtype=np.int64)).truncated.all() for _ in range(3)]
    assert ended == [False, False, True] and env.spec.time_limit == 3
    assert make().spec.time_limit is None
    assert make(id="Acrobot-v1").spec.time_limit == 500


def test_arguments_reach_the_constructor(make):
    env = make(kwargs={"end": 1})
    env.reset()
    assert env.step(np.zeros((R, N), dtype=np.int64)).truncated.all()


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_boxes_and_one_hots(make, mode):
    env = make(id="pgx/Boxed-v0", vectorization=mode)
    assert env.spec.observation_shape == (4,) and env.spec.action_kind == "continuous"
    assert env.spec.actions == 4 and env.spec.action_low == (-2.0,) * 4
    assert env.spec.action_high == (1.0,) * 4
    env.reset()
    assert env.observation.dtype == np.float32 and (env.observation.sum(-1) == 1).all()
    action = np.full((R, N, 4), 0.25, dtype=np.float32)
    action[0, 1] = 0.75
    step = env.step(action)
    assert step.reward.tolist() == [[1, 3], [1, 1], [1, 1]]
    assert step.next_observation.argmax(-1).tolist() == [[1, 3], [1, 1], [1, 1]]


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_spaces_within_spaces_are_flattened_as_gymnasium_does(make, mode):
    env, twin, rng = make(id="pgx/Mixed-v0", vectorization=mode), Mixed(), np.random.default_rng(0)
    assert env.spec.observation_shape == (16,) and env.spec.actions == 6
    assert env.spec.action_kind == "discrete"
    env.reset()
    seeds = env._reserve._draw(np.zeros((R, N), dtype=np.int64), 1).ravel()
    choices = [(first, second) for first in (1, 2) for second in (0, 1, 2)]
    for row, seed in enumerate(seeds):  # every slot, in a game of its own
        shown, place = twin.reset(seed=int(seed))[0], divmod(row, N)
        active = np.zeros((R, N), dtype=bool)
        active[place] = True
        for _ in range(7):
            flat = spaces.flatten(Mixed.observation_space, shown)
            assert np.array_equal(env.observation[place], flat.astype(np.float32))
            action = rng.integers(0, 6, (R, N))
            shown, reward, *_ = twin.step(np.array(choices[action[place]]))
            step = env.step(action, active)
            assert step.reward[place] == reward


def test_a_flattened_observation_by_hand(make):
    """Keys in gymnasium's order: box, last, pair, place; every choice is one-hot."""
    env = make(seeds=(7,), slots=1, id="pgx/Mixed-v0")
    env.reset()
    env.step(np.array([[5]]))  # the last of the six: 2 and 2
    (inner,) = env._backend._envs
    shown, flat = inner.unwrapped.shown, env.observation[0, 0]
    parts = {
        "box": shown["box"].ravel().tolist(),
        "last": [0, 1, 0, 0, 1],
        "pair": [*shown["pair"][0].tolist(), 0, 1],
        "place": np.eye(3)[shown["place"] - 1].tolist(),
    }
    expected = [number for key in ("box", "last", "pair", "place") for number in parts[key]]
    assert flat.tolist() == expected


def test_a_vector_class_may_show_a_dict(make):
    gym.register("pgx/Vector-v0", Mixed, vector_entry_point=Vector)
    try:
        env = make(id="pgx/Vector-v0", vectorization="vector_entry_point")
        env.reset()
        seeds = env.observation[..., 0].copy()
        step = env.step(np.array([[0, 1], [2, 0], [1, 2]]))
    finally:
        del gym.registry["pgx/Vector-v0"]
    assert env.spec.observation_shape == (4,) and len(np.unique(seeds)) == R * N
    assert np.array_equal(step.next_observation[..., 0], seeds)
    assert step.next_observation[..., 1:].argmax(-1).tolist() == [[0, 1], [2, 0], [1, 2]]
    assert step.reward.tolist() == [[0, 0.5], [1, 0], [0.5, 1]]


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_images_keep_their_shape_and_switches_are_one_action(make, mode):
    env = make(id="pgx/Image-v0", vectorization=mode)
    assert env.spec.observation_shape == (4, 3, 2) and env.spec.actions == 8
    env.reset()
    assert env.observation.dtype == np.float32
    assert np.array_equal(env.observation[2, 1].ravel(), np.arange(200, 224))
    action = np.array([[0, 1], [5, 6], [7, 3]])
    step = env.step(action)
    assert np.array_equal(step.reward, action)
    assert np.array_equal(step.next_observation[..., 3, 2, 1], action)


def test_a_module_registers_an_environment_with_a_dict_space(make, tmp_path, monkeypatch):
    (tmp_path / "pgx_test_rooms.py").write_text(
        "import gymnasium as gym\n"
        "from gymnasium import spaces\n\n\n"
        "class Rooms(gym.Env):\n"
        "    observation_space = spaces.Dict(room=spaces.Discrete(3), lit=spaces.MultiBinary(1))\n"
        "    action_space = spaces.MultiDiscrete([3, 2])\n\n"
        "    def reset(self, *, seed=None, options=None):\n"
        "        return {'room': 0, 'lit': [0]}, {}\n\n"
        "    def step(self, action):\n"
        "        room, lit = action\n"
        "        return {'room': room, 'lit': [lit]}, 1.0, bool(lit), False, {}\n\n\n"
        "gym.register('Rooms-v0', Rooms)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    env = make(seeds=(4,), slots=2, id="pgx_test_rooms:Rooms-v0")
    try:
        env.reset()
        step = env.step(np.array([[2, 5]]))  # (1, 0) and (2, 1)
    finally:
        del gym.registry["Rooms-v0"]
    assert env.spec.id == "Rooms-v0" and env.spec.actions == 6
    order = list(env._backend.observation_space.spaces)
    expected = {"room": [[0, 1, 0], [0, 0, 1]], "lit": [[0], [1]]}
    assert np.array_equal(
        step.next_observation[0], np.hstack([expected[key] for key in order]).astype(np.float32)
    )
    assert step.terminated.tolist() == [[False, True]]


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("many", "takes a MultiDiscrete of 65 combinations, and at most 64 are enumerated"),
        ("switches", f"takes a MultiBinary of {2**70} combinations, and at most 64"),
        ("dict", "takes a Dict, not a Discrete, MultiDiscrete, MultiBinary or Box of floats"),
        ("tuple", "takes a Tuple, not a Discrete"),
        ("whole", "takes a Box of int64, not a Discrete"),
    ],
)
def test_actions_that_cannot_be_chosen_are_refused_in_a_line(make, kind, line):
    with pytest.raises(ConfigError) as caught:
        make(id="pgx/Unplayable-v0", kwargs={"kind": kind})
    said = str(caught.value)
    assert said.startswith(f"environment.id='pgx/Unplayable-v0' {line}") and "\n" not in said
    assert said.endswith(": register it behind a gymnasium ActionWrapper")


@pytest.mark.parametrize(("id", "size"), [("Pendulum-v1", 3), ("Acrobot-v1", 6)])
def test_steps_equal_gymnasiums(make, id, size):
    env, rng = make(id=id), np.random.default_rng(0)
    env.reset()
    assert env.observation.shape == (R, N, size)
    others = twins(env)
    for row, (other, seed) in enumerate(others):
        assert np.array_equal(other.reset(seed=seed)[0], env.observation[divmod(row, N)])
    for _ in range(20):
        if id == "Pendulum-v1":
            action = rng.uniform(-2, 2, (R, N, 1)).astype(np.float32)
        else:
            action = rng.integers(0, 3, (R, N))
        step = env.step(action)
        for row, (other, _) in enumerate(others):
            place = divmod(row, N)
            observation, reward, terminated, truncated, _ = other.step(action[place])
            assert np.array_equal(observation, step.next_observation[place])
            assert np.float32(reward) == step.reward[place]
            assert (terminated, truncated) == (step.terminated[place], step.truncated[place])


@pytest.mark.parametrize("mode", MODES)
def test_loading_begins_the_latest_episode_again(make, mode):
    first, second = (make(id="CartPole-v1", vectorization=mode) for _ in range(2))
    first.reset()
    first.reset(np.arange(R * N).reshape(R, N) % 2 == 0)
    begun = first.observation.copy()
    first.step(np.ones((R, N), dtype=np.int64))
    second.load_state_dict(first.state_dict())
    assert not Gymnasium.exact_resume
    assert np.array_equal(second.observation, begun)
    assert np.array_equal(second.episode, first.episode)
    first.reset()
    second.reset()  # complete episodes, begun together, continue exactly
    assert np.array_equal(second.observation, first.observation)


def test_an_untouched_state_loads(make):
    first, second = make(), make()
    second.load_state_dict(first.state_dict())
    first.reset()
    second.reset()
    assert np.array_equal(second.observation, first.observation)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            {"id": "CartPol-v1"},
            r"^environment\.id='CartPol-v1' does not exist: did you mean 'CartPole-v1'\?$",
        ),
        ({"id": "nowhere:X-v0"}, r"^environment\.id='nowhere:X-v0' cannot be imported: No module"),
        ({"id": "pgx/Unreadable-v0"}, r"^environment\.id='pgx/Unreadable-v0' shows a Text, not"),
        ({"kwargs": {"no": 1}}, r"^environment\.kwargs .* unexpected keyword argument 'no'"),
        (
            {"max_episode_steps": 0},
            r"^environment\.max_episode_steps=0: choose a whole number of at least 1$",
        ),
        ({"vectorization": "asink"}, r"^environment\.vectorization=asink: .* mean 'async'\?$"),
        (
            {"id": "Pendulum-v1", "vectorization": "vector_entry_point"},
            r"^environment\.vectorization=vector_entry_point: Pendulum-v1 has no vector class",
        ),
        (
            {"vectorization": "vector_entry_point"},
            r"^environment\.vectorization=vector_entry_point: .* resets in the step that ends",
        ),
    ],
)
def test_mistakes_are_one_line_that_names_the_key(make, arguments, line):
    with pytest.raises(ConfigError, match=line) as caught:
        make(**arguments)
    assert "\n" not in str(caught.value)


def lacks(name: str):
    def entry(**kwargs):
        if name == "box2d":
            raise gym.error.DependencyNotInstalled('run `pip install "gymnasium[box2d]"`')
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    return entry


@pytest.mark.parametrize(
    ("name", "hint"),
    [("box2d", r"pip install 'pgx-lab\[box2d\]'"), ("jax", "pip install jax")],
)
@pytest.mark.parametrize("mode", ["sync", "async"])
def test_a_missing_package_says_what_to_install(make, name, hint, mode):
    gym.register("pgx/Lacking-v0", lacks(name))
    try:
        with pytest.raises(ConfigError, match=rf"^environment\.id=.* missing package: {hint}$"):
            make(id="pgx/Lacking-v0", vectorization=mode)
    finally:
        del gym.registry["pgx/Lacking-v0"]


def test_asynchronous_with_one_worker_is_synchronous_with_one_environment(tmp_path):
    """Bit for bit: rows, parameters and the optimizer's memory."""
    words = (
        "experiment=a2c",
        "environment=gymnasium",
        "environment.slots=1",
        "estimator.horizon=9",
    )
    learned = []
    for mode in ("sync", "async"):
        module = arm(tmp_path / mode, (*words, f"environment.vectorization={mode}"), [5])
        learned.append(tensors(trained(module, 12), 0))
        assert module.env._vectorization == mode
        module.env.close()
    assert len(learned[0]) > 2
    assert all(torch.equal(one, other) for one, other in zip(*learned, strict=True))
