"""The Gaussian policy: closed forms against torch.distributions and autograd, and its draws."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.distributions import Normal

from pgx.environments.gymnasium import Gymnasium
from pgx.errors import ConfigError
from pgx.policies.gaussian_mlp import GaussianMLP
from pgx.streams import Stream
from pgx.types import EnvSpec
from tests.support.rollouts import SEEDS, D, spec
from tests.support.twins import gradient_of, mlp

R, B, A = len(SEEDS), 64, 2
DEFAULTS = {
    "hidden": [7, 9],
    "activation": "tanh",
    "head_gain": 0.5,
    "initial_std": 0.7,
    "state_dependent_std": False,
    "noise_hold": 1,
}


def make(seeds=SEEDS, **options) -> GaussianMLP:
    return GaussianMLP(EnvSpec("made-up", (D,), "continuous", A), seeds, **{**DEFAULTS, **options})


def rows(replicas: int = R) -> torch.Tensor:
    return torch.randn(replicas, B, D, generator=torch.Generator().manual_seed(0))


def drawn(seed: int, *shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def reference(outputs: torch.Tensor) -> Normal:
    mean, log_std = outputs.chunk(2, -1)
    return Normal(mean, log_std.exp())


@pytest.mark.parametrize("replicas", [1, R])
def test_log_prob_entropy_and_score_equal_torchs(replicas):
    policy = make(SEEDS[:replicas])
    outputs, action = drawn(1, replicas, B, 2 * A), drawn(2, replicas, B, A)
    weight, bonus = drawn(3, 2, replicas, B)
    truth = reference(outputs)
    torch.testing.assert_close(policy.log_prob(outputs, action), truth.log_prob(action).sum(-1))
    torch.testing.assert_close(policy.entropy(outputs), truth.entropy().sum(-1))
    found, entropy = policy.score(outputs, action, weight, bonus)
    leaf = outputs.clone().requires_grad_()
    graph = reference(leaf)
    log_prob, graph_entropy = graph.log_prob(action).sum(-1), graph.entropy().sum(-1)
    total = (weight * log_prob + bonus * graph_entropy).sum()
    torch.testing.assert_close(found, torch.autograd.grad(total, leaf)[0])
    torch.testing.assert_close(entropy, truth.entropy().sum(-1))


@pytest.mark.parametrize("state_dependent", [True, False])
@pytest.mark.parametrize("hidden", [[7, 9], []])
def test_the_gradient_equals_autograds_but_for_weights_that_do_not_exist(hidden, state_dependent):
    policy = make(hidden=hidden, state_dependent_std=state_dependent)
    observation, action = rows(), drawn(4, R, B, A).float()
    one = torch.ones(R, B)
    outputs = policy(observation)
    slope, _ = policy.score(outputs, action, one, 0.3 * one)
    (found,) = torch.autograd.grad(outputs, policy.flat, slope)

    def total(flat: torch.Tensor) -> torch.Tensor:
        graph = reference(mlp(policy.net, flat, observation.double()))
        return (graph.log_prob(action.double()) + 0.3 * graph.entropy()).sum()

    exact = gradient_of(policy.net, total)
    if not state_dependent:
        policy.net.layers(exact)[-1][0][..., A:] = 0.0
    torch.testing.assert_close(found.double(), exact, rtol=1e-4, atol=1e-3)
    assert bool((policy.net.layers(found)[-1][0][..., A:] != 0).any()) == state_dependent


def test_the_variance_of_the_score_of_the_mean_is_one_over_the_variance():
    """E[s_μ²] = 1/σ²."""
    policy = make(hidden=[], head_gain=0.0, initial_std=0.5)
    outputs = policy(rows())
    action = 0.5 * drawn(5, R, B, A).float()
    one = torch.ones(R, B)
    slope, _ = policy.score(outputs, action, one, 0 * one)
    squares = slope[..., :A].square()
    error = 4 * squares.std() / squares.numel() ** 0.5
    assert abs(squares.mean() - 4.0) < error < 1.5


@pytest.mark.parametrize("state_dependent", [True, False])
def test_draws_follow_the_outputs(state_dependent):
    policy = make(state_dependent_std=state_dependent, initial_std=0.5)
    stream, slots, count = Stream(SEEDS, "noise"), 4, 4000
    noise = policy.noise(stream, np.zeros((R, slots), dtype=np.int64), count)
    assert noise.shape == (R, count, slots, A)
    observation, act = rows()[:, :slots], policy.actor()
    actions = np.stack([act(observation, noise[:, t])[0] for t in range(count)])
    outputs = torch.from_numpy(act(observation, noise[:, 0])[1])
    truth = reference(outputs)
    error = 4 * truth.stddev / count**0.5
    assert ((torch.from_numpy(actions.mean(0)) - truth.mean).abs() < error).all()
    assert ((torch.from_numpy(actions.std(0)) / truth.stddev - 1).abs() < 0.06).all()


def test_the_std_starts_where_it_is_told_and_depends_on_the_state_if_it_may():
    fixed, free = make(initial_std=0.3), make(initial_std=0.3, state_dependent_std=True)
    torch.testing.assert_close(fixed(rows())[..., A:], torch.full((R, B, A), math.log(0.3)))
    assert free(rows())[..., A:].std() > 0.1


def test_among_others_as_alone():
    among, observation = make()(rows()), rows()
    for r, seed in enumerate(SEEDS):
        alone = make([seed])(observation[r : r + 1].clone())
        assert torch.equal(alone[0], among[r])


def test_actions_beyond_the_bounds_are_clipped_by_the_environment():
    env = Gymnasium([3], 2, "Pendulum-v1")
    twin = Gymnasium([3], 2, "Pendulum-v1")
    env.reset(), twin.reset()
    one = env.step(np.array([[[50.0], [-50.0]]], dtype=np.float32))
    other = twin.step(np.array([[[2.0], [-2.0]]], dtype=np.float32))
    assert np.array_equal(one.reward, other.reward)
    assert np.array_equal(env.observation, twin.observation)


def test_discrete_actions_and_values_out_of_range_are_refused():
    with pytest.raises(ConfigError, match="policy=categorical_mlp"):
        GaussianMLP(spec(), SEEDS, **DEFAULTS)
    with pytest.raises(ConfigError, match=r"policy\.initial_std=0"):
        make(initial_std=0)


@pytest.mark.parametrize("hold", [3, 5])
def test_held_noise_is_drawn_once_for_each_stretch_of_decisions(hold):
    """Decision i takes draw i // k, wherever a rollout begins."""
    stream, slots = Stream(SEEDS, "noise"), 4
    start = np.array([[0, 1, 2, 7]] * R) + np.arange(R)[:, None]
    found = make(noise_hold=hold).noise(stream, start, 8)
    every = stream.normal(np.zeros_like(start), 16, A)
    assert found.shape == (R, 8, slots, A)
    for r in range(R):
        for n in range(slots):
            wanted = every[r, (start[r, n] + np.arange(8)) // hold, n]
            np.testing.assert_array_equal(found[r, :, n], wanted)
    fresh = make().noise(stream, start, 8)
    assert not np.array_equal(found, fresh)
    np.testing.assert_array_equal(make(noise_hold=1).noise(stream, start, 8), fresh)


def test_a_hold_below_one_decision_is_refused():
    with pytest.raises(ConfigError, match=r"policy\.noise_hold=0"):
        make(noise_hold=0)
