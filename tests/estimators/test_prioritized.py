"""Priorities by hand, what undoes them, and the bias of leaving them in, exactly."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from pgx.baselines.base import constant
from pgx.environments.corridor import Corridor, corridor
from pgx.errors import ConfigError
from pgx.estimators.prioritized import Prioritized
from pgx.estimators.reward_to_go import RewardToGo
from pgx.gradients.arms import Arm
from pgx.gradients.exact import ExactMoments, exact_moments
from pgx.policies.categorical_mlp import CategoricalMLP
from pgx.types import Baseline, Rollout
from tests.support.arms import arm, tensors, trained
from tests.support.oracle import linear_policy, logits_of, no_baseline
from tests.support.rollouts import SEEDS, lengthened, part, random_rollout, spec

COMMON = {
    "discount": 0.9,
    "discount_weighting": True,
    "time_limit": "end",
    "entropy_coefficient": 0.0,
    "entropy": "analytic",
    "normalize_advantage": False,
}


def make(alpha: float = 0.6, u: float = 0.0, beta: float = 0.0, **common) -> Prioritized:
    return Prioritized(alpha, u, beta, **{**COMMON, **common})


def zero(rollout: Rollout) -> Baseline:
    return constant(torch.zeros_like(rollout.reward))


def one_episode(reward: list[float]) -> Rollout:
    """One replica, one slot, one episode with these rewards."""
    rollout = random_rollout(complete=True, steps=len(reward), replicas=1, slots=1)
    return replace(rollout, reward=torch.tensor(reward).reshape(-1, 1, 1))


def test_probabilities_by_hand() -> None:
    """Returns 4, 1, −1 without a discount: |G| = 4, 1, 1."""
    rollout = one_episode([3.0, 2.0, -1.0])
    estimator = make(alpha=0.5, u=0.25, discount=1.0)
    assert estimator.advantage(rollout, zero(rollout)).flatten().tolist() == [4, 1, -1]
    chance = estimator.probability(estimator.advantage(rollout, zero(rollout)), rollout)
    share = torch.tensor([2.0, 1.0, 1.0]) / 4
    torch.testing.assert_close(chance.flatten(), 0.75 * share + 0.25 / 3)
    weight = estimator.weight(rollout, zero(rollout)).flatten()
    torch.testing.assert_close(weight, 3 * chance.flatten() * torch.tensor([4.0, 1.0, -1.0]))


def test_without_an_exponent_or_with_only_uniform_draws_it_is_uniform() -> None:
    """Identity 24: α = 0 is uniform, and so is u = 1; both are reward-to-go."""
    rollout = random_rollout(complete=True)
    plain = RewardToGo(**COMMON).weight(rollout, zero(rollout))
    count = rollout.mask.sum(0)
    for estimator in (make(alpha=0.0), make(u=1.0)):
        chance = estimator.probability(estimator.advantage(rollout, zero(rollout)), rollout)
        torch.testing.assert_close(chance, rollout.mask / count)
        torch.testing.assert_close(estimator.weight(rollout, zero(rollout)), plain * rollout.mask)


@pytest.mark.parametrize(("alpha", "u"), [(0.6, 0.0), (2.0, 0.3), (1.0, 0.9)])
def test_the_probabilities_of_a_trajectory_sum_to_one(alpha: float, u: float) -> None:
    rollout = random_rollout(complete=True)
    estimator = make(alpha=alpha, u=u)
    chance = estimator.probability(estimator.advantage(rollout, zero(rollout)), rollout)
    torch.testing.assert_close(chance.sum(0), torch.ones_like(chance[0]))
    assert (chance[~rollout.mask] == 0).all() and (chance >= 0).all()
    nothing = torch.zeros_like(rollout.reward)  # no advantage anywhere
    assert torch.isfinite(estimator.probability(nothing, rollout)).all()


@pytest.mark.parametrize("alpha", [0.6, 2.0])
def test_the_weights_undo_the_priorities(alpha: float) -> None:
    """Identity 24: with β = 1 draws by P, weighted (M P)⁻¹, have the plain mean."""
    rollout = random_rollout(complete=True)
    plain = RewardToGo(**COMMON).weight(rollout, zero(rollout)) * rollout.mask
    whole = make(alpha=alpha, u=0.1, beta=1.0)
    torch.testing.assert_close(whole.weight(rollout, zero(rollout)) * rollout.mask, plain)
    chance = whole.probability(whole.advantage(rollout, zero(rollout)), rollout)
    count = rollout.mask.sum(0)
    for beta in (0.0, 0.4, 1.0):  # the mean of a draw, M times: Σ_t M P_t (M P_t)^−β Ψ_t
        draw = torch.where(rollout.mask, count * chance * (count * chance) ** -beta * plain, 0.0)
        found = make(alpha=alpha, u=0.1, beta=beta).weight(rollout, zero(rollout))
        torch.testing.assert_close((found * rollout.mask).sum(0), draw.sum(0))


def test_the_bias_is_known_exactly_and_goes_with_beta() -> None:
    """Five decisions on the corridor, every trajectory listed: only β = 1 has the mean ∇J."""
    env = Corridor((0,), 1, 5)
    policy = linear_policy(corridor(), (0,), logits_of([[0.6, 0.4]]))

    def mean(estimator: RewardToGo) -> torch.Tensor:
        baseline = no_baseline(corridor(), (0,))
        found = exact_moments(env, Arm("e", "b", estimator, baseline, policy, None, 1))
        assert isinstance(found, ExactMoments), found
        assert "trajectories" in found.how
        return found.mean

    truth = mean(RewardToGo(**COMMON))
    bias = [(mean(make(beta=beta)) - truth).abs().max().item() for beta in (0.0, 0.5, 1.0)]
    assert bias[0] > bias[1] > 1e-3
    assert bias[2] < 1e-12
    assert (mean(make(alpha=0.0)) - truth).abs().max().item() < 1e-12


def test_a_replica_keeps_its_bits() -> None:
    seeds = SEEDS
    rollout = random_rollout(complete=True)
    policy = CategoricalMLP(spec(), seeds, [6], "tanh", 1.0)
    estimator = make(beta=0.3)
    every = estimator(policy, rollout, zero(rollout)).gradient
    longer = lengthened(rollout, 150)
    assert torch.equal(estimator(policy, longer, zero(longer)).gradient, every)
    alone = CategoricalMLP(spec(), seeds[1:2], [6], "tanh", 1.0)
    mine = part(rollout, slice(1, 2))
    assert torch.equal(estimator(alone, mine, zero(mine)).gradient[0], every[1])


@pytest.mark.parametrize(
    "words",
    [
        "estimator.priority_exponent=0",
        "estimator.uniform_share=0.5",
        "estimator.importance_exponent=0.5",
    ],
)
def test_every_option_changes_what_is_learned(tmp_path: Path, words: str) -> None:
    own = ("estimator=prioritized", "baseline=moving_average", "environment.slots=4")
    one, other = (
        tensors(trained(arm(tmp_path / str(len(more)), (*own, *more), [2]), 2), 0)
        for more in ((), (words,))
    )
    assert not torch.equal(one[0], other[0])


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"alpha": -1.0}, "estimator.priority_exponent=-1.0"),
        ({"u": 1.5}, "estimator.uniform_share=1.5"),
        ({"beta": 2.0}, "estimator.importance_exponent=2.0"),
    ],
)
def test_values_outside_their_range_are_refused(options: dict, line: str) -> None:
    with pytest.raises(ConfigError, match=line):
        make(**options)
