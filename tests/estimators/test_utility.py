"""Utilities of members, by hand and through an arm."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pgx.baselines.base import constant
from pgx.build import build
from pgx.config import compose_config
from pgx.errors import ConfigError
from pgx.estimators.utility import Utility
from pgx.rollout import Collector
from pgx.streams import Streams
from pgx.types import Rollout

T, R, M, N, D = 4, 2, 3, 2, 5


def rollout(reward: torch.Tensor, lengths: torch.Tensor) -> Rollout:
    """Complete episodes ``[T, R, M·N]`` that terminate after ``lengths`` decisions."""
    row = torch.arange(len(reward)).view(-1, 1, 1)
    mask, ended = row < lengths, row == lengths - 1
    zeros = torch.zeros(*reward.shape, D)
    return Rollout(
        observation=zeros,
        action=torch.zeros(reward.shape, dtype=torch.int64),
        reward=torch.where(mask, reward, 0.0),
        terminated=ended,
        truncated=torch.zeros_like(ended),
        next_observation=zeros,
        mask=mask,
        time=row.expand(reward.shape),
        log_prob=torch.zeros_like(reward),
        complete=True,
    )


class Incumbent:
    flat = torch.zeros(R, 64)


def utilities(estimator: Utility, data: Rollout) -> torch.Tensor:
    estimator.members = M
    estimate = estimator(Incumbent(), data, constant(torch.zeros_like(data.reward)))
    assert (estimate.gradient == 0).all()
    assert estimate.utility is not None
    mean, best = estimate.diagnostics["utility"], estimate.diagnostics["utility_best"]
    torch.testing.assert_close(mean, estimate.utility.mean(1).float(), equal_nan=True)
    torch.testing.assert_close(best, estimate.utility.amax(1).float(), equal_nan=True)
    return estimate.utility


LENGTHS = torch.tensor([[1, 2, 3, 4, 4, 1], [4, 4, 2, 2, 1, 3]])


@pytest.mark.parametrize("discount", [0.5, 1.0])
def test_the_mean_discounted_return_of_a_members_slots(discount):
    reward = torch.randn(T, R, M * N, generator=torch.Generator().manual_seed(1))
    found = utilities(Utility(discount), rollout(reward, LENGTHS))
    assert found.shape == (R, M)
    for r in range(R):
        for m in range(M):
            slots = [2 * m, 2 * m + 1]
            returns = [
                sum(discount**t * float(reward[t, r, n]) for t in range(int(LENGTHS[r, n])))
                for n in slots
            ]
            assert float(found[r, m]) == pytest.approx(sum(returns) / 2, rel=1e-5)


def test_a_number_that_is_none_makes_its_members_utility_none():
    reward = torch.ones(T, R, M * N)
    bad = rollout(reward, LENGTHS)
    bad.observation[1, 0, 3, 2] = torch.inf
    bad.observation[3, 1, 2, 0] = torch.nan  # a row that does not exist
    bad.reward[0, 1, 5] = torch.nan
    found = utilities(Utility(1.0), bad)
    assert found.isfinite().tolist() == [[True, False, True], [True, True, False]]


def test_the_error_of_a_utility_falls_with_the_root_of_its_episodes():
    """The regulator at θ = (−.5, .3): m episodes against the exact U, for three m."""
    words = ["environment=regulator", "environment.slots=8192", "policy=gaussian_linear"]
    words += ["policy.initial_slope=-0.5", "policy.initial_std=0.3", "baseline=none"]
    parts = build(
        compose_config([*words, "estimator=reward_to_go", "estimator.discount=0.9"]), (5,)
    )
    collect = Collector(parts.policy, parts.env, Streams((5,), 8192), None)
    data = collect(np.ones(1, dtype=bool))
    exact = float(parts.env.objective(parts.policy, 0.9).detach())
    estimator, errors = Utility(0.9), []
    for episodes in (1, 16, 256):
        nothing = constant(torch.zeros_like(data.reward))
        found = estimator.utilities(data, nothing, 8192 // episodes)[0]
        errors.append(float(((found - exact) ** 2).mean() ** 0.5))
    assert errors[0] / errors[1] == pytest.approx(4.0, rel=0.15)
    assert errors[1] / errors[2] == pytest.approx(4.0, rel=0.35)  # of 32 utilities
    assert abs(float(found.mean()) - exact) < 4 * errors[0] / 8192**0.5


def test_a_discount_above_1_is_refused():
    with pytest.raises(ConfigError, match=r"estimator\.discount=1\.5"):
        Utility(1.5)
