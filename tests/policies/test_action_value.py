"""The ε-greedy policy: how often it takes what, ties, and no score."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from pgx.errors import ConfigError
from pgx.policies.action_value import ActionValue
from pgx.streams import Stream
from pgx.types import EnvSpec

SEEDS, N, D, A = (5, 3, 8), 4000, 2, 3
SPEC = EnvSpec("Sample-v0", (D,), "discrete", A)


def make(epsilon: float = 0.3) -> ActionValue:
    """Q = (1, 4, 2) in state (1, 0), and (5, 0, 5) in (0, 1)."""
    policy = ActionValue(SPEC, SEEDS, epsilon, bias=False)
    weight, _ = policy.net.layers(policy.flat.data)[0]
    weight[:] = torch.tensor([[1.0, 4.0, 2.0], [5.0, 0.0, 5.0]])
    return policy


def taken(policy: ActionValue, state: list[float], quiet: bool = False) -> np.ndarray:
    """How often each action is taken in a state, ``[R, A]``."""
    noise = policy.noise(Stream(SEEDS, "noise"), np.zeros((3, N), np.int64), 1)[:, 0]
    seen = torch.tensor(state).expand(3, N, D)
    action, values = policy.actor()(seen, np.zeros_like(noise) if quiet else noise)
    assert values.shape == (3, N, A)
    return np.stack([(action == a).mean(1) for a in range(A)], axis=1)


@pytest.mark.parametrize(
    ("state", "wanted"), [([1.0, 0.0], [0.1, 0.8, 0.1]), ([0.0, 1.0], [0.45, 0.1, 0.45])]
)
def test_the_best_is_taken_and_equals_alike(state, wanted):
    policy = make()
    np.testing.assert_allclose(taken(policy, state), [wanted] * 3, atol=0.03)
    outputs = policy(torch.tensor(state).expand(3, 64, D)).detach()
    for action, chance in enumerate(wanted):
        found = policy.log_prob(outputs, torch.full((3, 64), action))
        torch.testing.assert_close(found, torch.full((3, 64), math.log(chance)))
    entropy = -sum(p * math.log(p) for p in wanted)
    torch.testing.assert_close(policy.entropy(outputs), torch.full((3, 64), entropy))


@pytest.mark.parametrize("epsilon", [0.0, 0.3, 1.0])
def test_without_noise_it_is_greedy(epsilon):
    assert taken(make(epsilon), [0.0, 1.0], quiet=True).tolist() == [[1.0, 0.0, 0.0]] * 3
    assert taken(make(epsilon), [1.0, 0.0], quiet=True).tolist() == [[0.0, 1.0, 0.0]] * 3


def test_epsilon_decides_how_often_it_explores():
    assert taken(make(0.0), [1.0, 0.0]).tolist() == [[0.0, 1.0, 0.0]] * 3
    np.testing.assert_allclose(taken(make(1.0), [1.0, 0.0]), 1 / 3, atol=0.03)
    greedy = make(0.0)
    assert greedy.entropy(torch.tensor([[[1.0, 4.0, 2.0]]])).tolist() == [[0.0]]


def test_it_has_no_score():
    one = torch.zeros(3, 64)
    with pytest.raises(ConfigError, match="use estimator=q_learning"):
        make().score(torch.zeros(3, 64, A), one.long(), one, one)


@pytest.mark.parametrize("bias", [True, False])
def test_a_bias_is_shared_by_all_states(bias):
    policy = ActionValue(SPEC, SEEDS, 0.1, bias)
    assert int(policy.free.sum()) == (D + bias) * A
    values = policy(torch.tensor([1.0, 0.0]).expand(3, 64, D))
    (slope,) = torch.autograd.grad(values[:, 0, 1].sum(), policy.flat)
    policy.flat.data += slope
    other = policy(torch.tensor([0.0, 1.0]).expand(3, 64, D)).detach()
    assert other[:, 0].tolist() == [[0.0, float(bias), 0.0]] * 3
    assert (policy.flat[:, ~policy.free] == 0).all()


def test_what_it_cannot_take_is_refused():
    with pytest.raises(ConfigError, match=r"policy\.epsilon=1\.5"):
        make(1.5)
    with pytest.raises(ConfigError, match=r"policy\.bias=1"):
        ActionValue(SPEC, SEEDS, 0.1, 1)
    with pytest.raises(ConfigError, match="need discrete actions"):
        ActionValue(EnvSpec("Sample-v0", (D,), "continuous", 1), SEEDS, 0.1, False)
