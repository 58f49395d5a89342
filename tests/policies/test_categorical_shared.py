"""The categorical policy with a value output: the same policy, and a network that holds both."""

from __future__ import annotations

import torch

from pgx.policies.categorical_mlp import CategoricalMLP
from pgx.policies.categorical_shared import CategoricalShared
from pgx.streams import Stream
from tests.support.rollouts import SEEDS, D, spec
from tests.support.twins import mlp

R, B, K = len(SEEDS), 64, 3
DEFAULTS = {"hidden": [7, 9], "activation": "tanh", "head_gain": 0.5}


def make(seeds=SEEDS, **options) -> CategoricalShared:
    return CategoricalShared(spec(D, K), seeds, **{**DEFAULTS, **options})


def rows(replicas: int = R) -> torch.Tensor:
    return torch.randn(replicas, B, D, generator=torch.Generator().manual_seed(0))


def test_value_and_logits_are_outputs_of_one_network():
    policy, observation = make(), rows()
    whole = mlp(policy.net.whole, policy.flat.detach().double(), observation.double()).float()
    assert whole.shape == (R, B, K + 1) and policy.outputs == K
    torch.testing.assert_close(policy(observation), whole[..., 1:], rtol=1e-4, atol=1e-5)
    for value in (policy.value_net, policy.value_net.frozen()):
        torch.testing.assert_close(value(observation), whole[..., :1], rtol=1e-4, atol=1e-5)
    assert policy.value_net.flat is policy.flat and policy.net.whole.flat is policy.flat
    assert CategoricalMLP(spec(D, K), SEEDS, **DEFAULTS).value_net is None


def test_actions_are_drawn_from_the_logits():
    policy, observation = make(), rows()
    noise = policy.noise(Stream(SEEDS, "noise"), torch.zeros(R, B, dtype=torch.int64).numpy(), 1)
    with torch.inference_mode():
        action, outputs = policy.actor()(observation, noise[:, 0])
    logits = policy(observation).detach()
    torch.testing.assert_close(torch.from_numpy(outputs.copy()), logits, rtol=1e-4, atol=1e-5)
    assert (action == (outputs + noise[:, 0]).argmax(-1)).all()


def test_the_gain_is_the_logits_alone():
    small, large = make(head_gain=0.01), make(head_gain=1.0)
    torch.testing.assert_close(100 * small(rows()), large(rows()), rtol=1e-4, atol=1e-5)
    assert torch.equal(small.value_net(rows()), large.value_net(rows()))
    weight = small.net.layers(small.flat)[-1][0][..., 0]
    torch.testing.assert_close(weight.norm(dim=1), torch.ones(R))  # a column of gain 1


def test_among_others_as_alone():
    among, value = make()(rows()), make().value_net(rows())
    for r, seed in enumerate(SEEDS):
        alone = make([seed])
        assert torch.equal(alone(rows()[r : r + 1].clone())[0], among[r])
        assert torch.equal(alone.value_net(rows()[r : r + 1].clone())[0], value[r])
