"""Reward-weighted regression: weights by hand, the gradient against autograd, and the limits."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import torch

from pgx.baselines.base import constant
from pgx.errors import ConfigError
from pgx.estimators.likelihood import log_likelihood
from pgx.estimators.reward_weighted import RewardWeighted
from pgx.policies.categorical_mlp import CategoricalMLP
from pgx.types import Baseline, Rollout
from tests.conftest import Train
from tests.support.rollouts import SEEDS, R, changed, lengthened, part, random_rollout, spec
from tests.support.twins import mlp, slow_return, slow_score

DEFAULTS = {
    "temperature": 0.8,
    "discount": 0.9,
    "time_limit": "end",
    "entropy_coefficient": 0.0,
    "entropy": "analytic",
}


def make(**options) -> RewardWeighted:
    return RewardWeighted(**{**DEFAULTS, **options})


def policy(seeds=SEEDS) -> CategoricalMLP:
    return CategoricalMLP(spec(), seeds, [6], "tanh", 1.0)


def zero(rollout: Rollout) -> Baseline:
    return constant(torch.zeros_like(rollout.reward))


def levels(rollout: Rollout) -> Baseline:
    """A baseline that differs row by row."""
    return constant(0.3 * rollout.observation[..., 0])


def slow_weight(rollout: Rollout, baseline: Baseline, temperature: float) -> torch.Tensor:
    """exp((x − mean x) / (τ std x)) over its mean, one replica at a time, float64."""
    found = slow_return(rollout.reward, rollout.ended, 0.9) - baseline.value.double()
    weight = torch.zeros_like(found)
    for r in range(found.shape[1]):
        here = rollout.mask[:, r]
        x = found[:, r][here]
        w = ((x - x.mean()) / (temperature * x.std(correction=0))).exp()
        weight[:, r][here] = w / w.mean()
    return weight


def two_rows(first: float, second: float) -> Rollout:
    """One slot a replica and two rows; with γ = 0 their returns are their rewards."""
    rollout = random_rollout(1, steps=2, slots=1)
    reward = torch.tensor([first, second]).view(2, 1, 1).expand(2, R, 1)
    return replace(rollout, reward=reward)


def test_weights_of_two_rows_by_hand():
    """Returns 0 and 2 standardise to ∓1: w = 1 ∓ tanh(1/τ), and (Σw)²/2Σw² = 1/(1 + tanh²)."""
    rollout = two_rows(0.0, 2.0)
    for temperature in (1.0, 0.5):
        estimator = make(temperature=temperature, discount=0.0)
        high = math.tanh(1 / temperature)
        weight = estimator.advantage(rollout, zero(rollout))
        wanted = torch.tensor([1 - high, 1 + high]).view(2, 1, 1).expand(2, R, 1)
        torch.testing.assert_close(weight, wanted, rtol=1e-5, atol=1e-6)
        found = estimator(policy(), rollout, zero(rollout)).diagnostics["effective_samples"]
        assert found.tolist() == pytest.approx([1 / (1 + high**2)] * R, rel=1e-5)


def test_equal_returns_weigh_alike():
    rollout = two_rows(3.0, 3.0)
    estimator = make(discount=0.0)
    assert torch.equal(estimator.advantage(rollout, zero(rollout)), torch.ones(2, R, 1))
    found = estimator(policy(), rollout, zero(rollout)).diagnostics["effective_samples"]
    assert found.tolist() == [1.0] * R


@pytest.mark.parametrize("complete", [False, True])
@pytest.mark.parametrize("level", [zero, levels])
def test_the_gradient_is_that_of_the_weighted_log_likelihood(complete, level):
    rollout, net = random_rollout(2, complete), policy()
    baseline = level(rollout)
    weight = slow_weight(rollout, baseline, 0.8)
    found = make()(net, rollout, baseline)
    exact = slow_score(net.net, rollout, weight)
    torch.testing.assert_close(found.gradient.double(), exact, rtol=1e-3, atol=1e-4)
    graph = torch.stack([mlp(net.net, net.flat.double(), x.double()) for x in rollout.observation])
    log_pi = torch.log_softmax(graph, -1).gather(-1, rollout.action.unsqueeze(-1))[..., 0]
    rows = log_likelihood(net, rollout)
    torch.testing.assert_close(
        rows[rollout.mask].double(), log_pi[rollout.mask], rtol=1e-4, atol=1e-5
    )
    fit = (weight * log_pi * rollout.mask).sum((0, 2)) / rollout.mask.sum((0, 2))
    reported = found.diagnostics["log_likelihood"].double()
    torch.testing.assert_close(reported, fit, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("complete", [False, True])
def test_weights_are_not_negative_and_average_one(complete):
    rollout = random_rollout(3, complete)
    for temperature in (1e-3, 0.1, 1.0, 100.0):
        estimator = make(temperature=temperature)
        weight = estimator.advantage(rollout, zero(rollout))
        assert (weight[rollout.mask] >= 0).all() and weight[rollout.mask].isfinite().all()
        total = torch.where(rollout.mask, weight, 0.0).sum((0, 2))
        torch.testing.assert_close(total, rollout.mask.sum((0, 2)).float())


def test_hot_weights_are_even_and_cold_ones_keep_the_best_row():
    rollout = random_rollout(4)
    rows = rollout.mask[:, 0].sum()
    found = {
        temperature: make(temperature=temperature)(policy(), rollout, zero(rollout))
        for temperature in (1e-3, 1e6)
    }
    samples = {key: value.diagnostics["effective_samples"] for key, value in found.items()}
    assert samples[1e6].tolist() == pytest.approx([1.0] * R, rel=1e-4)
    assert samples[1e-3].tolist() == pytest.approx([1 / float(rows)] * R, rel=0.05)


def test_shifting_and_scaling_the_reward_changes_nothing():
    rollout = random_rollout(5)
    other = replace(rollout, reward=7.0 * rollout.reward)
    pair = [make()(policy(), x, zero(x)).gradient for x in (rollout, other)]
    torch.testing.assert_close(*pair, rtol=1e-4, atol=1e-5)
    moved = constant(torch.full_like(rollout.reward, 4.0))
    torch.testing.assert_close(
        make()(policy(), rollout, moved).gradient, pair[0], rtol=1e-4, atol=1e-5
    )


def test_ascent_raises_what_is_reported():
    rollout, net = random_rollout(6), policy()
    before = make()(net, rollout, zero(rollout)).diagnostics["log_likelihood"]
    for _ in range(50):
        with torch.no_grad():
            net.flat.add_(0.3 * make()(net, rollout, zero(rollout)).gradient)
    after = make()(net, rollout, zero(rollout)).diagnostics["log_likelihood"]
    assert (after > before + 0.05).all()


@pytest.mark.parametrize(
    "options", [{"temperature": 0.3}, {"discount": 0.2}, {"entropy_coefficient": 0.5}], ids=str
)
def test_every_option_changes_the_result(options):
    rollout = random_rollout(7)
    found = [make(**o)(policy(), rollout, zero(rollout)).gradient for o in ({}, options)]
    assert not torch.allclose(*found, rtol=1e-2, atol=1e-4)


@pytest.mark.parametrize("complete", [False, True])
def test_a_replica_alone_equals_itself_among_others_whatever_they_do(complete):
    rollout = random_rollout(8, complete, steps=70, slots=8)
    broken = changed(rollout, "reward", (2, 1, 0), torch.nan)
    among, beside = (make()(policy(), x, zero(x)) for x in (rollout, broken))
    for r in (0, 2):
        own = part(rollout, slice(r, r + 1))
        alone = make()(policy([SEEDS[r]]), own, zero(own))
        for other in (among, beside):
            assert torch.equal(alone.gradient[0], other.gradient[r])
            for name, numbers in alone.diagnostics.items():
                assert torch.equal(numbers[0], other.diagnostics[name][r])


def test_padding_that_a_neighbour_causes_changes_no_bit():
    rollout = random_rollout(9, complete=True, steps=64)
    short, long = (make()(policy(), x, zero(x)) for x in (rollout, lengthened(rollout, 192)))
    assert torch.equal(short.gradient, long.gradient)
    for name, numbers in short.diagnostics.items():
        assert torch.equal(numbers, long.diagnostics[name])


def test_a_temperature_of_zero_is_refused():
    with pytest.raises(ConfigError, match=r"estimator\.temperature=0"):
        make(temperature=0)


def test_it_learns_cartpole_from_reused_rollouts(train: Train, tmp_path: Path):
    train("experiment=reward_weighted", "decisions=60000", "seeds=3", "threads=1")
    rows = pl.read_parquet(next(tmp_path.rglob("episodes.parquet")))
    last = rows.filter(pl.col("decisions") > 45_000).group_by("seed").agg(pl.mean("return_raw"))
    assert last["return_raw"].min() > 150, last
