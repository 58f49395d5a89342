"""The softmax policy's closed forms against torch.distributions and autograd."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.distributions import Categorical as Reference

from pgx.errors import ConfigError
from pgx.policies.categorical_linear import CategoricalLinear
from pgx.policies.categorical_mlp import CategoricalMLP
from pgx.streams import Stream
from pgx.types import EnvSpec
from tests.support.rollouts import SEEDS, D, spec

R, B = len(SEEDS), 64


def linear(actions: int = 2, seeds=SEEDS, logits=None) -> CategoricalLinear:
    return CategoricalLinear(spec(D, actions), seeds, logits)


def rows(actions: int, seed: int = 0, scale: float = 2.0, replicas: int = R):
    """float64 outputs ``[R, B, K]``, actions, weights and entropy weights ``[R, B]``."""
    generator = torch.Generator().manual_seed(seed)
    outputs = scale * torch.randn(replicas, B, actions, generator=generator, dtype=torch.float64)
    action = torch.randint(actions, (replicas, B), generator=generator)
    weight, bonus = torch.randn(2, replicas, B, generator=generator, dtype=torch.float64)
    return outputs, action, weight, bonus


@pytest.mark.parametrize("actions", [2, 3, 6])
@pytest.mark.parametrize("replicas", [1, R])
def test_log_prob_and_entropy_equal_torchs(actions, replicas):
    policy = linear(actions, SEEDS[:replicas])
    outputs, action, _, _ = rows(actions, replicas=replicas)
    reference = Reference(logits=outputs)
    torch.testing.assert_close(policy.log_prob(outputs, action), reference.log_prob(action))
    torch.testing.assert_close(policy.entropy(outputs), reference.entropy())


@pytest.mark.parametrize("actions", [2, 3, 6])
def test_the_score_is_autograds(actions):
    policy = linear(actions)
    outputs, action, weight, bonus = rows(actions)
    found, entropy = policy.score(outputs, action, weight, bonus)
    leaf = outputs.clone().requires_grad_()
    reference = Reference(logits=leaf)
    total = (weight * reference.log_prob(action) + bonus * reference.entropy()).sum()
    torch.testing.assert_close(found, torch.autograd.grad(total, leaf)[0])
    torch.testing.assert_close(entropy, reference.entropy().detach())


def each_action(outputs: torch.Tensor) -> list[torch.Tensor]:
    """∇_logits log π(a) of every action."""
    policy, ones = linear(outputs.shape[-1]), torch.ones(outputs.shape[:2], dtype=torch.float64)
    return [
        policy.score(outputs, torch.full(outputs.shape[:2], a), ones, 0 * ones)[0]
        for a in range(outputs.shape[-1])
    ]


def test_the_mean_score_is_zero():
    outputs, *_ = rows(5)
    pi = outputs.softmax(-1)
    mean = sum(pi[..., a, None] * score for a, score in enumerate(each_action(outputs)))
    assert mean.abs().max() < 1e-14


def test_fisher_is_the_covariance_of_the_score_and_minus_the_mean_hessian():
    outputs, *_ = rows(4)
    pi = outputs.softmax(-1)
    outer = sum(
        pi[..., a, None, None] * score[..., :, None] * score[..., None, :]
        for a, score in enumerate(each_action(outputs))
    )
    wanted = torch.diag_embed(pi) - pi[..., :, None] * pi[..., None, :]
    torch.testing.assert_close(outer, wanted)
    policy, one = linear(4), torch.ones(1, 1, dtype=torch.float64)
    eps = 1e-6
    for a in range(4):  # −∇² log π(a) by differences of the score, at one row
        at, action = outputs[:1, :1], torch.full((1, 1), a)
        for k in range(4):
            shift = torch.zeros(4, dtype=torch.float64)
            shift[k] = eps
            high, low = (
                policy.score(at + s, action, one, 0 * one)[0][0, 0] for s in (shift, -shift)
            )
            torch.testing.assert_close(
                -(high - low) / (2 * eps), wanted[0, 0, k], atol=1e-8, rtol=0
            )


def test_the_entropy_gradient_is_minus_pi_times_log_pi_plus_h():
    outputs, action, weight, _ = rows(3)
    one = torch.ones_like(weight)
    found, entropy = linear(3).score(outputs, action, 0 * weight, one)
    pi = outputs.softmax(-1)
    torch.testing.assert_close(found, -pi * (pi.log() + entropy[..., None]))
    flat, most = linear(3).score(0 * outputs, action, 0 * weight, one)
    assert flat.abs().max() < 1e-15
    torch.testing.assert_close(most, math.log(3) * one)


def test_a_deterministic_policy_has_no_entropy_and_finite_scores():
    outputs = torch.tensor([[[0.0, 800.0]]]).expand(R, B, 2)
    action = torch.ones(R, B, dtype=torch.int64)
    policy = linear()
    assert policy.entropy(outputs).abs().max() == 0
    assert policy.log_prob(outputs, action).abs().max() == 0
    assert (policy.log_prob(outputs, 0 * action) == -800).all()
    score, _ = policy.score(outputs, action, torch.ones(R, B), torch.ones(R, B))
    assert score.isfinite().all()


@pytest.mark.parametrize("shift", [-700.0, 3.0, 1e4])
def test_logits_are_shift_invariant(shift):
    policy, (outputs, action, weight, bonus) = linear(3), rows(3)
    moved = outputs + shift
    same = {"rtol": 1e-9, "atol": 1e-9}
    torch.testing.assert_close(
        policy.log_prob(moved, action), policy.log_prob(outputs, action), **same
    )
    torch.testing.assert_close(policy.entropy(moved), policy.entropy(outputs), **same)
    for one, two in zip(
        policy.score(moved, action, weight, bonus),
        policy.score(outputs, action, weight, bonus),
        strict=True,
    ):
        torch.testing.assert_close(one, two, **same)


def drawn(policy, seeds, observation: torch.Tensor, count: int):
    """``count`` actions of every slot ``[R, C, N]``, and the outputs ``[R, N, K]``."""
    start = np.zeros(observation.shape[:2], dtype=np.int64)
    noise = policy.noise(Stream(seeds, "noise"), start, count)
    act = policy.actor()
    steps = [act(observation, noise[:, t]) for t in range(count)]
    return np.stack([action for action, _ in steps], 1), torch.from_numpy(steps[0][1].copy())


@pytest.mark.parametrize("logits", [(0.0, 0.0), (-2.0, 0.0, 1.0), (0.3, -0.2, 0.1, 3.0)])
def test_draws_follow_the_softmax(logits):
    policy = linear(len(logits), SEEDS, logits)
    action, _ = drawn(policy, SEEDS, torch.zeros(R, 101, D), 100)
    for a, p in enumerate(torch.tensor(logits).double().softmax(-1).tolist()):
        frequency = (action == a).mean((1, 2))
        assert (abs(frequency - p) < 4 * math.sqrt(p * (1 - p) / 10_100)).all()


@pytest.mark.parametrize("kind", ["linear", "mlp"])
def test_the_actor_decides_as_the_policy_says(kind):
    policy = linear(3)
    if kind == "mlp":
        policy = CategoricalMLP(spec(D, 3), SEEDS, [7, 9], "tanh", 1.0)
    with torch.no_grad():
        for weight, bias in policy.net.layers(policy.flat):
            weight += torch.randn(weight.shape, generator=torch.Generator().manual_seed(1))
            bias += 0.5
    observation = torch.randn(R, 64, D, generator=torch.Generator().manual_seed(2))
    action, outputs = drawn(policy, SEEDS, observation, 5)
    torch.testing.assert_close(outputs, policy(observation).detach(), rtol=1e-5, atol=1e-5)
    noise = policy.noise(Stream(SEEDS, "noise"), np.zeros((R, 64), dtype=np.int64), 5)
    for t in range(5):
        assert np.array_equal(action[:, t], (outputs.numpy() + noise[:, t]).argmax(-1))


def test_a_replica_decides_alone_as_among_others():
    observation = torch.randn(R, 8, D, generator=torch.Generator().manual_seed(3))
    policy = CategoricalMLP(spec(), SEEDS, [64, 64], "tanh", 1.0)
    action, outputs = drawn(policy, SEEDS, observation, 9)
    for r, seed in enumerate(SEEDS):
        alone = CategoricalMLP(spec(), [seed], [64, 64], "tanh", 1.0)
        one, shown = drawn(alone, [seed], observation[r : r + 1].clone(), 9)
        assert np.array_equal(one[0], action[r]) and torch.equal(shown[0], outputs[r])


def test_continuous_actions_are_refused():
    bounds = {"action_low": (-2.0,), "action_high": (2.0,)}
    pendulum = EnvSpec("Pendulum-v1", (3,), "continuous", 1, 200, **bounds)
    for make in (
        lambda: CategoricalLinear(pendulum, SEEDS, None),
        lambda: CategoricalMLP(pendulum, SEEDS, [7], "tanh", 0.01),
    ):
        with pytest.raises(ConfigError, match=r"policy: .*Pendulum-v1 has continuous") as caught:
            make()
        assert "\n" not in str(caught.value)
