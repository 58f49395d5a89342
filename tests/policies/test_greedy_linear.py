"""The deterministic linear policy: the best of its preferences, and nothing by chance."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pgx.environments.corridor import Corridor
from pgx.environments.exact import probabilities
from pgx.errors import ConfigError
from pgx.policies.greedy_linear import GreedyLinear
from pgx.streams import Stream
from pgx.types import EnvSpec

R, N, D, A = 3, 5, 4, 3
SPEC = EnvSpec("Sample-v0", (D,), "discrete", A)


def drawn(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def make() -> GreedyLinear:
    policy = GreedyLinear(SPEC, (5, 3, 8))
    policy.flat.data[:, policy.free] = drawn(R, (D + 1) * (A - 1))
    return policy


def test_the_first_action_has_no_preference_of_its_own():
    policy = GreedyLinear(SPEC, range(R))
    assert int(policy.free.sum()) == (D + 1) * (A - 1)
    assert (policy.flat == 0).all()
    action, outputs = policy.actor()(drawn(R, N, D), np.zeros((R, N, 1), np.float32))
    assert (action == 0).all()
    assert (outputs == 0).all()
    assert outputs.shape == (R, N, A)


def test_it_takes_the_largest_preference_as_worked_by_hand():
    policy, observation = make(), drawn(R, 64, D)
    weight, bias = policy.net.layers(policy.flat.detach())[0]
    wanted = torch.cat([torch.zeros(R, 64, 1), observation @ weight + bias], dim=2)
    torch.testing.assert_close(policy(observation).detach(), wanted)
    noise = policy.noise(Stream((5, 3, 8), "noise"), np.zeros((R, 64), np.int64), 7)
    assert noise.shape == (R, 7, 64, 1)
    action, outputs = policy.actor()(observation, noise[:, 0])
    np.testing.assert_allclose(outputs, wanted.numpy(), rtol=1e-5, atol=1e-6)
    assert (action == wanted.argmax(2).numpy()).all()
    assert len(np.unique(action)) == A


def test_an_action_is_certain_or_impossible():
    policy, outputs = make(), torch.tensor([[[0.0, 2.0, 1.0]]])
    for action, wanted in ((1, 0.0), (0, -torch.inf), (2, -torch.inf)):
        assert float(policy.log_prob(outputs, torch.tensor([[action]]))) == wanted
    assert policy.entropy(outputs).tolist() == [[0.0]]


def test_what_it_earns_is_known_exactly():
    """On the short corridor, within 7 decisions: to the right for ever is to walk to and fro."""
    env = Corridor((0, 1), 1, max_steps=7)
    policy = GreedyLinear(env.spec, (0, 1))
    policy.flat.data[1, policy.free] = 1.0
    assert env.objective(policy, 1.0).tolist() == [-7.0, -7.0]
    found = probabilities(env.mdp, policy)
    assert found.dtype == torch.float64
    assert found[:, 0].tolist() == [[1.0, 0.0], [0.0, 1.0]]


def test_it_has_no_score():
    policy = make()
    assert not policy.likelihood
    one = torch.zeros(R, 64)
    with pytest.raises(ConfigError, match="no likelihood"):
        policy.score(torch.zeros(R, 64, A), one.long(), one, one)


def test_continuous_actions_are_refused():
    with pytest.raises(ConfigError, match="needs at least 2 discrete actions"):
        GreedyLinear(EnvSpec("Sample-v0", (D,), "continuous", 1), (0,))
