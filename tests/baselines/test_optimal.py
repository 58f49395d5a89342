"""The optimal baseline: by hand, unbiased and of less variance over every outcome, and its own."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch

from pgx.baselines.optimal import Optimal
from pgx.environments.mdp import MDP
from pgx.errors import ConfigError
from tests.support.arms import arm, tensors, trained
from tests.support.oracle import (
    Truth,
    assert_close,
    estimate,
    linear_policy,
    logits_of,
    no_baseline,
    reinforce,
    reward_to_go,
    spec_of,
    stepping_stones,
)
from tests.support.rollouts import (
    SEEDS,
    N,
    R,
    changed,
    every_outcome,
    lengthened,
    part,
    random_rollout,
    regrouped,
    spec,
)

EVEN = [[1, 1]] * 4
ESTIMATORS = {
    "total": lambda: reinforce(discount=0.9),
    "to_go": lambda: reward_to_go(discount=0.9),
    "weighted": lambda: reward_to_go(discount=0.9, discount_weighting=True),
}
every = pytest.mark.parametrize("name", ESTIMATORS)


def make(mdp: MDP, policy, estimator, source: str = "leave_one_out") -> Optimal:
    baseline = Optimal(spec_of(mdp), range(policy.replicas), source)
    baseline.serve(policy, estimator)
    return baseline


def made_up(name: str, seeds=SEEDS, source: str = "leave_one_out"):
    """A policy with random logits, and the baseline of an estimator."""
    draws = torch.randn(4, 2, generator=torch.Generator().manual_seed(1))
    mdp = stepping_stones()
    policy, estimator = linear_policy(mdp, seeds, draws), ESTIMATORS[name]()
    return policy, estimator, make(mdp, policy, estimator, source)


def scores(policy, rollout, r: int, n: int) -> torch.Tensor:
    """∇ log π of every row of one slot by autograd, ``[rows, P]``."""
    found = []
    for t in range(int(rollout.mask[:, r, n].sum())):
        rows = rollout.observation[t, r, n].expand(policy.replicas, 64, -1)
        action = rollout.action[t, r, n].expand(policy.replicas, 64)
        log_prob = policy.log_prob(policy(rows), action)[r, 0]
        found.append(torch.autograd.grad(log_prob, policy.flat)[0][r])
    return torch.stack(found).double()


@every
@pytest.mark.parametrize("source", ["leave_one_out", "held_out"])
def test_it_equals_its_slow_twin(name, source):
    policy, _, baseline = made_up(name, source=source)
    rollout = random_rollout(3, complete=True)
    assert source == "leave_one_out" or (baseline(rollout).parameter_value == 0).all()
    found = baseline(rollout).parameter_value  # held out: of the same rollout, once more
    assert found.shape == (R, N, policy.flat.shape[1])
    for r in range(R):
        over, under = [], []
        for n in range(N):
            ell = scores(policy, rollout, r, n)
            power = 0.9 ** torch.arange(len(ell)).double()
            reward = rollout.reward[: len(ell), r, n].double()
            to_go = torch.stack(
                [(power[: len(ell) - k] * reward[k:]).sum() for k in range(len(ell))]
            )
            ell = ell * power[:, None] if name == "weighted" else ell
            square = ell.sum(0).square() if name == "total" else ell.square()
            over.append(square * to_go[0] if name == "total" else (square * to_go[:, None]).sum(0))
            under.append(square if name == "total" else square.sum(0))
        for n in range(N):
            others = [m for m in range(N) if m != n or source == "held_out"]
            x, y = (sum(terms[m] for m in others) for terms in (over, under))
            wanted = torch.where(y > 0, x / y, 0.0)
            torch.testing.assert_close(found[r, n].double(), wanted, rtol=1e-4, atol=1e-4)
    assert found.abs().max() > 0.1


@every
def test_a_mean_of_pairs_is_unbiased_and_of_less_variance(name):
    """Over all pairs of the 8 equally likely trajectories, for rewards far from 0."""
    stones = stepping_stones()
    mdp = MDP(stones.transition, stones.reward + 10.0, stones.start, stones.terminal)
    pairs = np.array(list(product(range(8), repeat=2)))
    policy = linear_policy(mdp, range(64), logits_of(EVEN))
    each, estimator = regrouped(every_outcome(mdp, EVEN, 3), pairs), ESTIMATORS[name]()
    plain = estimate(policy, each, estimator, no_baseline(mdp, range(64)))
    found = estimate(policy, each, estimator, make(mdp, policy, estimator))
    assert_close(found.mean(0), plain.mean(0))
    if name != "to_go":
        assert_close(found.mean(0), Truth(mdp, policy).of_objective(0.9))
    assert found.var(0).sum() < 0.5 * plain.var(0).sum()


def test_as_its_own_baseline_one_trajectory_would_give_zero():
    """Why the others are asked: S² G / S² is G itself."""
    policy, estimator, _ = made_up("total", seeds=(0,))
    rollout = part(random_rollout(3, complete=True, replicas=1), slots=slice(1))
    weighted, square = estimator.best_constants(policy, rollout)
    whole = estimator.trajectories(policy, rollout, no_baseline(stepping_stones(), (0,))(rollout))
    own = whole - weighted / square.where(square > 0, 1.0) * estimator.score_sum(policy, rollout)
    assert whole.abs().max() > 0.1
    torch.testing.assert_close(own, torch.zeros_like(own), rtol=0, atol=1e-5)


def test_two_actions_of_one_decision_by_hand():
    """π = (.8, .2), R = (3, −2): b* = .2·3 + .8·(−2) = −1, and every estimate is the same."""
    move = [[[0.0, 1.0]] * 2, [[0.0, 1.0]] * 2]
    mdp = MDP(move, [[3.0, -2.0], [0, 0]], [1, 0], [False, True], np.ones((2, 1)))
    rollout = every_outcome(mdp, [[4, 1]] * 2, 1)
    policy, estimator = linear_policy(mdp, (0,), logits_of([[4, 1]])), reinforce()
    held = make(mdp, policy, estimator, "held_out")
    held(rollout)
    value = held(rollout)
    real = value.parameter_value[0, 0, policy.net.free()]
    torch.testing.assert_close(real, torch.full((4,), -1.0))
    found = estimator.trajectories(policy, rollout, value)[0]
    assert found.var(0).max() < 1e-10 and found.abs().max() == pytest.approx(0.16 * 5, rel=1e-5)


@every
def test_trajectories_average_to_the_gradient(name):
    policy, estimator, baseline = made_up(name)
    rollout = random_rollout(3, complete=True)
    value = baseline(rollout)
    mean = estimator.trajectories(policy, rollout, value).mean(1)
    whole = estimator(policy, rollout, value).gradient
    torch.testing.assert_close(mean, whole, rtol=1e-4, atol=1e-5)
    without = estimator(policy, rollout, no_baseline(stepping_stones(), SEEDS)(rollout)).gradient
    assert (whole - without).abs().amax(1).min() > 0.01


@every
@pytest.mark.parametrize("source", ["leave_one_out", "held_out"])
def test_replicas_stay_apart_and_padding_changes_no_bit(name, source):
    rollout = random_rollout(3, complete=True)

    def asked(given, r: int | None = None):
        policy, estimator, baseline = made_up(
            name, SEEDS if r is None else SEEDS[r : r + 1], source
        )
        baseline(given)
        return estimator(policy, given, baseline(given)).gradient

    among = asked(rollout)
    assert torch.equal(asked(lengthened(rollout, 128)), among)
    broken = asked(changed(rollout, "reward", (0, 1, 0), torch.nan))
    assert torch.equal(broken[[0, 2]], among[[0, 2]]) and broken[1].isnan().any()
    for r in range(R):
        assert torch.equal(asked(part(rollout, slice(r, r + 1)), r)[0], among[r])


ARM = ("environment.slots=3", "policy=categorical_linear", "estimator.discount=0.95")


@pytest.mark.parametrize("words", [("reinforce", "held_out"), ("reward_to_go", "leave_one_out")])
def test_a_seed_alone_is_the_seed_among_others_and_resumes(words, tmp_path: Path):
    overrides = (*ARM, f"estimator={words[0]}", "baseline=optimal", f"baseline.source={words[1]}")
    among = trained(arm(tmp_path / "among", overrides, [5, 1, 3]), 6)
    alone = trained(arm(tmp_path / "alone", overrides, [3]), 3)
    again = arm(tmp_path / "again", overrides, [3])
    again.load_state(alone.state())
    again.tracker.log.load_state_dict(alone.tracker.log.state_dict())
    assert all(map(torch.equal, tensors(trained(alone, 3), 0), tensors(among, 2)))
    assert all(map(torch.equal, tensors(trained(again, 3), 0), tensors(among, 2)))
    plain = trained(arm(tmp_path / "plain", (*overrides[:-2], "baseline=none"), [3]), 6)
    assert not torch.equal(plain.policy.flat, alone.policy.flat)


def test_it_needs_two_complete_episodes_and_a_known_source():
    assert Optimal.least_slots == 2 and Optimal.needs_episodes and Optimal.per_parameter
    with pytest.raises(ConfigError, match=r"baseline\.source=own"):
        Optimal(spec(), SEEDS, "own")
    with pytest.raises(RuntimeError, match="serves no estimator"):
        Optimal(spec(), SEEDS, "held_out")(random_rollout(complete=True))
