"""Generalised advantages: exact where theory says so, biased by the predicted amount elsewhere."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
import torch

from pgx.environments.corridor import Corridor, corridor
from pgx.environments.mdp import MDP
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
    gradients,
    linear_policy,
    logits_of,
    reward_to_go,
    sampled,
    stepping_stones,
    value_baseline,
)
from tests.support.rollouts import SEEDS as FEW
from tests.support.rollouts import N as FEW_SLOTS
from tests.support.rollouts import R, T, every_outcome, part, random_rollout

SEEDS, N = range(64), 64
ITERATIONS = {0.5: 10, 0.7: 10}  #: by p = π(right)
COUNTS = [[1, 3], [2, 2], [3, 1], [2, 2]]  #: quarters


def corridor_policy(p: float):
    return linear_policy(corridor(), SEEDS, logits_of([[1 - p, p]]))


LEVEL = -5.0  #: of the corridor's critic: one number, as all states look alike


def on_the_corridor(p: float) -> dict[str, torch.Tensor]:
    """Gradients of 40,960 complete episodes, 64 a time."""
    cases = {}
    for discount in (1.0, 0.9):
        baseline = value_baseline(corridor(), SEEDS, torch.tensor([LEVEL]), discount)
        for weighted in (True, False):
            for decay in (1.0, 0.0):
                estimator = gae(discount=discount, discount_weighting=weighted, trace_decay=decay)
                cases[f"{discount} {weighted} {decay}"] = (estimator, baseline)
    return sampled(Corridor(SEEDS, N), corridor_policy(p), cases, ITERATIONS[p])


def critic(level: float, states: int = 4) -> torch.Tensor:
    """V(s) ``[S]``, 0 at the terminal state."""
    return torch.tensor([level] * (states - 1) + [0.0], dtype=torch.float64)


@pytest.mark.parametrize("p", ITERATIONS)
def test_means_on_the_corridor(p):
    found, truth = on_the_corridor(p), Truth(corridor(), corridor_policy(p))
    # Monte Carlo is unbiased whatever the critic says
    for discount in (1.0, 0.9):
        assert_mean(found[f"{discount} True 1.0"], truth.of_objective(discount), power=0.5)
    # without γᵗ the mean is the popular update's formula
    samples = found["0.9 False 1.0"]
    assert_mean(samples, truth.of_action_values(0.9, weighted=False), power=0.5)
    error = 4 * samples.std(0) / len(samples) ** 0.5
    assert ((samples.mean(0) - truth.of_objective(0.9)).abs() > error).all()
    # a critic that cannot tell the states apart biases the TD error as predicted ...
    for discount, weighted in product((1.0, 0.9), (True, False)):
        eta = truth.visits(discount if weighted else 1.0)
        wrong = truth.of_weights(eta, truth.advantage(discount, 0.0, critic(LEVEL)))
        assert_mean(found[f"{discount} {weighted} 0.0"], wrong, power=0.5)
        if p == 0.7:  # ... and even turns the gradient round
            assert wrong @ truth.of_objective(1.0) < 0


def deterministic():
    mdp = stepping_stones()
    return mdp, linear_policy(mdp, (0,), logits_of(COUNTS)), every_outcome(mdp, COUNTS, 3)


@pytest.mark.parametrize("discount", [1.0, 0.9, 0.5])
@pytest.mark.parametrize("decay", [0.0, 0.6, 1.0])
@pytest.mark.parametrize("weighted", [True, False])
def test_with_the_true_value_every_trace_decay_is_exact(discount, decay, weighted):
    """Over every outcome; TD error, advantage and everything between share one mean."""
    mdp, policy, rollout = deterministic()
    truth = Truth(mdp, policy)
    baseline = value_baseline(mdp, (0,), truth.value(discount), discount)
    estimator = gae(discount=discount, trace_decay=decay, discount_weighting=weighted)
    found = estimate(policy, rollout, estimator, baseline)[0]
    assert_close(found, truth.of_action_values(discount, weighted))
    if weighted:
        assert_close(found, truth.of_objective(discount))


@pytest.mark.parametrize("discount", [1.0, 0.9])
@pytest.mark.parametrize("decay", [0.0, 0.6, 1.0])
@pytest.mark.parametrize("weighted", [True, False])
def test_with_a_wrong_value_the_bias_is_the_predicted_one(discount, decay, weighted):
    mdp, policy, rollout = deterministic()
    truth, wrong = Truth(mdp, policy), torch.tensor([-7.3, 2.0, -1.0, 0.0], dtype=torch.float64)
    baseline = value_baseline(mdp, (0,), wrong, discount)
    estimator = gae(discount=discount, trace_decay=decay, discount_weighting=weighted)
    found = estimate(policy, rollout, estimator, baseline)[0]
    eta = truth.visits(discount if weighted else 1.0)
    assert_close(found, truth.of_weights(eta, truth.advantage(discount, decay, wrong)))
    right = truth.of_action_values(discount, weighted)
    assert ((found - right).norm() < 1e-4) == (decay == 1.0)


LIMIT = 5  #: decisions after which an episode of the branching process is truncated
DISCOUNT = 0.9


def branching_policy(seeds=SEEDS):
    logits = torch.randn(5, 3, generator=torch.Generator().manual_seed(2))
    return linear_policy(branching(), seeds, logits)


def occupancy(truth: Truth, steps: int) -> torch.Tensor:
    """P(state, decisions since the episode's start) at every decision ``[steps, S, LIMIT]``."""
    mdp, found = truth.mdp, []
    at = torch.zeros(mdp.states, LIMIT, dtype=torch.float64)
    at[:, 0] = mdp.start
    for _ in range(steps):
        found.append(at)
        moved = torch.einsum("se,sa,sat->te", at, truth.probabilities, mdp.transition)
        at = torch.zeros_like(at)
        at[:, 1:] = moved[:, :-1] * (~mdp.terminal)[:, None]
        at[:, 0] = mdp.start * (1.0 - at.sum())
    return torch.stack(found)


def over_steps() -> dict[str, torch.Tensor]:
    """T-step rollouts of the branching process, which cross ends of both kinds."""
    mdp, cases = branching(), {}
    truth = Truth(mdp, branching_policy())
    baseline = value_baseline(mdp, SEEDS, truth.value(DISCOUNT), DISCOUNT, time_limit="bootstrap")
    for decay in (0.0, 0.6, 1.0):
        for weighted in (True, False):
            estimator = gae(
                discount=DISCOUNT, trace_decay=decay, discount_weighting=weighted, horizon=T
            )
            cases[f"{decay} {weighted}"] = (estimator, baseline)
    env = Tabular(SEEDS, 32, mdp, max_steps=LIMIT)
    return sampled(env, branching_policy(), cases, 20, horizon=T)


def test_over_t_steps_with_the_true_value_the_mean_is_exact():
    """1/T Σ_t Σ_s P(s_t = s) Σ_a A(s, a) ∇π(a|s); a true value bridges every truncation."""
    truth = Truth(branching(), branching_policy())
    at = occupancy(truth, 20 * T).mean(0)
    assert at.sum().item() == pytest.approx(1.0)
    advantage = truth.advantage(DISCOUNT, 1.0, truth.value(DISCOUNT))
    for name, samples in over_steps().items():
        factor = DISCOUNT ** torch.arange(LIMIT) if "True" in name else torch.ones(LIMIT)
        exact = truth.of_weights((at * factor).sum(1), advantage)
        assert_mean(samples, exact, power=0.5)


@pytest.mark.parametrize("weighted", [True, False])
def test_one_step_episodes_give_the_bandits_gradient(weighted):
    """T·N rows of episodes of one decision: the exact gradient of J in direction and scale."""
    move = torch.zeros(2, 3, 2)
    move[:, :, 1] = 1.0
    mdp = MDP(move, [[1.0, -2.0, 4.0], [0.0] * 3], [1, 0], [False, True])
    policy = linear_policy(mdp, SEEDS, torch.tensor([[0.5, -0.3, 0.0], [0.0] * 3]))
    baseline = value_baseline(mdp, SEEDS, torch.tensor([0.7, 0.0]), 0.9)
    estimator = gae(discount=0.9, trace_decay=0.8, discount_weighting=weighted, horizon=T)
    found = sampled(Tabular(SEEDS, 32, mdp), policy, {"": (estimator, baseline)}, 5, T)[""]
    assert_mean(found, Truth(mdp, policy).of_objective(0.9), power=0.2)


def test_every_row_by_hand():
    """γ = λ = .5, V = 1 throughout: δ = r − .5, but r − 1 where the row terminated."""
    rollout = part(random_rollout(steps=3, width=1), slice(1), slice(1))
    rollout.observation[...], rollout.next_observation[...] = 1.0, 1.0
    rollout.reward[:, 0, 0] = torch.tensor([1.0, 2.0, 4.0])
    rollout.action[:, 0, 0] = torch.tensor([1, 0, 1])
    rollout.terminated[:, 0, 0] = torch.tensor([False, True, False])
    rollout.truncated[...] = False
    rollout.time[:, 0, 0] = torch.tensor([1, 2, 0])
    policy = linear_policy(corridor(), (0,), torch.zeros(1, 2))
    baseline = value_baseline(corridor(), (0,), torch.tensor([1.0]), 0.5)

    def found(**options) -> float:
        estimator = gae(discount=0.5, horizon=3, **{"trace_decay": 0.5, **options})
        return float(estimate(policy, rollout, estimator, baseline)[0, -1])

    first, second, third = 0.5 + 0.25 * 1.0, 1.0, 3.5
    assert found() == pytest.approx(0.5 * (first - second + third) / 3)
    weighted = 0.5 * first - 0.25 * second + third
    assert found(discount_weighting=True) == pytest.approx(0.5 * weighted / 3)
    assert found(trace_decay=0.0) == pytest.approx(0.5 * (0.5 - 1.0 + 3.5) / 3)


def random_baseline(seed: int) -> Baseline:
    value, after = torch.randn(2, T, R, FEW_SLOTS, generator=torch.Generator().manual_seed(seed))
    return Baseline(value, after)


def made_up_policy(seeds=FEW):
    return linear_policy(stepping_stones(), seeds, torch.randn(4, 2))


@pytest.mark.parametrize("limit", ["bootstrap", "end"])
@pytest.mark.parametrize("weighted", [True, False])
def test_in_complete_episodes_a_decay_of_1_is_reward_to_go_less_v(limit, weighted):
    rollout, policy, value = random_rollout(2, True), made_up_policy(), random_baseline(3)
    following = value.next_value.clone()
    following[:-1] = torch.where(rollout.ended[:-1], following[:-1], value.value[1:])
    value = Baseline(value.value, following)
    options = {"discount": 0.9, "time_limit": limit, "discount_weighting": weighted}
    one = gae(trace_decay=1.0, **options)(policy, rollout, value).gradient
    other = reward_to_go(**options)(policy, rollout, value).gradient
    assert_close(gradients(policy, one), gradients(policy, other))


@pytest.mark.parametrize("complete", [False, True])
@pytest.mark.parametrize(
    "options",
    [{"trace_decay": 0.1}, {"discount_weighting": True}, {"discount": 0.5}, {"time_limit": "end"}],
    ids=str,
)
def test_every_option_changes_the_gradient(options, complete):
    rollout, policy, value = random_rollout(4, complete), made_up_policy(), random_baseline(5)
    base = {"discount": 0.9, "horizon": None if complete else T}
    one, other = (
        gae(**{**base, **more})(policy, rollout, value).gradient for more in ({}, options)
    )
    assert not torch.allclose(one, other, atol=1e-3)


def test_steps_average_over_time_and_complete_episodes_sum():
    """The same rows as both kinds of rollout: T times as much in complete episodes."""
    rollout, policy, value = random_rollout(6), made_up_policy(), random_baseline(7)
    steps = gae(discount=0.9)(policy, rollout, value).gradient
    episodes = gae(discount=0.9)(policy, replace(rollout, complete=True), value).gradient
    torch.testing.assert_close(T * steps, episodes, rtol=1e-4, atol=1e-5)


def test_undiscounted_the_weighting_changes_no_bit():
    rollout, policy, value = random_rollout(8), made_up_policy(), random_baseline(9)
    one, other = (gae(discount_weighting=w)(policy, rollout, value).gradient for w in (False, True))
    assert torch.equal(one, other)


@pytest.mark.parametrize(
    ("key", "value"), [("trace_decay", 1.1), ("trace_decay", -0.1), ("horizon", 0)]
)
def test_values_out_of_range_are_refused(key, value):
    with pytest.raises(ConfigError, match=rf"estimator\.{key}={value}"):
        gae(**{key: value})


def test_it_needs_a_baseline_that_predicts():
    assert gae().needs_value and not reward_to_go().needs_value
    assert gae(horizon=T).horizon == T and reward_to_go().horizon is None
