"""Leave-one-out: the others' mean, unbiased, and N/(N−1) times the batch mean's effect."""

from __future__ import annotations

import pytest
import torch

from pgx.baselines.batch_mean import BatchMean
from pgx.baselines.leave_one_out import LeaveOneOut
from pgx.environments.corridor import Corridor, corridor
from pgx.errors import ConfigError
from tests.support.oracle import (
    Truth,
    assert_mean,
    estimate,
    linear_policy,
    logits_of,
    reinforce,
    reward_to_go,
    sampled,
    spec_of,
    stepping_stones,
)
from tests.support.rollouts import SEEDS, N, R, T, changed, lengthened, part, random_rollout, spec
from tests.support.twins import slow_return


def make(scope: str, discount: float = 0.9, seeds=SEEDS) -> LeaveOneOut:
    return LeaveOneOut(spec(), seeds, discount, scope)


@pytest.mark.parametrize("scope", ["time", "trajectory"])
def test_it_is_the_mean_of_the_others(scope):
    rollout = random_rollout(complete=True)
    to_go = slow_return(rollout.reward, rollout.ended, 0.9)
    found = make(scope)(rollout).value
    for t in range(T):
        for r in range(R):
            row = to_go[t if scope == "time" else 0, r]
            wanted = [(float(row.sum()) - float(row[n])) / (N - 1) for n in range(N)]
            assert found[t, r].tolist() == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize("scope", ["time", "trajectory"])
def test_on_the_corridor_the_mean_gradient_is_exact(scope):
    seeds, slots = range(64), 16
    policy = linear_policy(corridor(), seeds, logits_of([[0.8, 0.2]]))
    baseline = LeaveOneOut(spec_of(corridor()), seeds, 1.0, scope)
    cases = {"rest": (reward_to_go(), baseline), "whole": (reinforce(), baseline)}
    if scope == "time":
        del cases["whole"]  # Σ_t of the total return minus another's reward-to-go: needless noise
    found = sampled(Corridor(seeds, slots), policy, cases, 30)
    for samples in found.values():
        assert_mean(samples, Truth(corridor(), policy).of_objective(1.0), power=0.7)


def test_the_batch_mean_gives_its_gradient_times_1_minus_1_over_n():
    """With the total return and one number in all, for every rollout, not only on average."""
    rollout = random_rollout(complete=True)
    policy = linear_policy(stepping_stones(), SEEDS, torch.randn(4, 2))
    ones = [
        estimate(policy, rollout, reinforce(discount=0.9), kind(spec(), SEEDS, 0.9, "trajectory"))
        for kind in (BatchMean, LeaveOneOut)
    ]
    torch.testing.assert_close(ones[0], ones[1] * (1 - 1 / N), rtol=1e-4, atol=1e-5)


def test_replicas_stay_apart_and_padding_changes_no_bit():
    rollout = random_rollout(complete=True)
    among = make("time")(rollout).value
    broken = make("time")(changed(rollout, "reward", (0, 1, 0), torch.nan)).value
    assert torch.equal(broken[:, [0, 2]], among[:, [0, 2]])
    assert torch.equal(make("time")(lengthened(rollout, 130)).value[:T], among)
    alone = make("time", seeds=SEEDS[2:3])(part(rollout, slice(2, 3))).value
    assert torch.equal(alone[:, 0], among[:, 2])


def test_it_needs_two_complete_episodes_and_a_known_scope():
    assert make("time").least_slots == 2 and make("time").needs_episodes
    with pytest.raises(ConfigError, match=r"baseline\.scope=step"):
        make("step")
