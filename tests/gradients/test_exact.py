"""Moments without sampling: GROUND_TRUTH's figures, and two ways to the same number."""

from __future__ import annotations

import copy
from itertools import product

import numpy as np
import pytest
import torch

from pgx.baselines.batch_mean import BatchMean
from pgx.baselines.leave_one_out import LeaveOneOut
from pgx.baselines.moving_average import MovingAverage
from pgx.baselines.optimal import Optimal
from pgx.environments.bandit import Bandit
from pgx.environments.cartpole import CartPole
from pgx.environments.corridor import LEFT, RIGHT, Corridor, corridor
from pgx.environments.exact import probabilities
from pgx.environments.mdp import MDP
from pgx.environments.tabular import Tabular
from pgx.gradients.arms import Arm
from pgx.gradients.chain import LARGEST, TooLarge, expectations
from pgx.gradients.enumerate import TooMany, count, every_trajectory
from pgx.gradients.exact import (
    ExactMoments,
    _by_equations,
    _in_float64,
    _pairs_by_equations,
    exact_moments,
)
from pgx.gradients.quantities import NoRecursion
from pgx.gradients.yardsticks import ExactValue
from pgx.policies.categorical_mlp import CategoricalMLP
from tests.support.oracle import (
    branching,
    gae,
    linear_policy,
    logits_of,
    n_step,
    no_baseline,
    reinforce,
    reward_to_go,
    spec_of,
    stepping_stones,
    td,
    value_baseline,
)

ONE = (0,)


def arm(estimator, baseline, policy, unit: int = 1) -> Arm:
    return Arm("estimator", "baseline", estimator, baseline, policy, None, unit)


def known(env, estimator, baseline, policy, unit: int = 1) -> ExactMoments:
    found = exact_moments(env, arm(estimator, baseline, policy, unit))
    assert isinstance(found, ExactMoments), found
    return found


def optimal(estimator, policy, source: str = "held_out") -> Optimal:
    baseline = Optimal(policy.spec, ONE, source)
    baseline.serve(policy, estimator)
    return baseline


def biases(policy) -> torch.Tensor:
    """Where a linear policy's biases lie in its parameters, ``[A]``."""
    _, bias = policy.net.layers(torch.arange(policy.flat.shape[1], dtype=torch.float64)[None])[0]
    return bias.flatten().long()


@pytest.mark.parametrize("max_steps", [None, 10_000])
def test_variances_of_the_ground_truth(max_steps):
    """One episode of the corridor at p = .5, with respect to the logit of right."""
    env, mdp = Corridor(ONE, 1, max_steps), corridor()
    policy = linear_policy(mdp, ONE, logits_of([[0.5, 0.5]]))
    nothing, level = no_baseline(mdp, ONE), value_baseline(mdp, ONE, torch.tensor([-12.0]), 1.0)
    truth = ExactValue(env, policy, 1.0)
    figures = [
        (1959, reinforce(), nothing),
        (1652 / 3, reinforce(), optimal(reinforce(), policy)),
        (733, reward_to_go(), nothing),
        (277, reward_to_go(), level),
        (277, gae(trace_decay=1.0), level),
        (295, reward_to_go(), truth),
        (3, td(), truth),
    ]
    for wanted, estimator, baseline in figures:
        found = known(env, estimator, baseline, policy)
        assert found.mean[biases(policy)].tolist() == pytest.approx([-2.0, 2.0], abs=1e-9)
        for way in (LEFT, RIGHT):
            assert found.variance[biases(policy)[way]].item() == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize(("p", "slope"), [(0.05, 75.894737), (0.95, -37.789474)])
def test_means_are_exact_where_episodes_are_long(p, slope):
    policy = linear_policy(corridor(), ONE, logits_of([[1 - p, p]]))
    for estimator in (reinforce(), reward_to_go()):
        found = known(Corridor(ONE, 1), estimator, no_baseline(corridor(), ONE), policy)
        assert found.mean[biases(policy)[RIGHT]].item() == pytest.approx(slope, rel=2e-6)


