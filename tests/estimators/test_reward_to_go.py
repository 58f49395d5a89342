"""Reward-to-go: unbiased with γᵗ, biased as predicted without it, and of a smaller variance."""

from __future__ import annotations

import pytest
import torch

from pgx.baselines.batch_mean import BatchMean
from pgx.environments.corridor import RIGHT, Corridor, corridor
from tests.support.oracle import (
    Truth,
    assert_close,
    assert_mean,
    estimate,
    linear_policy,
    logits_of,
    no_baseline,
    nota_thomas,
    reward_to_go,
    sampled,
    spec_of,
    stepping_stones,
    value_baseline,
)
from tests.support.rollouts import SEEDS as FEW
from tests.support.rollouts import every_outcome, part, random_rollout

SEEDS, N = range(64), 64
ITERATIONS = {0.5: 10, 0.2: 4}  #: by p = π(right)
COUNTS = [[1, 3], [2, 2], [3, 1], [2, 2]]  #: quarters
BASELINES = ["none", "value"]


def corridor_policy(p: float, seeds=SEEDS):
    return linear_policy(corridor(), seeds, logits_of([[1 - p, p]]))


def on_the_corridor(p: float) -> dict[str, torch.Tensor]:
    """Gradients of tens of thousands of episodes, 64 a time, under every combination."""
    mdp, cases = corridor(), {}
    for discount in (1.0, 0.9):
        for weighted in (True, False):
            for name in BASELINES:
                baseline = no_baseline(mdp, SEEDS)
                if name == "value":
                    baseline = value_baseline(mdp, SEEDS, torch.tensor([-7.3]), discount)
                estimator = reward_to_go(discount=discount, discount_weighting=weighted)
                cases[f"{discount} {weighted} {name}"] = (estimator, baseline)
    for scope in ("trajectory", "time"):
        cases[scope] = (reward_to_go(), BatchMean(spec_of(mdp), SEEDS, 1.0, scope))
    return sampled(Corridor(SEEDS, N), corridor_policy(p), cases, ITERATIONS[p])


@pytest.mark.parametrize("p", ITERATIONS)
def test_means_on_the_corridor(p):
    found, truth = on_the_corridor(p), Truth(corridor(), corridor_policy(p))
    for baseline in BASELINES:
        for discount in (1.0, 0.9):  # with γᵗ it is the gradient
            samples = found[f"{discount} True {baseline}"]
            assert_mean(samples, truth.of_objective(discount), power=0.5)
        # without it: Σ_s η₁(s) Σ_a Q_γ(s, a) ∇π(a|s), more than twice the gradient here
        samples = found[f"0.9 False {baseline}"]
        assert_mean(samples, truth.of_action_values(0.9, weighted=False), power=0.5)
        error = 4 * samples.std(0) / len(samples) ** 0.5
        assert ((samples.mean(0) - truth.of_objective(0.9)).abs() > error).all()
        # undiscounted it changes no bit: identity 20
        assert torch.equal(found[f"1.0 True {baseline}"], found[f"1.0 False {baseline}"])
    for scope in ("trajectory", "time"):  # the batch mean shrinks the gradient by one in N
        assert_mean(found[scope], (1 - 1 / N) * truth.of_objective(1.0), power=0.5)


def test_variances_of_one_episode():
    """At p = .5, by the logit: 733, and 277 less the constant v(0) (GROUND_TRUTH 1)."""
    seeds, mdp = range(4096), corridor()
    cases = {
        733: (reward_to_go(), no_baseline(mdp, seeds)),
        277: (reward_to_go(), value_baseline(mdp, seeds, torch.tensor([-12.0]), 1.0)),
    }
    found = sampled(Corridor(seeds, 1), corridor_policy(0.5, seeds), cases, 6)
    for variance, samples in found.items():
        square = (samples[:, RIGHT] - 2.0).square()
        error = square.std() / len(square) ** 0.5
        assert 4 * error < 0.3 * variance and (square.mean() - variance).abs() < 4 * error


