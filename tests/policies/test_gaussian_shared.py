"""The Gaussian policy with a value output: σ stays where it belongs in the head."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from pgx.policies.gaussian_shared import GaussianShared
from pgx.types import EnvSpec
from tests.support.rollouts import SEEDS, D
from tests.support.twins import mlp

R, B, A = len(SEEDS), 64, 2
DEFAULTS = {
    "hidden": [7, 9],
    "activation": "tanh",
    "head_gain": 0.5,
    "initial_std": 0.7,
    "state_dependent_std": False,
    "noise_hold": 1,
}


def make(seeds=SEEDS, **options) -> GaussianShared:
    spec = EnvSpec("made-up", (D,), "continuous", A)
    return GaussianShared(spec, seeds, **{**DEFAULTS, **options})


def rows() -> torch.Tensor:
    return torch.randn(R, B, D, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("depends", [False, True])
def test_value_mean_and_std_are_outputs_of_one_network(depends):
    policy, observation = make(state_dependent_std=depends), rows()
    whole = mlp(policy.net.whole, policy.flat.detach().double(), observation.double()).float()
    assert whole.shape == (R, B, 1 + 2 * A) and policy.outputs == 2 * A
    torch.testing.assert_close(policy(observation), whole[..., 1:], rtol=1e-4, atol=1e-5)
    value = policy.value_net(observation)
    torch.testing.assert_close(value, whole[..., :1], rtol=1e-4, atol=1e-5)
    log_std = policy(observation).detach()[..., A:]
    assert bool((log_std == math.log(0.7)).all()) == (not depends)
    assert (log_std.mean() - math.log(0.7)).abs() < 0.2 and value.std() > 0.1


@pytest.mark.parametrize("depends", [False, True])
def test_only_a_state_dependent_std_has_weights_that_learn(depends):
    policy = make(state_dependent_std=depends)
    whole = policy.net.whole(rows())
    (gradient,) = torch.autograd.grad(whole, policy.flat, torch.ones_like(whole))
    weight, bias = policy.net.layers(gradient)[-1]
    assert (weight[..., : 1 + A] != 0).all() and (bias != 0).all()
    assert bool((weight[..., 1 + A :] != 0).all()) == depends


def test_draws_use_mean_and_std_alike_alone_and_among_others():
    noise = np.random.default_rng(1).standard_normal((R, B, A)).astype(np.float32)
    with torch.inference_mode():
        action, outputs = make().actor()(rows(), noise)
        assert np.array_equal(action, outputs[..., :A] + np.exp(outputs[..., A:]) * noise)
        for r, seed in enumerate(SEEDS):
            alone = make([seed]).actor()(rows()[r : r + 1].clone(), noise[r : r + 1])
            assert np.array_equal(alone[0][0], action[r]) and np.array_equal(
                alone[1][0], outputs[r]
            )