ESTIMATORS = {
    "reinforce": lambda: reinforce(discount=0.9),
    "reward_to_go": lambda: reward_to_go(discount=0.9),
    "weighted": lambda: reward_to_go(discount=0.9, discount_weighting=True),
    "td": lambda: td(discount=0.9, time_limit="end"),
    "gae": lambda: gae(discount=0.9, time_limit="end", discount_weighting=True),
    "n_step 1": lambda: n_step(discount=0.9, time_limit="end", steps=1),
    "n_step 2": lambda: n_step(discount=0.9, time_limit="end", steps=2),
    "n_step 3": lambda: n_step(discount=0.9, time_limit="end", discount_weighting=True, steps=3),
}
CRITICS = ("td", "gae", "n_step 1", "n_step 2", "n_step 3")


def policy_of(mdp: MDP, kind: str):
    draws = torch.Generator().manual_seed(3)
    if kind == "linear":
        shape = (mdp.features.shape[1], mdp.actions)
        return linear_policy(mdp, ONE, torch.randn(shape, generator=draws))
    return CategoricalMLP(spec_of(mdp), ONE, [3], "tanh", 1.0)


def baseline_of(name: str, mdp: MDP, estimator, policy):
    if name == "optimal":
        return optimal(estimator, policy)
    if name == "none":
        return no_baseline(mdp, ONE)
    levels = torch.linspace(-3.0, 2.0, mdp.features.shape[1])
    return value_baseline(mdp, ONE, levels, 0.9)


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("baseline", ["none", "value"])
@pytest.mark.parametrize(("process", "limit"), [("stones", None), ("stones", 2), ("branching", 3)])
def test_equations_and_listing_agree(estimator, baseline, process, limit):
    if baseline == "none" and estimator in CRITICS:
        baseline = "other value"
    mdp = {"stones": stepping_stones, "branching": branching}[process]()
    policy = policy_of(mdp, "linear" if baseline == "value" else "mlp")
    made = ESTIMATORS[estimator]()
    whole = _in_float64(arm(made, baseline_of(baseline, mdp, made, policy), policy))
    env = Tabular(ONE, 1, mdp, limit)
    listed = exact_moments(env, whole)
    assert listed.how.startswith("all ") and listed.batch == 1
    chosen = policy.probabilities(policy.in_float64(padded(mdp)))[0, : mdp.states].detach()
    solved = _by_equations(mdp, whole, chosen, limit)
    for left, right in ((listed.mean, solved.mean), (listed.variance, solved.variance)):
        assert left.abs().max() > 0.01
        torch.testing.assert_close(left, right, rtol=1e-6, atol=1e-7)


def padded(mdp: MDP) -> torch.Tensor:
    rows = torch.zeros(1, 64, mdp.features.shape[1], dtype=torch.float64)
    rows[0, : mdp.states] = mdp.features
    return rows


