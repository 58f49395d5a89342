"""n-step returns: the TD error at one end, Monte Carlo at the other, λ-averages in between."""

from __future__ import annotations

import pytest
import torch

from pgx.errors import ConfigError
from pgx.returns import n_step as n_step_advantage
from pgx.types import Baseline
from tests.support.oracle import (
    Truth,
    assert_close,
    estimate,
    gae,
    linear_policy,
    logits_of,
    n_step,
    stepping_stones,
    td,
    value_baseline,
)
from tests.support.rollouts import SEEDS, N, R, T, every_outcome, random_rollout

COUNTS = [[1, 3], [2, 2], [3, 1], [2, 2]]  #: quarters


def random_baseline(seed: int) -> Baseline:
    value, after = torch.randn(2, T, R, N, generator=torch.Generator().manual_seed(seed))
    return Baseline(value, after)


def consistent_baseline(seed: int, ended: torch.Tensor) -> Baseline:
    """V(s_{t+1}) is the next row's V(s_t) within an episode, as a critic's is."""
    found = random_baseline(seed)
    following = found.next_value.clone()
    following[:-1] = torch.where(ended[:-1], following[:-1], found.value[1:])
    return Baseline(found.value, following)


def made_up_policy():
    return linear_policy(stepping_stones(), SEEDS, torch.randn(4, 2))


def slow_twin(rollout, value: Baseline, discount: float, steps: int) -> torch.Tensor:
    """Σ_{k<n} γᵏ r_{t+k} + γⁿ V(s_{t+n}) − V(s_t), one row at a time."""
    found = torch.zeros(T, R, N)
    for t in range(T):
        for r in range(R):
            for n in range(N):
                total, power, last = 0.0, 1.0, t
                for last in range(t, min(t + steps, T)):
                    total += power * float(rollout.reward[last, r, n])
                    power *= discount
                    if rollout.ended[last, r, n]:
                        break
                if not rollout.terminated[last, r, n]:
                    total += power * float(value.next_value[last, r, n])
                found[t, r, n] = total - float(value.value[t, r, n])
    return found


@pytest.mark.parametrize("steps", [1, 2, 3, 5, 6, 7, 20])
def test_it_equals_its_slow_twin(steps):
    rollout = random_rollout(1)
    value = consistent_baseline(2, rollout.ended)
    estimator = n_step(discount=0.9, steps=steps, horizon=T)
    found = estimator.advantage(rollout, value)
    torch.testing.assert_close(found, slow_twin(rollout, value, 0.9, steps))


@pytest.mark.parametrize("complete", [True, False])
def test_one_step_is_td_and_many_are_gae_with_a_decay_of_1(complete):
    rollout, policy, value = random_rollout(3, complete), made_up_policy(), random_baseline(4)
    options = {"discount": 0.9, "horizon": None if complete else T}

    def gradient(estimator) -> torch.Tensor:
        return estimator(policy, rollout, value).gradient

    assert torch.equal(gradient(n_step(steps=1, **options)), gradient(td(**options)))
    for steps in (T, T + 9):
        many = gradient(n_step(steps=steps, **options))
        torch.testing.assert_close(many, gradient(gae(trace_decay=1.0, **options)))
    assert not torch.allclose(gradient(n_step(steps=2, **options)), many, atol=1e-3)


@pytest.mark.parametrize("decay", [0.0, 0.3, 0.9])
def test_gae_is_the_lambda_average_of_n_step_advantages(decay):
    """GAE = (1−λ) Σ λⁿ⁻¹ A⁽ⁿ⁾, and the last one weighs λᵀ⁻¹."""
    rollout, value = random_rollout(5), random_baseline(6)
    rest = torch.where(rollout.terminated, 0.0, value.next_value)
    rows = (rollout.reward.double(), value.value.double(), rest.double(), rollout.ended)
    mixed = torch.zeros(T, R, N, dtype=torch.float64)
    for n in range(1, T + 1):
        weight = decay ** (T - 1) if n == T else (1 - decay) * decay ** (n - 1)
        mixed += weight * n_step_advantage(*rows, 0.9, n)
    estimator = gae(discount=0.9, trace_decay=decay, horizon=T)
    torch.testing.assert_close(mixed.float(), estimator.advantage(rollout, value))


def test_the_whole_rollout_is_a3cs_backward_recursion():
    """R ← r + γR from the bootstrap down: every row looks as far ahead as it can."""
    rollout = random_rollout(7)
    value = consistent_baseline(8, rollout.ended)
    target = value.next_value[-1]
    found = torch.zeros(T, R, N)
    for t in reversed(range(T)):
        cut = torch.where(rollout.ended[t], value.next_value[t], target)
        target = rollout.reward[t] + 0.9 * torch.where(rollout.terminated[t], 0.0, cut)
        found[t] = target - value.value[t]
    estimator = n_step(discount=0.9, steps=T, horizon=T)
    torch.testing.assert_close(estimator.advantage(rollout, value), found)


@pytest.mark.parametrize("steps", [1, 2, 9])
@pytest.mark.parametrize("weighted", [True, False])
def test_with_the_true_value_every_n_is_exact(steps, weighted):
    mdp = stepping_stones()
    policy = linear_policy(mdp, (0,), logits_of(COUNTS))
    truth = Truth(mdp, policy)
    baseline = value_baseline(mdp, (0,), truth.value(0.9), 0.9)
    estimator = n_step(discount=0.9, steps=steps, discount_weighting=weighted)
    found = estimate(policy, every_outcome(mdp, COUNTS, 3), estimator, baseline)[0]
    assert_close(found, truth.of_action_values(0.9, weighted))


@pytest.mark.parametrize(("key", "value"), [("steps", 0), ("steps", 1.5), ("horizon", 0)])
def test_values_out_of_range_are_refused(key, value):
    with pytest.raises(ConfigError, match=rf"estimator\.{key}={value}"):
        n_step(**{key: value})
