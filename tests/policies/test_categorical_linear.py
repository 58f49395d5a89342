"""The linear policy: logits that are linear in the observation, and where they start."""

from __future__ import annotations

import math

import pytest
import torch

from pgx.errors import ConfigError
from pgx.policies.categorical_linear import CategoricalLinear
from pgx.types import EnvSpec
from tests.support.rollouts import SEEDS, A, D, spec

R = len(SEEDS)


def test_it_starts_uniform():
    policy = CategoricalLinear(spec(), SEEDS, None)
    assert (policy.flat == 0).all()
    outputs = policy(torch.randn(R, 64, D, generator=torch.Generator().manual_seed(0)))
    torch.testing.assert_close(policy.entropy(outputs), torch.full((R, 64), math.log(2)))


@pytest.mark.parametrize("seeds", [SEEDS, SEEDS[:1]])
def test_initial_logits_are_the_logits_of_every_state(seeds):
    policy = CategoricalLinear(spec(D, 3), seeds, (-1.47, 1.47, 0.5))
    rows = torch.randn(len(seeds), 64, D, generator=torch.Generator().manual_seed(0))
    wanted = torch.tensor([-1.47, 1.47, 0.5]).expand(len(seeds), 64, 3)
    assert torch.equal(policy(rows).detach(), wanted)


def test_the_logits_of_the_corridors_start_mean_one_in_twenty():
    policy = CategoricalLinear(spec(1, 2), SEEDS, (1.4722194895832204, -1.4722194895832204))
    outputs = policy(torch.ones(R, 64, 1))
    probability = policy.log_prob(outputs, torch.ones(R, 64, dtype=torch.int64)).exp()
    torch.testing.assert_close(probability, torch.full((R, 64), 0.05))


def test_logits_are_linear_in_the_observation():
    policy, generator = CategoricalLinear(spec(), SEEDS, None), torch.Generator().manual_seed(1)
    matrix, offset = torch.randn(R, D, A, generator=generator), torch.randn(R, 1, A)
    with torch.no_grad():
        weight, bias = policy.net.layers(policy.flat)[0]
        weight.copy_(matrix)
        bias.copy_(offset)
    rows = torch.randn(R, 64, D, generator=generator)
    torch.testing.assert_close(policy(rows).detach(), rows @ matrix + offset)


def test_observations_of_any_shape_are_flattened():
    policy = CategoricalLinear(EnvSpec("box", (2, 3), "discrete", A), SEEDS, (0.5, 1.5))
    assert policy(torch.zeros(R, 64, 2, 3)).shape == (R, 64, A)


@pytest.mark.parametrize("logits", [(1.0,), (1.0, 2.0, 3.0), ()])
def test_one_logit_per_action(logits):
    with pytest.raises(ConfigError, match=r"policy\.initial_logits has \d numbers, made-up has 2"):
        CategoricalLinear(spec(), SEEDS, logits)
