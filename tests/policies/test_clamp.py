"""The clamp policy, with every figure of the two-action example."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from pgx.baselines.none import NoBaseline
from pgx.build import build
from pgx.config import compose_config
from pgx.environments.two_action import TwoAction
from pgx.errors import ConfigError
from pgx.estimators.trajectories import trajectory_gradients
from pgx.module import PolicyGradient
from pgx.policies.clamp import Clamp
from pgx.rollout import Collector
from pgx.streams import Streams
from pgx.types import EnvSpec
from tests.support.arms import arm, trained
from tests.support.oracle import reinforce

R, N = 3, 5
SEEDS = (4, 0, 9)
SPEC = EnvSpec("made-up", (2,), "discrete", 2)
LEFT, RIGHT = 0, 1


def clamp(*thetas: float, project: bool = False) -> Clamp:
    policy = Clamp(SPEC, range(len(thetas)), 0.5, project)
    with torch.no_grad():
        policy.flat[:, policy.free] = torch.tensor(thetas)[:, None]
    return policy


def outputs_of(policy: Clamp) -> torch.Tensor:
    return policy(torch.randn(policy.replicas, 64, 2, generator=torch.Generator().manual_seed(0)))


def slope(theta: float, action: int, weight: float = 1.0, entropy_weight: float = 0.0) -> float:
    """dJ/dθ of one row, through `Policy.score` and the network."""
    policy = clamp(theta)
    outputs = outputs_of(policy)
    rows = torch.zeros(1, 64)
    rows[0, 7] = 1.0
    actions = torch.full((1, 64), action)
    score, _ = policy.score(outputs, actions, weight * rows, entropy_weight * rows)
    return torch.autograd.grad(outputs, policy.flat, score)[0][0, policy.free].item()


def test_probabilities_are_the_parameter_cut_off():
    policy = clamp(0.2, -0.5, 1.0, 1.5, 0.0)
    found = policy.probabilities(outputs_of(policy))[:, 3]
    wanted = [[0.2, 0.8], [0, 1], [1, 0], [1, 0], [0, 1]]
    torch.testing.assert_close(found, torch.tensor(wanted))
    for action in (LEFT, RIGHT):
        log_pi = policy.log_prob(outputs_of(policy), torch.full((5, 64), action))
        torch.testing.assert_close(log_pi[:, 3], torch.tensor(wanted)[:, action].log())
    assert policy.log_prob(outputs_of(policy), torch.full((5, 64), LEFT))[1, 0] == -math.inf


def test_the_weights_of_the_example():
    """At θ = .2 the estimate is 5·R after left and −1.25·R after right."""
    for reward in (1.0, -3.0, 0.7):
        assert slope(0.2, LEFT, reward) == pytest.approx(5 * reward, rel=1e-6)
        assert slope(0.2, RIGHT, reward) == pytest.approx(-1.25 * reward, rel=1e-6)


def moments(rewards: tuple[float, float], baseline: float) -> tuple[float, float]:
    """Mean and variance of the one-step estimate at θ = .2."""
    chance = np.array([0.2, 0.8])
    weights = [slope(0.2, a, r - baseline) for a, r in zip((LEFT, RIGHT), rewards, strict=True)]
    mean = float(chance @ weights)
    return mean, float(chance @ np.square(weights)) - mean**2


@pytest.mark.parametrize("rewards", [(1.0, 0.0), (0.0, 1.0), (2.5, -4.0)])
def test_the_mean_is_the_difference_of_the_rewards_and_the_best_baseline_leaves_no_variance(
    rewards,
):
    difference = rewards[0] - rewards[1]
    best = 0.8 * rewards[0] + 0.2 * rewards[1]
    for baseline in (0.0, best, 0.3):
        assert moments(rewards, baseline)[0] == pytest.approx(difference, rel=1e-5)
    assert moments(rewards, best)[1] == pytest.approx(0.0, abs=1e-4)


def test_the_value_is_a_worse_baseline_than_none():
    assert moments((0.0, 1.0), 0.8)[1] == pytest.approx(2.25, rel=1e-5)
    assert moments((0.0, 1.0), 0.0)[1] == pytest.approx(0.25, rel=1e-5)


def test_sampled_gradients_take_just_those_two_values():
    env = TwoAction(SEEDS, 400, [3.0, 2.0])
    policy = Clamp(env.spec, SEEDS, 0.2, False)
    rollout = Collector(policy, env, Streams(SEEDS, 400), None)(np.ones(R, dtype=bool))
    found = trajectory_gradients(policy, rollout, rollout.reward)[..., policy.free][..., 0]
    left = rollout.action[0] == LEFT
    torch.testing.assert_close(found, torch.where(left, 15.0, -2.5))
    assert abs(left.float().mean() - 0.2) < 4 * 0.4 / (400 * R) ** 0.5
    estimate = reinforce()
    mean = estimate(policy, rollout, NoBaseline(env.spec, SEEDS)(rollout)).gradient
    torch.testing.assert_close(mean[:, policy.free][:, 0], found.mean(1), rtol=1e-5, atol=1e-5)
    assert (mean[:, ~policy.free] == 0).all()


@pytest.mark.parametrize("theta", [-0.4, 1.3])
def test_outside_nothing_moves_and_the_impossible_is_impossible(theta):
    possible, impossible = (RIGHT, LEFT) if theta < 0 else (LEFT, RIGHT)
    assert slope(theta, possible) == 0.0 and slope(theta, impossible) == 0.0
    assert slope(theta, possible, entropy_weight=1.0) == 0.0
    policy = clamp(theta)
    action, _ = policy.actor()(torch.zeros(1, 999, 2), noise(1, 999))
    assert (action == possible).all()
    assert policy.entropy(outputs_of(policy))[0, 0] == 0.0
    env = TwoAction((0,), 1, [1.0, -1.0])
    policy = Clamp(env.spec, (0,), 0.5, False)
    with torch.no_grad():
        policy.flat[:, policy.free] = theta
    exact = env.objective(policy, 1.0)
    assert exact.item() == (-1.0 if theta < 0 else 1.0)
    assert (torch.autograd.grad(exact.sum(), policy.flat)[0] == 0).all()


def noise(replicas: int, slots: int) -> np.ndarray:
    return np.random.default_rng(0).gumbel(size=(replicas, slots, 2)).astype(np.float32)


def test_on_the_edge_the_derivative_is_the_inner_one():
    for theta, taken, wanted in ((0.0, RIGHT, -1.0), (1.0, LEFT, 1.0)):
        assert slope(theta, taken) == wanted and slope(theta, 1 - taken) == 0.0
        env = TwoAction((0,), 1, [5.0, 2.0])
        policy = Clamp(env.spec, (0,), theta, True)
        exact = env.objective(policy, 1.0).sum()
        assert torch.autograd.grad(exact, policy.flat)[0][0, policy.free].item() == 3.0


def test_entropy_and_its_slope():
    for theta in (0.2, 0.5, 0.9):
        policy = clamp(theta)
        wanted = -(theta * math.log(theta) + (1 - theta) * math.log(1 - theta))
        assert policy.entropy(outputs_of(policy))[0, 5].item() == pytest.approx(wanted, rel=1e-6)
        found = slope(theta, LEFT, 0.0, entropy_weight=2.0)
        assert found == pytest.approx(2 * math.log((1 - theta) / theta), rel=1e-5, abs=1e-6)


def test_projection_brings_the_parameter_back_and_only_if_asked():
    for project, wanted in ((True, [0.0, 0.4, 1.0]), (False, [-0.2, 0.4, 3.0])):
        policy = clamp(-0.2, 0.4, 3.0, project=project)
        policy.project()
        torch.testing.assert_close(policy.flat[:, policy.free][:, 0], torch.tensor(wanted))
        assert (policy.flat[:, ~policy.free] == 0).all()


def test_actions_are_as_frequent_as_their_probability():
    policy = clamp(0.2, 0.75)
    action, outputs = policy.actor()(torch.zeros(2, 9001, 2), noise(2, 9001))
    assert np.allclose(outputs[..., 0], [[0.2], [0.75]])
    share = (action == LEFT).mean(1)
    assert (abs(share - [0.2, 0.75]) < 4 * np.sqrt(np.array([0.16, 0.1875]) / 9001)).all()
    certain, _ = policy.actor()(torch.zeros(2, 3, 2), np.zeros((2, 3, 2), dtype=np.float32))
    assert certain.tolist() == [[RIGHT] * 3, [LEFT] * 3]


@pytest.mark.parametrize(
    ("spec", "options", "line"),
    [
        (EnvSpec("three", (1,), "discrete", 3), {}, "needs two discrete actions, three has"),
        (EnvSpec("box", (1,), "continuous", 2), {}, "needs two discrete actions, box has"),
        (SPEC, {"initial_probability": 1.5}, r"policy\.initial_probability=1.5"),
        (SPEC, {"project": "yes"}, r"policy\.project=yes"),
    ],
)
def test_mistakes_are_one_line(spec, options, line):
    with pytest.raises(ConfigError, match=line):
        Clamp(spec, (0,), **{"initial_probability": 0.5, "project": False, **options})


def test_a_replica_alone_equals_itself_among_others():
    thetas = (0.2, 0.71, 1.2)
    rows, drawn = torch.randn(R, N, 2), noise(R, N)
    among = clamp(*thetas).actor()(rows, drawn)
    for r, theta in enumerate(thetas):
        alone = clamp(theta).actor()(rows[r : r + 1], drawn[r : r + 1])
        for one, many in zip(alone, among, strict=True):
            assert np.array_equal(one[0], many[r])


@pytest.mark.parametrize("project", [True, False])
def test_training_projects_after_every_step_if_asked(project):
    """Steps that are far too long: with projection θ stays in [0, 1], without it leaves and stays.

    The reward of left is 1 and of right −1, so that either estimate pulls θ up.
    """
    words = ["environment=two_action", "environment.rewards=[1,-1]", "policy=clamp"]
    words += ["estimator=reward_to_go", "baseline=none", "optimizer=sgd"]
    words += ["optimizer.learning_rate=5", f"policy.project={str(project).lower()}"]
    config = compose_config(words)
    module = PolicyGradient(build(config, SEEDS), SEEDS, 10**6, None, Silent())
    seen = []
    for step in range(4):
        module.training_step(step, step)
        seen.append(module.policy.flat[:, module.policy.free].flatten().clone())
    theta = torch.stack(seen)
    if project:
        assert (theta == 1.0).all() and module.alive.all()
    else:
        assert (theta > 1.0).all() and (theta[1:] == theta[0]).all()


class Silent:
    """A tracker that keeps nothing."""

    def record(self, *row) -> None:
        assert len(row) == 6


@pytest.mark.parametrize("project", [True, False])
def test_what_a_search_finds_is_projected_as_well(tmp_path, project):
    words = ("environment=two_action", "policy=clamp", f"policy.project={str(project).lower()}")
    words += ("estimator=utility", "optimizer=evolution_strategies", "baseline=none")
    module = trained(arm(tmp_path, (*words, "optimizer.learning_rate=1.0"), [0, 1, 2]), 4)
    theta = module.policy.net.layers(module.policy.flat.detach())[0][1]
    assert bool(((theta >= 0) & (theta <= 1)).all()) is project