def deterministic():
    mdp = stepping_stones()
    return mdp, linear_policy(mdp, (0,), logits_of(COUNTS)), every_outcome(mdp, COUNTS, 3)


def arbitrary(mdp, discount: float):
    return value_baseline(mdp, (0,), torch.tensor([-7.3, 2.0, -1.0, 0.5]), discount)


@pytest.mark.parametrize("discount", [1.0, 0.9, 0.5, 0.0])
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("baseline", BASELINES)
def test_over_every_outcome_the_mean_is_exact(discount, weighted, baseline):
    mdp, policy, rollout = deterministic()
    model = no_baseline(mdp, (0,)) if baseline == "none" else arbitrary(mdp, discount)
    estimator = reward_to_go(discount=discount, discount_weighting=weighted)
    found, truth = estimate(policy, rollout, estimator, model)[0], Truth(mdp, policy)
    assert_close(found, truth.of_action_values(discount, weighted))
    if weighted:
        assert_close(found, truth.of_objective(discount))
    elif 0 < discount < 1:
        assert (found - truth.of_objective(discount)).norm() > 0.1


@pytest.mark.parametrize("p", [1, 2, 3])
@pytest.mark.parametrize(
    ("family", "discount", "slope", "undiscounted", "popular"),
    [((1, 1.75, 1, 1), 0.5, 0.375, 0.25, -0.25), ((1, 2, 100, 6), 0.4, 0.36384, 99, -0.5904)],
    ids=["minimal", "large"],
)
def test_what_dropping_the_weighting_costs(family, discount, slope, undiscounted, popular, p):
    """Slopes by the shared logit, over p(1 − p), of Nota & Thomas' processes."""
    mdp = nota_thomas(*family)
    rollout = every_outcome(mdp, [[4 - p, p]] * mdp.states, 2 + family[3], decided=2)
    policy = linear_policy(mdp, (0,), logits_of([[4 - p, p]]))
    for weighted, gamma, wanted in (
        (True, discount, slope),
        (True, 1.0, undiscounted),
        (False, discount, popular),
    ):
        estimator = reward_to_go(discount=gamma, discount_weighting=weighted)
        found = estimate(policy, rollout, estimator, no_baseline(mdp, (0,)))[0, RIGHT]
        assert float(found) / (p * (4 - p) / 16) == pytest.approx(wanted, rel=1e-4, abs=1e-4)


def test_every_row_by_hand():
    """γ = .5, rewards 1, −2, 4: to go 1, 0, 4; actions right, left, right at p = .5."""
    mdp = corridor()
    rollout = part(random_rollout(complete=True, steps=3, width=1), slice(1), slice(1))
    rollout.observation[...] = 1.0
    rollout.reward[:, 0, 0] = torch.tensor([1.0, -2.0, 4.0])
    rollout.action[:, 0, 0] = torch.tensor([1, 0, 1])
    policy = linear_policy(mdp, (0,), torch.zeros(1, 2))

    def found(**options) -> float:
        estimator = reward_to_go(discount=0.5, **options)
        return float(estimate(policy, rollout, estimator, no_baseline(mdp, (0,)))[0, -1])

    assert found() == pytest.approx(0.5 * (1 - 0 + 4))
    assert found(discount_weighting=True) == pytest.approx(0.5 * (1 - 0 + 4 / 4))


def test_the_weighting_changes_the_gradient_and_acts_after_standardisation():
    rollout = random_rollout(2, complete=True)
    policy = linear_policy(stepping_stones(), FEW, torch.randn(4, 2))
    baseline = no_baseline(stepping_stones(), FEW)
    for normalize in (False, True):
        plain, weighted = (
            estimate(
                policy,
                rollout,
                reward_to_go(discount=0.7, discount_weighting=w, normalize_advantage=normalize),
                baseline,
            )
            for w in (False, True)
        )
        assert not torch.allclose(plain, weighted, atol=1e-3)
