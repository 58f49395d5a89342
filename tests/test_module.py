"""One iteration: clipping, schedules, counts and state, each per replica."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from pgx.axes import replica_sum
from pgx.build import build
from pgx.config import compose_config
from pgx.module import PolicyGradient
from pgx.tracking.files import FileTracker
from pgx.types import Baseline, Estimate

SEEDS = (5, 3, 8)


def make(directory: Path, *overrides: str, budget: int = 10_000) -> PolicyGradient:
    config = compose_config(["experiment=a2c", "estimator.horizon=7", *overrides])
    parts = build(config, SEEDS)
    tracker = FileTracker(directory, SEEDS, parts.env.slots)
    return PolicyGradient(parts, SEEDS, budget, config.max_grad_norm, tracker)


def gradients(module: PolicyGradient) -> tuple[Estimate, Baseline]:
    """Known gradients: ones for the policy, twos for the critic, ten times larger for replica 1."""
    size = torch.tensor([[1.0], [10.0], [0.001]])
    policy, critic = (torch.ones_like(learner.parameter) for learner in module.learners)
    nothing = torch.zeros(7, 3, 8)
    return Estimate(size * policy), Baseline(nothing, nothing, 2.0 * size * critic)


def test_the_norm_is_over_policy_and_critic_and_clips_each_replica(tmp_path: Path) -> None:
    module = make(tmp_path, "optimizer=sgd", "optimizer.learning_rate=1.0", "max_grad_norm=3.0")
    before = [learner.parameter.clone() for learner in module.learners]
    estimate, baseline = gradients(module)
    norm = module.update(estimate, baseline)
    counts = [learner.parameter.shape[1] for learner in module.learners]
    full = (counts[0] + 4 * counts[1]) ** 0.5
    torch.testing.assert_close(norm, full * torch.tensor([1.0, 10.0, 0.001]))
    moved = [learner.parameter - old for learner, old in zip(module.learners, before, strict=True)]
    length = sum(replica_sum(change * change) for change in moved).sqrt()
    torch.testing.assert_close(length, torch.tensor([3.0, 3.0, full * 0.001]), rtol=1e-4, atol=0)
    assert (moved[0][0] > 0).all()  # ascends on the return
    assert (moved[1][0] < 0).all()  # descends on the critic's loss


def test_the_critic_has_its_own_learning_rate(tmp_path: Path) -> None:
    module = make(tmp_path, "optimizer.learning_rate=0.1", "baseline.learning_rate=0.5")
    assert [learner.initial_rate for learner in module.learners] == [0.1, 0.5]
    assert make(tmp_path, "optimizer.learning_rate=0.2").learners[1].initial_rate == 0.2


def test_the_schedule_follows_each_replicas_own_decisions(tmp_path: Path) -> None:
    words = ("optimizer=sgd", "optimizer.learning_rate=1.0", "optimizer.final_fraction=0.5")
    module = make(tmp_path, *words, budget=100)
    module.decisions = np.array([0, 50, 200])
    before = module.policy.flat.detach().clone()
    estimate, baseline = gradients(module)
    module.update(Estimate(torch.ones_like(estimate.gradient)), baseline)
    moved = (module.policy.flat.detach() - before)[:, 0]
    torch.testing.assert_close(moved, torch.tensor([1.0, 0.75, 0.5]))


def test_decisions_are_counted_and_end_at_the_budget(tmp_path: Path) -> None:
    module = make(tmp_path, budget=100)  # 7 decisions in 8 slots an iteration
    module.training_step(0, 0)
    assert module.decisions.tolist() == [56, 56, 56]
    assert module.alive.all()
    module.training_step(1, 1)
    assert module.decisions.tolist() == [112, 112, 112]
    assert not module.alive.any()


@pytest.mark.parametrize("overrides", [[], ["estimator=reward_to_go", "baseline=batch_mean"]])
def test_saved_and_loaded_goes_on_alike(tmp_path: Path, overrides: list[str]) -> None:
    first = build_arm(tmp_path / "first", overrides)
    for index in range(3):
        first.training_step(index, index)
    second = build_arm(tmp_path / "second", overrides)
    second.load_state(first.state())
    second.tracker.log.load_state_dict(first.tracker.log.state_dict())
    for index in range(3, 6):
        first.training_step(index, index)
        second.training_step(index, index)
    for one, other in zip(first.learners, second.learners, strict=True):
        for left, right in zip(one.tensors(), other.tensors(), strict=True):
            assert torch.equal(left, right)
    assert first.decisions.tolist() == second.decisions.tolist()


def test_a_reused_rollout_takes_k_steps_and_counts_once(tmp_path: Path) -> None:
    """k steps on one rollout, the critic's values anew before each, by hand."""
    words = ["experiment=a2c", "estimator.horizon=7", "optimizer=sgd"]
    reused = build_arm(tmp_path / "reused", words, rollouts_reused=3)
    slow = build_arm(tmp_path / "slow", words)
    once = build_arm(tmp_path / "once", words)
    for module in (reused, once):
        module.training_step(0, 0)
    rollout = slow.collect(slow.alive, slow.progress)
    for _ in range(3):
        baseline = slow.baseline(rollout)
        slow.update(slow.estimator(slow.policy, rollout, baseline), baseline)
    for mine, theirs, other in zip(reused.learners, slow.learners, once.learners, strict=True):
        assert torch.equal(mine.parameter, theirs.parameter)
        assert not torch.equal(mine.parameter, other.parameter)
    assert reused.decisions.tolist() == once.decisions.tolist() == [56, 56, 56]


def test_a_baseline_without_parameters_remembers_a_reused_rollout_once(tmp_path: Path) -> None:
    words = ["estimator=reward_to_go", "baseline=moving_average"]
    reused = build_arm(tmp_path / "reused", words, rollouts_reused=4)
    once = build_arm(tmp_path / "once", words)
    for module in (reused, once):
        module.training_step(0, 0)
    assert all(torch.equal(a, b) for a, b in zip(reused.memory(), once.memory(), strict=True))


def build_arm(directory: Path, overrides: list[str], rollouts_reused: int = 1) -> PolicyGradient:
    config = compose_config(overrides)
    parts = build(config, SEEDS)
    tracker = FileTracker(directory, SEEDS, parts.env.slots)
    return PolicyGradient(parts, SEEDS, 10**9, None, tracker, rollouts_reused)
