"""The total return: unbiased in direction and scale, with the variance that theory gives it."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch

from pgx.baselines.batch_mean import BatchMean
from pgx.environments.corridor import RIGHT, Corridor, corridor
from pgx.environments.mdp import MDP
from pgx.types import Baseline
from tests.support.oracle import (
    Truth,
    assert_close,
    assert_mean,
    estimate,
    gradients,
    linear_policy,
    logits_of,
    no_baseline,
    reinforce,
    reward_to_go,
    sampled,
    spec_of,
    stepping_stones,
    value_baseline,
)
from tests.support.rollouts import every_outcome, part, random_rollout, regrouped

SEEDS, N = range(64), 64
ITERATIONS = {0.5: 10, 0.2: 4}  #: by p = π(right)
COUNTS = [[1, 3], [2, 2], [3, 1], [2, 2]]  #: quarters


def corridor_policy(p: float, seeds=SEEDS):
    return linear_policy(corridor(), seeds, logits_of([[1 - p, p]]))


def on_the_corridor(p: float) -> dict[str, torch.Tensor]:
    """Gradients of tens of thousands of episodes, 64 a time."""
    mdp, policy = corridor(), corridor_policy(p)
    arbitrary = value_baseline(mdp, SEEDS, torch.tensor([-7.3]), 1.0)
    mean = BatchMean(spec_of(mdp), SEEDS, 1.0, "trajectory")
    cases = {
        "none": (reinforce(), no_baseline(mdp, SEEDS)),
        "value": (reinforce(), arbitrary),
        "batch_mean": (reinforce(), mean),
        "discounted": (reinforce(discount=0.9), no_baseline(mdp, SEEDS)),
        "discounted-value": (reinforce(discount=0.9), arbitrary),
    }
    return sampled(Corridor(SEEDS, N), policy, cases, ITERATIONS[p])


@pytest.mark.parametrize("p", ITERATIONS)
def test_means_on_the_corridor(p):
    found, truth = on_the_corridor(p), Truth(corridor(), corridor_policy(p))
    exact, discounted = truth.of_objective(1.0), truth.of_objective(0.9)
    for baseline in ("none", "value"):
        assert_mean(found[baseline], exact, power=0.5)
    for baseline in ("discounted", "discounted-value"):
        assert_mean(found[baseline], discounted, power=0.7)
    assert_mean(found["batch_mean"], (1 - 1 / N) * exact, power=0.5)


def test_the_variance_of_one_episode_is_1959():
    """At p = .5, with respect to the logit (GROUND_TRUTH 1)."""
    seeds = range(4096)
    policy, case = corridor_policy(0.5, seeds), (reinforce(), no_baseline(corridor(), seeds))
    found = sampled(Corridor(seeds, 1), policy, {"one": case}, 6)["one"][:, RIGHT]
    square = (found - 2.0).square()
    error = square.std() / len(found) ** 0.5
    assert 4 * error < 0.3 * 1959 and (square.mean() - 1959).abs() < 4 * error


def deterministic(seeds=(0,)):
    mdp = stepping_stones()
    return mdp, linear_policy(mdp, seeds, logits_of(COUNTS)), every_outcome(mdp, COUNTS, 3)


@pytest.mark.parametrize("discount", [1.0, 0.9, 0.0])
@pytest.mark.parametrize("level", [None, 0.0, -7.3])
def test_over_every_outcome_the_mean_is_exact(discount, level):
    mdp, policy, rollout = deterministic()
    baseline = no_baseline(mdp, (0,))
    if level is not None:
        baseline = value_baseline(mdp, (0,), torch.tensor([level, 2.0, -1.0, 0.5]), discount)
    found = estimate(policy, rollout, reinforce(discount=discount), baseline)[0]
    assert_close(found, Truth(mdp, policy).of_objective(discount))


def test_the_exact_gradient_is_that_of_finite_differences():
    mdp, policy, _ = deterministic()
    exact, step, slopes = Truth(mdp, policy).of_objective(0.9), 1e-3, []
    weight, bias = policy.net.layers(policy.flat.data)[0]
    for tensor, place in [(weight, (0, f, a)) for f in range(4) for a in range(2)] + [
        (bias, (0, 0, a)) for a in range(2)
    ]:
        kept, ends = float(tensor[place]), []
        for moved in (kept + step, kept - step):
            tensor[place] = moved
            truth = Truth(mdp, policy)
            ends.append(float(truth.value(0.9)[0]))
        tensor[place] = kept
        slopes.append((ends[0] - ends[1]) / (2 * step))
    torch.testing.assert_close(torch.tensor(slopes).double(), exact, rtol=1e-3, atol=1e-4)


def test_past_rewards_contribute_nothing_to_the_mean_but_much_to_the_sample():
    mdp, policy, rollout = deterministic()
    alone = linear_policy(mdp, range(64), logits_of(COUNTS))
    one_each = regrouped(rollout, np.arange(64)[:, None])
    baseline, baselines = no_baseline(mdp, (0,)), no_baseline(mdp, range(64))
    total, to_go = (
        estimate(policy, rollout, make(), baseline) for make in (reinforce, reward_to_go)
    )
    assert_close(total, to_go)
    total, to_go = (
        estimate(alone, one_each, make(), baselines) for make in (reinforce, reward_to_go)
    )
    assert (total - to_go).abs().max() > 1.0
    assert_close((total - to_go).mean(0), torch.zeros(10, dtype=torch.float64))


def groups(count: int, size: int) -> np.ndarray:
    """Every way to draw ``size`` of ``count`` outcomes, in order and with repetition."""
    return np.array(list(product(range(count), repeat=size)))


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("make", [reinforce, reward_to_go])
@pytest.mark.parametrize("scope", ["trajectory", "time"])
def test_batch_means_scale_the_expectation_by_1_minus_1_over_m(size, make, scope):
    """Over every group of m trajectories: γ = 1, uniform policy."""
    even = [[1, 1]] * 4
    mdp = stepping_stones()
    rollout = every_outcome(mdp, even, 3)
    slots = groups(8, size)
    seeds = range(len(slots))
    policy = linear_policy(mdp, seeds, logits_of(even))
    baseline = BatchMean(spec_of(mdp), seeds, 1.0, scope)
    found = estimate(policy, regrouped(rollout, slots), make(), baseline).mean(0)
    exact = Truth(mdp, policy).of_objective(1.0)
    assert_close(found, (1 - 1 / size) * exact)
    assert exact.norm() > 1.0


@pytest.mark.parametrize("size", [2, 3])
def test_leaving_the_trajectory_out_is_m_over_m_minus_1_times_the_batch_mean(size):
    rollout = part(random_rollout(1, complete=True, slots=size))
    seeds = (3, 11, 5)
    policy = linear_policy(
        MDP(np.ones((4, 2, 4)) / 4, np.zeros((4, 2)), [1, 0, 0, 0], [False] * 4),
        seeds,
        torch.randn(4, 2, generator=torch.Generator().manual_seed(0)),
    )
    mean = BatchMean(policy.spec, seeds, 1.0, "trajectory")
    with_itself = estimate(policy, rollout, reinforce(), mean)
    total = rollout.reward.sum(0)
    others = (total.sum(-1, keepdim=True) - total) / (size - 1)
    value = Baseline(others.expand_as(rollout.reward), torch.zeros_like(rollout.reward))
    without = gradients(policy, reinforce()(policy, rollout, value).gradient)
    assert_close(without, size / (size - 1) * with_itself)


def one_logit(samples: torch.Tensor) -> torch.Tensor:
    """The derivative by the logit of right, where every state shares it."""
    return samples[:, -1]


def test_the_variance_of_a_constant_baseline_is_a_parabola():
    """Var(b) = min + E[ℓ²] (b − b*)², b* = E[ℓ² R] / E[ℓ²], over every outcome."""
    mdp, policy, rollout = deterministic()
    aliased = MDP(mdp.transition, mdp.reward, mdp.start, mdp.terminal, np.ones((4, 1)))
    counts = [[1, 3]] * 4
    rollout = every_outcome(aliased, counts, 3)
    seeds = range(64)
    policy = linear_policy(aliased, seeds, logits_of(counts[:1]))
    each = regrouped(rollout, np.arange(64)[:, None])

    def samples(level: float) -> torch.Tensor:
        baseline = value_baseline(aliased, seeds, torch.tensor([level]), 1.0)
        return one_logit(estimate(policy, each, reinforce(), baseline))

    score = samples(-1.0) - samples(0.0)
    total = each.reward.sum((0, 2)).double()
    best = float((score.square() * total).mean() / score.square().mean())
    least = samples(best).var(correction=0)
    for level in (-3.0, 0.0, best + 1.0, 5.0):
        wanted = least + score.square().mean() * (level - best) ** 2
        torch.testing.assert_close(samples(level).var(correction=0), wanted, rtol=1e-4, atol=1e-4)
        assert samples(level).mean().item() == pytest.approx(samples(0.0).mean().item(), abs=1e-5)


def bandit(*rewards: float) -> MDP:
    move = np.zeros((2, len(rewards), 2))
    move[:, :, 1] = 1.0
    return MDP(move, [rewards, [0.0] * len(rewards)], [1, 0], [False, True], np.ones((2, 1)))


@pytest.mark.parametrize("rewards", [(0.0, 1.0), (-3.0, 5.0), (2.0, 2.0)])
def test_two_actions_with_the_best_baseline_have_no_variance(rewards):
    """π = (.25, .75): b* = .75 R_left + .25 R_right, and each estimate is p(1 − p)(R_r − R_l)."""
    mdp, counts = bandit(*rewards), [[1, 3]] * 2
    seeds = range(4)
    policy = linear_policy(mdp, seeds, logits_of(counts[:1]))
    each = regrouped(every_outcome(mdp, counts, 1), np.arange(4)[:, None])
    best = torch.tensor([0.75 * rewards[0] + 0.25 * rewards[1]])
    found = one_logit(estimate(policy, each, reinforce(), value_baseline(mdp, seeds, best, 1.0)))
    wanted = 0.75 * 0.25 * (rewards[1] - rewards[0])
    assert found.tolist() == pytest.approx([wanted] * 4, abs=1e-6)


def test_one_episode_by_hand():
    """γ = .5, rewards 1, −2, 2: G_0 = .5; p = .5 at every row, actions right, left, right."""
    mdp = stepping_stones()
    rollout = part(random_rollout(complete=True, steps=3, width=1), slice(1), slice(1))
    rollout.observation[...] = 1.0
    rollout.reward[:, 0, 0] = torch.tensor([1.0, -2.0, 2.0])
    rollout.action[:, 0, 0] = torch.tensor([1, 0, 1])
    aliased = MDP(mdp.transition, mdp.reward, mdp.start, mdp.terminal, np.ones((4, 1)))
    policy = linear_policy(aliased, (0,), torch.zeros(1, 2))
    found = estimate(policy, rollout, reinforce(discount=0.5), no_baseline(aliased, (0,)))[0]
    assert math.isclose(float(found[-1]), 0.5 * (0.5 - 0.5 + 0.5))
    other = estimate(policy, rollout, reinforce(discount=1.0), no_baseline(aliased, (0,)))[0]
    assert math.isclose(float(other[-1]), 1.0 * 0.5)


def test_the_entropy_regularised_bandit():
    """π ∝ exp(R/τ) is where the gradient of E[R] + τ H is 0; the value is τ logsumexp(R/τ)."""
    rewards, temperature = torch.tensor([1.0, -2.0, 3.0]), 0.5
    mdp, estimator = bandit(1.0, -2.0, 3.0), reinforce(entropy_coefficient=temperature)
    each = every_outcome(mdp, [[1, 1, 1]] * 2, 1)  # an episode for each action
    found = {}
    for name, logits in (("best", rewards / temperature), ("even", torch.zeros(3))):
        policy = linear_policy(mdp, (0,), logits[None])
        chance = policy.probabilities(policy(torch.ones(1, 64, 1)))[0, 0].detach()
        weighted = replace(each, reward=3 * chance * each.reward)  # a mean over N is E over π
        gradient = estimate(policy, weighted, estimator, no_baseline(mdp, (0,)))[0]
        entropy = policy.entropy(policy(torch.ones(1, 64, 1)))[0, 0].item()
        found[name] = (gradient.norm(), (chance @ rewards).item() + temperature * entropy)
    assert found["best"][0] < 1e-6 < 0.1 < found["even"][0]
    assert found["best"][1] == pytest.approx(3.00909726, abs=1e-6)
    assert found["even"][1] < found["best"][1]