@pytest.mark.parametrize("name", ["reinforce", "reward_to_go", "weighted"])
def test_the_optimal_constants_are_what_held_out_rollouts_tend_to(name):
    """Each trajectory as often as it is likely, held out: the ratio of expectations."""
    mdp, estimator = stepping_stones(), ESTIMATORS[name]()
    policy = linear_policy(mdp, ONE, torch.zeros(4, 2))
    listing = every_trajectory(mdp, torch.full((4, 2), 0.5).double(), None)
    times = (listing.probability * 8).round().long()
    slots = torch.arange(len(times)).repeat_interleave(times)
    tensors = {k: v[:, :, slots] for k, v in vars(listing.rollout).items() if torch.is_tensor(v)}
    often = copy.copy(listing.rollout).__class__(**tensors, complete=True)
    whole = _in_float64(arm(estimator, optimal(estimator, policy), policy))
    whole.baseline(often)
    listed = exact_moments(Tabular(ONE, 1, mdp), whole)
    chosen = torch.full((4, 2), 0.5, dtype=torch.float64)
    solved = _by_equations(mdp, whole, chosen, None)
    torch.testing.assert_close(listed.mean, solved.mean, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(listed.variance, solved.variance, rtol=1e-6, atol=1e-9)
    plain = known(Tabular(ONE, 1, mdp), estimator, no_baseline(mdp, ONE), policy)
    assert (solved.variance - plain.variance).abs().max() > 0.1


def test_with_the_time_left_known_every_trace_decay_is_unbiased():
    """`ExactValue` within a limit of 3 decisions."""
    mdp = branching()
    env, policy = Tabular(ONE, 1, mdp, 3), policy_of(mdp, "linear")
    (wanted,) = torch.autograd.grad(env.objective(policy, 0.9).sum(), policy.flat)
    truth = ExactValue(env, policy, 0.9)
    for decay in (0.0, 0.5, 1.0):
        estimator = gae(discount=0.9, discount_weighting=True, trace_decay=decay, time_limit="end")
        found = known(env, estimator, truth, policy)
        torch.testing.assert_close(found.mean.float(), wanted[0], rtol=1e-4, atol=1e-5)
    whole = arm(gae(discount=0.9, time_limit="end"), truth, policy)
    with pytest.raises(NoRecursion, match="time that is left"):
        _by_equations(mdp, whole, torch.full((5, 3), 1 / 3).double(), 3)


@pytest.mark.parametrize("scope", ["trajectory", "time"])
@pytest.mark.parametrize("kind", [LeaveOneOut, BatchMean])
def test_pairs_of_trajectories_that_are_compared(kind, scope):
    mdp = stepping_stones()
    env, policy = Tabular(ONE, 1, mdp), policy_of(mdp, "linear")
    plain = known(env, reward_to_go(), no_baseline(mdp, ONE), policy)
    found = known(env, reward_to_go(), kind(spec_of(mdp), ONE, 1.0, scope), policy, unit=4)
    share = 1.0 if kind is LeaveOneOut else 0.5
    torch.testing.assert_close(found.mean, share * plain.mean, rtol=1e-9, atol=1e-9)
    assert found.batch == 2 and found.how.endswith("pairs of trajectories")
    assert (found.variance - plain.variance).abs().max() > 0.1


@pytest.mark.parametrize("kind", [LeaveOneOut, BatchMean])
@pytest.mark.parametrize("limit", [None, 2])
@pytest.mark.parametrize("name", ["reinforce", "reward_to_go", "weighted"])
def test_equations_and_listing_of_pairs_agree(kind, limit, name):
    mdp, estimator = stepping_stones(), ESTIMATORS[name]()
    env, policy = Tabular(ONE, 1, mdp, limit), policy_of(mdp, "linear")
    scope, other = ("trajectory", "time")[:: 1 if name == "reinforce" else -1]
    compared = kind(spec_of(mdp), ONE, 0.9, scope)
    listed = known(env, estimator, compared, policy, unit=2)
    chosen = probabilities(mdp, policy)[0].detach()
    whole = _in_float64(arm(estimator, compared, policy, 2))
    solved = _pairs_by_equations(mdp, whole, chosen, limit)
    assert solved.batch == 2 and solved.variance.max() > 0.1
    torch.testing.assert_close(solved.mean, listed.mean, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(solved.variance, listed.variance, rtol=1e-6, atol=1e-9)
    crossed = _in_float64(arm(estimator, kind(spec_of(mdp), ONE, 0.9, other), policy, 2))
    with pytest.raises(NoRecursion, match="compares trajectories"):
        _pairs_by_equations(mdp, crossed, chosen, limit)


def test_the_variance_of_a_sample_covariance():
    """Total return of the corridor: with the other's return, g is the sample covariance of G and S.

    2 Var = μ22 + μ20 μ02: three exact numbers of one trajectory, G being minus its length.
    """
    mdp, one = corridor(), torch.ones(1, 1, 1, 1, dtype=torch.float64)
    weight = 0.5 * mdp.transition * (~mdp.terminal).double()[:, None, None]
    score = torch.tensor([-0.5, 0.5], dtype=torch.float64).view(1, 1, 2, 1)
    updates = [{(0, 0): -one, (1, 0): one}, {(0, 0): score, (0, 1): one}]
    asked = [(i, j) for i in range(3) for j in range(3)]
    raw = {k: v.item() for k, v in expectations(updates, asked, weight, mdp.start, None).items()}
    mean = raw[1, 0]
    assert (mean, raw[1, 1], raw[0, 1]) == pytest.approx((-12, 2, 0), abs=1e-9)
    both = raw[2, 2] - 2 * mean * raw[1, 2] + mean**2 * raw[0, 2]
    wanted = both + (raw[2, 0] - mean**2) * raw[0, 2]
    policy = linear_policy(mdp, ONE, logits_of([[0.5, 0.5]]))
    loo = LeaveOneOut(spec_of(mdp), ONE, 1.0, "trajectory")
    found = known(Corridor(ONE, 1), reinforce(), loo, policy, unit=2)
    assert found.how == "linear equations for pairs of trajectories"
    assert found.variance[biases(policy)[RIGHT]].item() == pytest.approx(wanted, rel=1e-9)


def test_leave_one_out_of_two_by_hand():
    """One decision, π = (¼, ¾), R = (1, 5): g = (R_1 − R_2)(1_1 − 1_2)/2 = 2 if they differ."""
    env, policy = two_arms(0.0), linear_policy(two_arms(0.0).mdp, ONE, logits_of([[1, 3]]))
    loo = LeaveOneOut(env.spec, ONE, 1.0, "trajectory")
    found = known(env, reinforce(), loo, policy, unit=2)
    chance = 2 * 0.25 * 0.75
    right = biases(policy)[1]
    assert found.mean[right].item() == pytest.approx(2 * chance, abs=1e-7)
    assert found.variance[right].item() == pytest.approx(2 * 4 * chance * (1 - chance), abs=1e-6)


def two_arms(noise: float) -> Bandit:
    return Bandit(ONE, 1, [1.0, 5.0], noise)


def test_gaussian_rewards_count_with_their_variance():
    """E[g²] = Σ_a π(a) (m_a² + σ²) (1_a − π(1))²."""
    env, policy = two_arms(0.5), linear_policy(two_arms(0.0).mdp, ONE, logits_of([[1, 3]]))
    found = known(env, reinforce(), no_baseline(env.mdp, ONE), policy)
    second = 0.25 * (1 + 0.25) * 0.75**2 + 0.75 * (25 + 0.25) * 0.25**2
    right, mean = biases(policy)[1], 0.75 * 5 * 0.25 - 0.25 * 1 * 0.75
    assert found.mean[right].item() == pytest.approx(mean, rel=1e-7)
    assert found.variance[right].item() == pytest.approx(second - mean**2, rel=1e-7)
    whole = arm(reinforce(normalize_advantage=True), no_baseline(env.mdp, ONE), policy, 2)
    assert "Gaussian" in exact_moments(env, whole)


def test_a_remembered_mean_is_a_constant_and_stays():
    env, policy = two_arms(0.0), linear_policy(two_arms(0.0).mdp, ONE, logits_of([[1, 3]]))
    remembered = MovingAverage(env.spec, ONE, 1.0, 0.0)
    listing = every_trajectory(env.mdp, torch.tensor([[0.5, 0.5]] * 2).double(), None)
    remembered(listing.rollout)  # the mean of both rewards, 3
    before = [tensor.clone() for tensor in remembered.memory()]
    found = known(env, reinforce(), remembered, policy)
    level = value_baseline(env.mdp, ONE, torch.tensor([3.0]), 1.0)
    wanted = known(env, reinforce(), level, policy)
    torch.testing.assert_close(found.variance, wanted.variance)
    assert all(map(torch.equal, before, remembered.memory()))


def test_every_trajectory_by_hand():
    """Two steps of the corridor: RR, RL, LR, LL from state 0; only what is likely is listed."""
    listing = every_trajectory(corridor(), torch.tensor([[0.25, 0.75]] * 4).double(), 2)
    states, actions = listing.states[:, 0].T.tolist(), listing.rollout.action[:, 0].T.tolist()
    assert states == [[0, 0], [0, 0], [0, 1], [0, 1]] and actions == [
        [0, 0],
        [0, 1],
        [1, 0],
        [1, 1],
    ]
    assert listing.probability.tolist() == [1 / 16, 3 / 16, 3 / 16, 9 / 16]
    assert listing.rollout.truncated[:, 0].tolist() == [[False] * 4, [True] * 4]
    surely = every_trajectory(corridor(), torch.tensor([[0.0, 1.0]] * 4).double(), 3)
    assert surely.states[:, 0, 0].tolist() == [0, 1, 0] and len(surely.probability) == 1


@pytest.mark.parametrize(("process", "limit"), [("stones", None), ("branching", 2)])
def test_what_is_counted_is_what_is_listed(process, limit):
    mdp = {"stones": stepping_stones, "branching": branching}[process]()
    chosen = torch.full((mdp.states, mdp.actions), 1 / mdp.actions, dtype=torch.float64)
    listing = every_trajectory(mdp, chosen, limit)
    assert count(mdp, chosen, limit) == len(listing.probability) == listing.rollout.mask.shape[2]
    assert listing.probability.sum().item() == pytest.approx(1.0, abs=1e-12)
    ends = listing.rollout.ended.sum(0) + (~listing.rollout.mask[0])
    assert (ends == 1).all() and (listing.rollout.mask | ~listing.rollout.ended).all()


def test_too_many_and_endless_ones_are_refused():
    even = torch.full((4, 2), 0.5, dtype=torch.float64)
    with pytest.raises(TooMany, match="more than 20,000"):
        count(corridor(), even, 40)
    with pytest.raises(TooMany, match="return to a state"):
        count(corridor(), even, None)


def test_what_is_not_known_is_said_in_a_few_words():
    mdp = corridor()
    env, policy = Corridor(ONE, 1), linear_policy(mdp, ONE, logits_of([[1, 1]]))
    loo = LeaveOneOut(spec_of(mdp), ONE, 1.0, "trajectory")
    assert "compares trajectories" in exact_moments(env, arm(reward_to_go(), loo, policy, 2))
    bonus = reward_to_go(entropy_coefficient=0.1)
    nothing = no_baseline(mdp, ONE)
    assert "entropy" in exact_moments(env, arm(bonus, nothing, policy))
    far = n_step(steps=50)
    level = value_baseline(mdp, ONE, torch.tensor([-12.0]), 1.0)
    assert "window" in exact_moments(env, arm(far, level, policy))
    other = CartPole(ONE, 1)
    assert "not tabular" in exact_moments(other, arm(reward_to_go(), nothing, policy))


def test_moments_of_a_geometric_number():
    """N = 1 + N' with probability q: E[N] = 1/(1 − q), E[N²] = (1 + q)/(1 − q)²."""
    q, one = 0.75, torch.ones(1, 1, 1, 1, dtype=torch.float64)
    weight = torch.tensor([[[q, 1 - q]], [[0.0, 0.0]]], dtype=torch.float64)
    start = torch.tensor([1.0, 0.0], dtype=torch.float64)
    update = {(0,): one, (1,): one}
    found = expectations([update], [(1,), (2,), (0,)], weight, start, None)
    assert found[(1,)].item() == pytest.approx(1 / (1 - q))
    assert found[(2,)].item() == pytest.approx((1 + q) / (1 - q) ** 2)
    assert found[(0,)].item() == 1.0
    for steps in (1, 2, 5, 6):
        first = sum(q**t for t in range(steps))
        second = sum((2 * t + 1) * q**t for t in range(steps))
        within = expectations([update], [(1,), (2,)], weight, start, steps)
        assert within[(1,)].item() == pytest.approx(first)
        assert within[(2,)].item() == pytest.approx(second)
    many = np.zeros((LARGEST, 1, LARGEST))
    with pytest.raises(TooLarge):
        expectations([update], [(2,)], torch.from_numpy(many), torch.ones(LARGEST), None)


def test_the_order_of_estimators_variances_is_no_law():
    """On some processes V is worse than nothing: never assert the folklore."""
    worse = set()
    for left, right in product((0.0, 1.0), (0.0, 1.0)):
        env = Bandit(ONE, 1, [left, right], 0.0)
        policy = linear_policy(env.mdp, ONE, logits_of([[1, 4]]))
        none = known(env, reinforce(), no_baseline(env.mdp, ONE), policy).variance.sum()
        value = known(env, reinforce(), ExactValue(env, policy, 1.0), policy).variance.sum()
        worse |= {(left, right)} if value > none + 1e-9 else set()
    assert worse == {(0.0, 1.0)}
