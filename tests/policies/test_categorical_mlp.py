"""The MLP policy: its outputs, and what each option changes."""

from __future__ import annotations

import math

import pytest
import torch

from pgx.policies.categorical_mlp import CategoricalMLP
from pgx.types import EnvSpec
from tests.support.rollouts import SEEDS, D, spec
from tests.support.twins import gradient_of, mlp

R, B, K = len(SEEDS), 64, 3
DEFAULTS = {"hidden": [7, 9], "activation": "tanh", "head_gain": 0.5}


def make(seeds=SEEDS, **options) -> CategoricalMLP:
    return CategoricalMLP(spec(D, K), seeds, **{**DEFAULTS, **options})


def rows(replicas: int = R) -> torch.Tensor:
    return torch.randn(replicas, B, D, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("seeds", [SEEDS, SEEDS[:1]])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("hidden", [[7, 9], [64, 64], []])
def test_outputs_and_log_prob_gradient_equal_autograds(hidden, activation, seeds):
    policy = make(seeds, hidden=hidden, activation=activation)
    observation = rows(len(seeds))
    action = torch.arange(len(seeds) * B).reshape(len(seeds), B) % K
    one = torch.ones(len(seeds), B)
    outputs = policy(observation)
    score, _ = policy.score(outputs, action, one, 0.3 * one)
    (found,) = torch.autograd.grad(outputs, policy.flat, score)

    def total(flat: torch.Tensor) -> torch.Tensor:
        log_pi = torch.log_softmax(mlp(policy.net, flat, observation.double()), -1)
        entropy = -(log_pi.exp() * log_pi).sum(-1)
        return (log_pi.gather(-1, action[..., None])[..., 0] + 0.3 * entropy).sum()

    exact = gradient_of(policy.net, total)
    torch.testing.assert_close(found.double(), exact, rtol=1e-4, atol=1e-4)


def test_the_mean_score_is_zero_in_the_parameters_too():
    policy, observation = make(), rows()
    with torch.no_grad():
        pi = policy(observation).softmax(-1)
    mean = torch.zeros_like(policy.flat)
    for a in range(K):
        outputs, action = policy(observation), torch.full((R, B), a)
        score, _ = policy.score(outputs, action, pi[..., a], 0 * pi[..., a])
        mean += torch.autograd.grad(outputs, policy.flat, score)[0]
    assert mean.abs().max() < 1e-5


def test_a_small_head_gain_starts_nearly_uniform():
    entropy = {gain: make(head_gain=gain) for gain in (0.01, 5.0)}
    entropy = {gain: p.entropy(p(rows())).mean().item() for gain, p in entropy.items()}
    assert math.log(3) - entropy[0.01] < 1e-4 and entropy[5.0] < 0.9 * math.log(3)
    one, two = make(head_gain=0.01)(rows()), make(head_gain=1.0)(rows())
    torch.testing.assert_close(100 * one, two, rtol=1e-4, atol=1e-5)


def test_hidden_and_activation_change_the_outputs():
    base = make()(rows())
    for options in ({"hidden": [7]}, {"hidden": [7, 10]}, {"activation": "relu"}):
        assert not torch.allclose(make(**options)(rows()), base, atol=1e-3)
    assert make(hidden=[7]).net.sizes == [D, 7, K]


def test_observations_of_any_shape_are_flattened():
    policy = CategoricalMLP(EnvSpec("box", (2, 3), "discrete", K), SEEDS, **DEFAULTS)
    assert policy.net.sizes == [6, 7, 9, K]
    assert policy(torch.zeros(R, B, 2, 3)).shape == (R, B, K)


def test_seeds_start_apart_and_again_the_same():
    policy = make()
    assert torch.equal(policy.flat, make().flat)
    assert not torch.allclose(policy.flat[0], policy.flat[1])
    assert torch.equal(make(SEEDS[1:2]).flat[0], policy.flat[1])
