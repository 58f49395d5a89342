"""The moving average: the past only, bias-corrected, kept by checkpoints."""

from __future__ import annotations

import pytest
import torch

from pgx.baselines.moving_average import MovingAverage
from pgx.environments.corridor import Corridor, corridor
from pgx.errors import ConfigError
from tests.support.oracle import (
    Truth,
    assert_mean,
    linear_policy,
    logits_of,
    reward_to_go,
    sampled,
    spec_of,
)
from tests.support.rollouts import SEEDS, R, changed, random_rollout, spec
from tests.support.twins import slow_return


def make(decay: float = 0.75, discount: float = 0.9, seeds=SEEDS) -> MovingAverage:
    return MovingAverage(spec(), seeds, discount, decay)


def test_it_is_the_weighted_mean_of_the_iterations_before():
    baseline, means = make(), []
    for seed in range(4):
        rollout = random_rollout(seed, complete=True)
        found = baseline(rollout).value
        weights = [0.75 ** (len(means) - 1 - i) for i in range(len(means))]
        for r in range(R):
            past = [float(mean[r]) for mean in means]
            wanted = sum(w * m for w, m in zip(weights, past, strict=True)) / max(
                sum(weights), 1e-9
            )
            assert found[:, r].unique().tolist() == pytest.approx([wanted], abs=1e-5)
        means.append(slow_return(rollout.reward, rollout.ended, 0.9)[0].mean(-1))


def test_the_first_iteration_has_no_baseline_and_a_decay_of_0_remembers_one():
    baseline = make(decay=0.0)
    assert (baseline(random_rollout(1, complete=True)).value == 0).all()
    rollout = random_rollout(2, complete=True)
    last = slow_return(
        random_rollout(1, complete=True).reward, random_rollout(1, complete=True).ended, 0.9
    )[0].mean(-1)
    torch.testing.assert_close(baseline(rollout).value[0, :, 0].double(), last, rtol=0, atol=1e-5)


def test_on_the_corridor_the_mean_gradient_is_exact_with_one_trajectory():
    seeds = range(512)
    policy = linear_policy(corridor(), seeds, logits_of([[0.8, 0.2]]))
    baseline = MovingAverage(spec_of(corridor()), seeds, 1.0, 0.9)
    found = sampled(Corridor(seeds, 1), policy, {"": (reward_to_go(), baseline)}, 40)[""]
    assert_mean(found, Truth(corridor(), policy).of_objective(1.0), power=0.7)


def test_its_memory_is_per_replica_and_what_a_checkpoint_must_hold():
    one, other = make(), make()
    rollout = random_rollout(3, complete=True)
    one(rollout), other(changed(rollout, "reward", (0, 1, 0), torch.nan))
    for left, right in zip(one.memory(), other.memory(), strict=True):
        assert left.shape[0] == R
        assert torch.equal(left[[0, 2]], right[[0, 2]])
    assert other.memory()[0][1].isnan().all()


@pytest.mark.parametrize("decay", [1.0, -0.1])
def test_a_decay_out_of_range_is_refused(decay):
    with pytest.raises(ConfigError, match=rf"baseline\.decay={decay}"):
        make(decay)
