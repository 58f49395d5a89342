"""One step per rollout or per decision: the same terms, applied at once or one after another."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from pgx.build import build, check_machine
from pgx.config import compose_config
from pgx.errors import ConfigError
from pgx.estimators.score import masked_mean
from pgx.module import PolicyGradient
from pgx.types import Rollout
from pgx.updates import Seen, portions
from tests.support.arms import arm
from tests.support.rollouts import random_rollout

EPISODES = ("environment=cartpole", "environment.slots=3", "baseline=none")
SUMS = {
    "reinforce": (*EPISODES, "estimator=reinforce"),
    "reward_to_go": (*EPISODES, "estimator=reward_to_go"),
    "entropy": (*EPISODES, "estimator=reward_to_go", "estimator.entropy_coefficient=0.1"),
    "optimal": (*EPISODES[:2], "estimator=reward_to_go", "baseline=optimal"),
    "leave_one_out": (*EPISODES[:2], "estimator=reward_to_go", "baseline=leave_one_out"),
    "value": (*EPISODES[:2], "estimator=reward_to_go", "baseline=value"),
    "td": ("experiment=actor_critic", "estimator.horizon=9"),
    "n_step": ("experiment=a2c", "estimator.horizon=9"),
    "gae": ("estimator=gae", "estimator.horizon=9", "estimator.normalize_advantage=false"),
    "shared": ("experiment=a2c", "policy=categorical_shared", "baseline=shared_value"),
}


@pytest.mark.parametrize("name", SUMS)
def test_at_one_theta_the_portions_add_up_to_the_rollout(tmp_path: Path, name: str) -> None:
    module = arm(tmp_path, (*SUMS[name], "policy.hidden=[8]"), [0, 4])
    rollout = module.collect(module.alive, module.progress)
    baseline = module.baseline(rollout)
    whole = module.estimator(module.policy, rollout, baseline).gradient
    parts = [module.estimator(module.policy, rows, baseline) for rows in portions(rollout)]
    assert len(parts) == len(rollout.mask) > 5
    total = torch.stack([part.gradient for part in parts]).double().sum(0)
    torch.testing.assert_close(total.float(), whole, rtol=2e-4, atol=2e-4 * whole.abs().max())
    if baseline.gradient is not None:
        fits = torch.stack([module.baseline(rows).gradient for rows in portions(rollout)])
        size = 2e-4 * baseline.gradient.abs().max()
        torch.testing.assert_close(fits.sum(0), baseline.gradient, rtol=2e-4, atol=size)


BOOK = (
    *("environment=corridor", "environment.slots=1", "policy=categorical_floor"),
    *("policy.initial_logits=[1.47,-1.47]", "estimator=reward_to_go", "estimator.discount=1"),
    *("optimizer=sgd", "updates=decision", "optimizer.learning_rate=0.002"),
)
CRITIC = ("baseline=value", "baseline.hidden=[]", "baseline.learning_rate=0.0078125")


def by_the_book(module: PolicyGradient, rollout: Rollout, critic: bool) -> np.ndarray:
    """Sutton & Barto 2018, section 13.3 and 13.4, in double precision; θ and w of one replica."""
    theta = module.policy.net.layers(module.policy.flat.detach())[0][0][0, 0].double().numpy()
    theta, w = theta.copy(), np.zeros(2)  # w: a weight and a bias, both of the feature 1
    reward, action = rollout.reward[:, 0, 0].numpy(), rollout.action[:, 0, 0].numpy()
    length = int(rollout.mask[:, 0, 0].sum())
    for t in range(length):
        error = reward[t:length].sum() - (w.sum() if critic else 0.0)
        chance = np.exp(theta - theta.max())
        chance /= chance.sum()
        low = chance < 0.05
        chance = np.where(low, 0.05, np.where(low.any(), 0.95, chance))
        theta += 0.002 * error * (np.eye(2)[action[t]] - chance)
        w += 0.0078125 * error
    return np.concatenate([theta, w]) if critic else theta


@pytest.mark.parametrize("critic", [False, True])
def test_every_decision_moves_theta_as_in_the_books_program(tmp_path: Path, critic: bool) -> None:
    words = (*BOOK, *(CRITIC if critic else ("baseline=none",)))
    module, slow = (arm(tmp_path / name, words, [7]) for name in ("fast", "slow"))
    if critic:
        with torch.no_grad():
            for one in (module, slow):
                one.baseline.flat.zero_()
                one.good.keep()
    rollout = slow.collect(slow.alive, slow.progress)
    assert rollout.mask.sum() > 20
    expected = by_the_book(slow, rollout, critic)
    module.training_step(0, 0)
    found = module.policy.net.layers(module.policy.flat.detach())[0][0][0, 0]
    np.testing.assert_allclose(found.numpy(), expected[:2], rtol=1e-5)
    at_once = arm(tmp_path / "at_once", (*words, "updates=rollout"), [7])
    at_once.training_step(0, 0)
    assert not torch.allclose(at_once.policy.flat, module.policy.flat, rtol=1e-3)
    if critic:
        (weight, bias), *_ = module.baseline.net.layers(module.baseline.flat.detach())
        np.testing.assert_allclose([weight.item(), bias.item()], expected[2:], rtol=1e-5)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_replica_does_not_notice_how_long_others_episodes_are(
    tmp_path: Path, optimizer: str
) -> None:
    words = ("estimator=reward_to_go", "baseline=value", "environment.slots=2", "updates=decision")
    words = (*words, f"optimizer={optimizer}", "optimizer.learning_rate=0.01")
    together, alone = arm(tmp_path / "a", words, [0, 1, 2, 3]), arm(tmp_path / "b", words, [2])
    for index in range(3):
        together.training_step(index, index)
        alone.training_step(index, index)
    for mine, theirs in zip(alone.learners, together.learners, strict=True):
        for one, every in zip(mine.tensors(), theirs.tensors(), strict=True):
            assert torch.equal(one[0], every[2])


def test_what_is_seen_is_a_mean_over_a_replicas_own_rows() -> None:
    rollout = random_rollout(complete=True, steps=40)
    entropy = rollout.reward.square()
    seen = Seen.none()
    for step, portion in enumerate(portions(rollout)):
        own = rollout.mask[step].any(1)
        value = (entropy[step] * rollout.mask[step]).sum(1) / rollout.mask[step].sum(1)
        seen.add({"entropy": torch.where(own, value, math.nan)}, portion)
    torch.testing.assert_close(seen.mean()["entropy"], masked_mean(entropy, rollout))


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (
            ("estimator=exact", "environment=corridor"),
            "updates=decision: estimator=exact weighs no scores",
        ),
        (
            ("estimator=utility", "optimizer=cross_entropy", "environment.slots=1"),
            "updates=decision: estimator=utility weighs no scores of decisions; use updates=",
        ),
        (("estimator=prioritized",), "updates=decision: estimator=prioritized weighs every"),
        (("estimator=reward_weighted",), "updates=decision: estimator=reward_weighted weighs"),
        (("estimator.normalize_advantage=true",), "normalize_advantage=true weighs every decision"),
    ],
)
def test_what_has_no_terms_is_refused(words: tuple[str, ...], line: str) -> None:
    with pytest.raises(ConfigError, match=line.replace("(", r"\(")):
        build(compose_config([*words, "baseline=none", "updates=decision"]), [0])


def test_another_word_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"updates=step: choose one of: decision, rollout"):
        check_machine(compose_config(["updates=step"]))
