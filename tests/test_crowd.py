"""Arms that measure populations: what fits, seeds apart, frozen replicas, and what reloads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from pgx.build import build
from pgx.config import compose_config
from pgx.errors import ConfigError
from pgx.module import PolicyGradient
from pgx.tracking.files import FileTracker
from pgx.types import Transition

SEEDS = (5, 3, 8)
BASE = ["experiment=cross_entropy", "environment.max_episode_steps=60", "environment.slots=2"]
MLP = ["policy=categorical_mlp", "policy.hidden=[5]"]
ARMS = {
    "cross_entropy": ["optimizer.covariance=full", "optimizer.extra_std=0.1"],
    "diagonal": ["optimizer.common_noise=true", *MLP],
    "genetic": ["optimizer=genetic"],
    "pattern_search": ["optimizer=pattern_search", "policy=categorical_linear"],
    "evolution_strategies": ["optimizer=evolution_strategies", "optimizer.members=6", *MLP],
    "finite_difference": [
        *("optimizer=adam", "estimator=finite_difference", "policy=categorical_linear"),
        "normalization.observations=true",
    ],
}


def make(directory: Path, arm: str, seeds: tuple[int, ...] = SEEDS) -> PolicyGradient:
    config = compose_config([*BASE, *ARMS[arm]])
    parts = build(config, seeds)
    tracker = FileTracker(directory, seeds, parts.env.slots)
    return PolicyGradient(parts, seeds, 10**9, config.max_grad_norm, tracker)


def tensors(module: PolicyGradient) -> list[torch.Tensor]:
    found = [tensor for learner in module.learners for tensor in learner.tensors()]
    return [tensor.clone() for tensor in [*found, *module.memory()]]


@pytest.mark.parametrize("arm", ARMS)
def test_a_seed_alone_is_the_seed_among_others(tmp_path: Path, arm: str) -> None:
    """Also on one thread and on two."""
    before, more = torch.get_num_threads(), 1 if MLP[0] in ARMS[arm] else 2
    among, alone = make(tmp_path / "among", arm), make(tmp_path / "alone", arm, (3,))
    start = among.policy.flat.detach().clone()
    for module, threads in ((among, more), (alone, 1)):
        torch.set_num_threads(threads)
        for index in range(4):
            module.training_step(index, index)
    torch.set_num_threads(before)
    for many, one in zip(tensors(among), tensors(alone), strict=True):
        assert torch.equal(many[1], one[0])
    assert among.decisions[1] == alone.decisions[0]
    assert not torch.equal(among.policy.flat, start)
    padding = ~among.policy.free
    assert (among.policy.flat[:, padding] == 0).all()


@pytest.mark.parametrize("arm", ARMS)
def test_saved_and_loaded_goes_on_alike(tmp_path: Path, arm: str) -> None:
    first, second = make(tmp_path / "first", arm), make(tmp_path / "second", arm)
    for index in range(2):
        first.training_step(index, index)
    second.load_state(first.state())
    second.tracker.log.load_state_dict(first.tracker.log.state_dict())
    for index in range(2, 4):
        first.training_step(index, index)
        second.training_step(index, index)
    for one, other in zip(tensors(first), tensors(second), strict=True):
        assert torch.equal(one, other)
    assert first.decisions.tolist() == second.decisions.tolist()


def reward(module: PolicyGradient) -> None:
    step = module.env.step

    def poisoned(action: np.ndarray, active: np.ndarray | None = None) -> Transition:
        transition = step(action, active)
        transition.reward[1, 4] = np.nan
        return transition

    module.env.step = poisoned


def observation(module: PolicyGradient) -> None:
    reset = module.env.reset

    def poisoned(mask: np.ndarray | None = None) -> None:
        reset(mask)
        module.env.observation[1, 0] = np.nan

    module.env.reset = poisoned


def parameter(module: PolicyGradient) -> None:
    module.policy.flat.data[1] = torch.where(module.policy.free, torch.nan, 0.0)
    if "population" in module.learners[0].state:
        module.learners[0].state["population"][1, 2] = torch.nan


@pytest.mark.parametrize("arm", ["cross_entropy", "genetic", "pattern_search", "finite_difference"])
@pytest.mark.parametrize("inject", [reward, observation, parameter])
def test_only_the_bad_replica_freezes(tmp_path: Path, arm: str, inject) -> None:
    hit, twin = make(tmp_path / "hit", arm), make(tmp_path / "twin", arm)
    for index in range(4):
        if index == 2:
            good = tensors(hit)
            counters, slots = hit.collect.state_dict(), hit.env.state_dict()
            inject(hit)
        hit.training_step(index, index)
        twin.training_step(index, index)
    assert hit.diverged == {3: 2}
    for now, then, other in zip(tensors(hit), good, tensors(twin), strict=True):
        assert torch.equal(now[1], then[1])  # as it was last good
        assert torch.equal(now[[0, 2]], other[[0, 2]])  # as if nothing had happened
    after = {**hit.collect.state_dict(), **hit.env.state_dict()}
    for name, value in {**counters, **slots}.items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(after[name][1], value[1]), name


@pytest.mark.parametrize("arm", ["cross_entropy", "finite_difference"])
def test_common_noise_changes_what_is_measured(tmp_path: Path, arm: str) -> None:
    group = "estimator" if arm == "finite_difference" else "optimizer"
    found = []
    for common in ("true", "false"):
        config = compose_config([*BASE, *ARMS[arm], f"{group}.common_noise={common}"])
        parts = build(config, SEEDS)
        tracker = FileTracker(tmp_path / common, SEEDS, parts.env.slots)
        module = PolicyGradient(parts, SEEDS, 10**9, None, tracker)
        first = module.collect(module.alive, module.progress).observation[0]
        apart = first.reshape(3, parts.behaviour.members, 2, 4)
        assert bool((apart == apart[:, :1]).all()) is (common == "true")
        for index in range(2):
            module.training_step(index, index)
        found.append(module.policy.flat.detach().clone())
    assert not torch.equal(*found)


def test_a_population_takes_its_share_of_slots_and_decisions(tmp_path: Path) -> None:
    module = make(tmp_path, "cross_entropy")
    assert module.env.slots == 25 * 2
    rollout = module.collect(module.alive, module.progress)
    assert rollout.mask.shape[1:] == (3, 50)
    assert rollout.mask[0].all()
    estimate = module.estimator(module.policy, rollout, module.baseline(rollout))
    assert estimate.utility is not None
    length = rollout.mask.sum(0).double().reshape(3, 25, 2)  # a reward of 1 per decision
    wanted = length.mean(2)  # the preset's γ is 1
    torch.testing.assert_close(estimate.utility, wanted, rtol=1e-5, atol=0)
    module.record(rollout, {})
    assert module.decisions.tolist() == rollout.mask.sum(2).sum(0).tolist()


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["estimator=reward_to_go", *MLP], "estimator=reward_to_go optimizer=cross_entropy: a sea"),
        (["optimizer=adam"], "estimator=utility optimizer=adam: utilities have no gradient"),
        (["baseline=batch_mean"], "estimator=utility baseline=batch_mean: no return weighs"),
        (["rollouts_reused=2"], "rollouts_reused=2: estimator=utility measures points anew"),
        (["max_grad_norm=1.0"], "max_grad_norm=1.0: optimizer=cross_entropy takes no gradient"),
        (
            ["estimator=reinforce", "optimizer=adam"],
            "policy=greedy_linear estimator=reinforce: it has no likelihood",
        ),
        (
            ["policy=categorical_mlp", "policy.hidden=[512,512]", "optimizer=pattern_search"],
            "estimator=utility optimizer=pattern_search: 3 x 532,485 members",
        ),
        (["seeds=2000", "policy=categorical_mlp"], "estimator=utility optimizer=cross_entropy: 20"),
        (["environment.slots=50000"], "environment.slots=1250000"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(words: list[str], line: str) -> None:
    seeds = [] if any(word.startswith("seeds") for word in words) else ["seeds=3"]
    config = compose_config(["experiment=cross_entropy", *seeds, *words])
    with pytest.raises(ConfigError) as raised:
        build(config, SEEDS[:1])
    assert str(raised.value).startswith(line)
    assert "\n" not in str(raised.value)


def test_a_default_baseline_says_what_to_choose() -> None:
    with pytest.raises(ConfigError, match=r"which is not a key here: choose baseline=none"):
        compose_config(["estimator=utility", "optimizer=cross_entropy"])
