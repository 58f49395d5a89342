"""The one-step actor-critic: exact with the true value, short of it by the predicted amount."""

from __future__ import annotations

import pytest
import torch

from pgx.environments.tabular import Tabular
from pgx.errors import ConfigError
from pgx.types import Baseline
from tests.support.oracle import (
    Truth,
    assert_close,
    assert_mean,
    branching,
    estimate,
    gae,
    linear_policy,
    logits_of,
    sampled,
    stepping_stones,
    td,
    value_baseline,
)
from tests.support.rollouts import SEEDS, N, R, T, every_outcome, part, random_rollout

COUNTS = [[1, 3], [2, 2], [3, 1], [2, 2]]  #: quarters


def random_baseline(seed: int) -> Baseline:
    value, after = torch.randn(2, T, R, N, generator=torch.Generator().manual_seed(seed))
    return Baseline(value, after)


def made_up_policy():
    return linear_policy(stepping_stones(), SEEDS, torch.randn(4, 2))


@pytest.mark.parametrize("discount", [1.0, 0.9])
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("value", ["true", "wrong"])
def test_the_mean_over_every_outcome(discount, weighted, value):
    mdp = stepping_stones()
    policy = linear_policy(mdp, (0,), logits_of(COUNTS))
    truth = Truth(mdp, policy)
    wrong = torch.tensor([-7.3, 2.0, -1.0, 0.0], dtype=torch.float64)
    critic = truth.value(discount) if value == "true" else wrong
    estimator = td(discount=discount, discount_weighting=weighted)
    baseline = value_baseline(mdp, (0,), critic, discount)
    found = estimate(policy, every_outcome(mdp, COUNTS, 3), estimator, baseline)[0]
    eta = truth.visits(discount if weighted else 1.0)
    assert_close(found, truth.of_weights(eta, truth.advantage(discount, 0.0, critic)))
    exact = truth.of_action_values(discount, weighted)
    assert ((found - exact).norm() < 1e-4) == (value == "true")


def test_over_t_steps_of_one_decision_each_the_mean_is_the_gradient():
    mdp = branching()
    mdp.transition[:, :, :] = 0.0
    mdp.transition[:, :, -1] = 1.0  # every decision ends its episode
    seeds = range(64)
    policy = linear_policy(mdp, seeds, torch.linspace(-1, 1, 15).reshape(5, 3))
    baseline = value_baseline(mdp, seeds, torch.tensor([0.3, -1.0, 0.5, 2.0, 0.0]), 0.9)
    found = sampled(Tabular(seeds, 32, mdp), policy, {"": (td(horizon=T), baseline)}, 10, T)[""]
    assert_mean(found, Truth(mdp, policy).of_objective(0.9), power=0.5)


@pytest.mark.parametrize("complete", [True, False])
def test_it_is_gae_with_a_decay_of_0(complete):
    rollout, policy, value = random_rollout(2, complete), made_up_policy(), random_baseline(3)
    options = {"discount": 0.9, "horizon": None if complete else T}
    one = td(**options)(policy, rollout, value).gradient
    assert torch.equal(one, gae(trace_decay=0.0, **options)(policy, rollout, value).gradient)


def test_every_row_by_hand():
    """γ = .5, V = 1 throughout: δ = r − .5, but r − 1 where the row terminated."""
    rollout = part(random_rollout(steps=3, width=1), slice(1), slice(1))
    rollout.observation[...], rollout.next_observation[...] = 1.0, 1.0
    rollout.reward[:, 0, 0] = torch.tensor([1.0, 2.0, 4.0])
    rollout.terminated[:, 0, 0] = torch.tensor([False, True, False])
    rollout.truncated[:, 0, 0] = torch.tensor([True, False, True])
    one = torch.ones_like(rollout.reward)
    for limit, expected in (("bootstrap", [0.5, 1.0, 3.5]), ("end", [0.0, 1.0, 3.0])):
        estimator = td(discount=0.5, time_limit=limit, horizon=3)
        assert estimator.advantage(rollout, Baseline(one, one)).flatten().tolist() == expected


@pytest.mark.parametrize(
    "options", [{"discount_weighting": True}, {"discount": 0.5}, {"time_limit": "end"}], ids=str
)
def test_every_option_changes_the_gradient(options):
    rollout, policy, value = random_rollout(4), made_up_policy(), random_baseline(5)
    base = {"discount": 0.9, "horizon": T}
    one, other = (td(**{**base, **more})(policy, rollout, value).gradient for more in ({}, options))
    assert not torch.allclose(one, other, atol=1e-3)


def test_a_horizon_below_one_is_refused():
    with pytest.raises(ConfigError, match=r"estimator\.horizon=0"):
        td(horizon=0)
    assert td().needs_value
