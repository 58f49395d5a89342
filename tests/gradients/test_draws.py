"""A draw is what training would have used: batch by batch the estimators' own gradients."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from pgx.config import compose_config
from pgx.gradients.arms import combine
from pgx.gradients.asked import parse
from pgx.gradients.draws import draws, first_slots, predicted
from pgx.gradients.fit import fit
from pgx.gradients.sample import Sampler
from pgx.types import Rollout
from tests.support.rollouts import part

WORDS = ("environment=corridor", "policy=categorical_linear", "estimator.discount=0.9")
WORDS += ("environment.slots=3", "environment.max_steps=9", "baseline.hidden=[8]")
SLOTS = 12


def arms_of(*words: str):
    asked = parse([*WORDS, *words])
    config = compose_config(asked.overrides)
    arms, _ = combine(config, asked, 0, True)
    return config, arms


def rollout_of(config, arm) -> tuple[Rollout, list[torch.Tensor]]:
    sampler = Sampler(config, arm.policy, 0, "gradients", SLOTS, None, watched=True)
    rollout = replace(sampler(), progress=None)
    assert rollout.truncated.any() and rollout.terminated.any()
    return rollout, list(sampler.states)


PAIRS = (
    "reinforce none",
    "reinforce batch_mean",
    "reinforce optimal",
    "reward_to_go leave_one_out",
    "reward_to_go optimal",
    "reward_to_go:discount_weighting=false none",
    "reward_to_go:normalize_advantage=true none",
    "td:time_limit=bootstrap value",
    "gae value",
)


@pytest.mark.parametrize("pair", PAIRS)
def test_a_draw_is_the_estimate_of_its_batch(pair):
    estimator, baseline = pair.split()
    config, (arm,) = arms_of("--estimators", estimator, "--baselines", baseline)
    rollout, states = rollout_of(config, arm)
    found = draws(arm, rollout, states, 3)
    assert found.shape == (SLOTS // 3, arm.policy.flat.shape[1]) and found.abs().sum() > 0
    for index in range(SLOTS // 3):
        alone = part(rollout, slots=slice(3 * index, 3 * index + 3))
        estimate = arm.estimator(arm.policy, alone, arm.baseline(alone))
        torch.testing.assert_close(found[index], estimate.gradient[0], rtol=1e-4, atol=1e-5)


def test_arms_that_compare_trajectories_are_measured_in_batches():
    named = "none,leave_one_out,batch_mean,optimal,optimal:source=held_out,value,moving_average"
    _, arms = arms_of("--estimators", "reward_to_go", "--baselines", named)
    assert [arm.unit for arm in arms] == [1, 3, 3, 3, 1, 1, 1]
    _, (arm,) = arms_of("--estimators", "gae:normalize_advantage=true", "--baselines", "value")
    assert arm.unit == 3


def test_what_measures_does_not_learn():
    config, arms = arms_of("--estimators", "reward_to_go", "--baselines", "value,moving_average")
    for arm in arms:
        rollout, states = rollout_of(config, arm)
        first = draws(arm, rollout, states, 1)
        assert torch.equal(first, draws(arm, rollout, states, 1))


def test_fitting_learns_and_arms_that_learn_alike_share_it():
    words = ("--estimators", "reinforce,reward_to_go", "--baselines", "value,none,moving_average")
    config, arms = arms_of(*words)
    before = [None if a.baseline.flat is None else a.baseline.flat.clone() for a in arms]
    found = fit(arms, Sampler(config, arms[0].policy, 0, "fitting", 3), 4)
    by_label = {arm.label: arm for arm in arms}
    learned = [by_label[f"{name} × value"].baseline.flat for name in ("reinforce", "reward_to_go")]
    assert torch.equal(*learned) and not torch.equal(learned[0], before[0])
    means = [arm.baseline.mean for arm in arms if arm.baseline_label == "moving_average"]
    assert torch.equal(*means) and means[0] != 0
    assert found["reinforce × value"] == found["reward_to_go × value"] is not None
    assert "reinforce × none" not in found


def test_a_critics_values_without_its_gradient():
    config, (arm,) = arms_of("--estimators", "td", "--baselines", "value")
    rollout, _ = rollout_of(config, arm)
    whole, found = arm.baseline(rollout), predicted(arm.baseline, rollout)
    kept = rollout.mask
    torch.testing.assert_close(found.value[kept], whole.value[kept], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(found.next_value[kept], whole.next_value[kept], rtol=1e-5, atol=1e-6)
    assert found.next_value[rollout.truncated & ~rollout.terminated].abs().min() > 0
    assert found.gradient is None


def test_exact_values_know_the_state_and_the_time_that_is_left():
    """After a decision V is what is earned: by the rewards of the state that was really met."""
    config, (arm,) = arms_of("--estimators", "td", "--baselines", "exact_value")
    rollout, states = rollout_of(config, arm)
    arm.baseline.states = states
    found = arm.baseline(rollout)
    # one decision from the limit of 9 there is one reward to come, two decisions from it 1 + γ·P
    last = rollout.mask[8]
    torch.testing.assert_close(found.value[8][last], torch.full_like(found.value[8][last], -1.0))
    ends = 0.5 * (torch.stack(states)[7] == 2)  # one of two actions ends the episode in state 2
    wanted = (-1.0 - 0.9 * (1.0 - ends)).float()
    kept = rollout.mask[7]
    torch.testing.assert_close(found.value[7][kept], wanted[kept])
    assert (found.next_value[rollout.ended] == 0).all()


def test_arms_of_one_kind_share_their_baselines_answer():
    words = ("--estimators", "reinforce,reward_to_go,gae", "--baselines", "value")
    config, arms = arms_of(*words)
    rollout, states = rollout_of(config, arms[0])
    known = {}
    for arm in arms:
        found = draws(arm, rollout, states, 1, known)
        assert torch.equal(found, draws(arm, rollout, states, 1))
    assert len(known) == 1
    _, (other,) = arms_of("--estimators", "td:discount=0.5", "--baselines", "value")
    assert other.kind not in known


def test_the_first_slots_are_a_rollout():
    config, (arm,) = arms_of("--estimators", "reinforce", "--baselines", "none")
    rollout, states = rollout_of(config, arm)
    some = first_slots(rollout, 6)
    assert some.mask.shape[2] == 6 and torch.equal(some.reward, rollout.reward[:, :, :6])
    whole = draws(arm, rollout, states, 1)
    assert torch.equal(draws(arm, some, states, 1), whole[:6])
