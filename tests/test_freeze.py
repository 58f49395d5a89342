"""A replica that leaves the finite numbers freezes alone, as it was when it was last good."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from pgx.build import build
from pgx.config import compose_config
from pgx.module import PolicyGradient
from pgx.tracking.blocks import read_blocks
from pgx.tracking.files import FileTracker
from pgx.types import Transition
from tests.conftest import Train

SEEDS = (11, 12, 13)
BAD = 1  # index of the replica that is hit
HIT = 3  # iteration in which it is hit
ARMS = {
    "a2c": ["experiment=a2c", "estimator.horizon=7", "environment.slots=5"],
    "sgd": ["experiment=a2c", "optimizer=sgd", "optimizer.momentum=0.9", "environment.slots=5"],
    "reward_to_go": ["estimator=reward_to_go", "baseline=value", "environment.slots=5"],
    "clipped": ["experiment=a2c", "max_grad_norm=0.5", "environment.slots=5"],
    "normalised": [
        "experiment=a2c",
        "environment.slots=5",
        "normalization.observations=true",
        "normalization.rewards=true",
        "rollouts_reused=3",
    ],
    "moving_average": ["estimator=reward_to_go", "baseline=moving_average", "environment.slots=5"],
}
Injection = Callable[[PolicyGradient], None]


def make(directory: Path, overrides: list[str]) -> PolicyGradient:
    config = compose_config(overrides)
    parts = build(config, SEEDS)
    tracker = FileTracker(directory, SEEDS, parts.env.slots)
    return PolicyGradient(parts, SEEDS, 10**9, config.max_grad_norm, tracker)


def reward(module: PolicyGradient) -> None:
    step = module.env.step

    def poisoned(action: np.ndarray, active: np.ndarray | None = None) -> Transition:
        transition = step(action, active)
        transition.reward[BAD, 0] = np.nan
        return transition

    module.env.step = poisoned


def observation(module: PolicyGradient) -> None:
    reset = module.env.reset

    def poisoned(mask: np.ndarray | None = None) -> None:
        reset(mask)
        module.env.observation[BAD, 0] = np.nan

    module.env.reset = poisoned
    module.env.observation[BAD, 0] = np.nan


def parameter(module: PolicyGradient) -> None:
    module.policy.flat.data[BAD, 3] = torch.nan


def critic_parameter(module: PolicyGradient) -> None:
    module.learners[-1].parameter[BAD, 3] = torch.inf


def learner_tensors(module: PolicyGradient) -> list[torch.Tensor]:
    tensors = [tensor for learner in module.learners for tensor in learner.tensors()]
    return [tensor.clone() for tensor in [*tensors, *module.memory()]]


@pytest.mark.parametrize("arm", ARMS)
@pytest.mark.parametrize("inject", [reward, observation, parameter, critic_parameter])
def test_only_the_bad_replica_freezes(tmp_path: Path, arm: str, inject: Injection) -> None:
    hit, twin = make(tmp_path / "hit", ARMS[arm]), make(tmp_path / "twin", ARMS[arm])
    for index in range(2 * HIT):
        if index == HIT:
            good = learner_tensors(hit)
            counters, slots = hit.collect.state_dict(), hit.env.state_dict()
            inject(hit)
        hit.training_step(index, index)
        twin.training_step(index, index)
    assert hit.diverged == {SEEDS[BAD]: HIT}
    assert hit.alive.tolist() == [True, False, True]
    for now, then, other in zip(learner_tensors(hit), good, learner_tensors(twin), strict=True):
        assert torch.equal(now[BAD], then[BAD])  # as it was last good
        for neighbour in (0, 2):
            assert torch.equal(now[neighbour], other[neighbour])  # as if nothing had happened
        if now.shape[1] > 1:
            assert not torch.equal(now[0], then[0])
    after = {**hit.collect.state_dict(), **hit.env.state_dict()}
    for name, value in {**counters, **slots}.items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(after[name][BAD], value[BAD]), name
    hit.tracker.close(), twin.tracker.close()
    for kind in ("metrics", "episodes"):
        assert_rows(
            read_blocks(tmp_path / f"hit/{kind}.blocks"),
            read_blocks(tmp_path / f"twin/{kind}.blocks"),
            hit.decisions[BAD],
        )


def assert_rows(hit: dict[str, np.ndarray], twin: dict[str, np.ndarray], decisions: int) -> None:
    """The bad seed's rows end with its last good iteration; all others are the twin's."""
    kept = (twin["seed"] != SEEDS[BAD]) | (twin["decisions"] <= decisions)
    for name in twin.keys() - {"wall_s"}:
        assert np.array_equal(hit[name], twin[name][kept], equal_nan=hit[name].dtype.kind == "f")


def test_a_replica_past_its_budget_is_frozen(tmp_path: Path) -> None:
    module = make(tmp_path, ARMS["reward_to_go"])
    module.budget = 400
    while module.alive.all():
        module.training_step(0, 0)
    done = int(np.flatnonzero(~module.alive)[0])
    assert module.decisions[done] >= 400
    before, counters = learner_tensors(module), module.collect.state_dict()
    alive = module.alive.copy()
    module.training_step(1, 1) if alive.any() else None
    assert not module.diverged
    for then, now in zip(before, learner_tensors(module), strict=True):
        assert torch.equal(then[done], now[done])
    assert torch.equal(counters["decisions"][done], module.collect.state_dict()["decisions"][done])


BROKEN = '''
import numpy as np
from pgx.environments.cartpole import CartPole

class Broken(CartPole):
    """CartPole whose reward is no number for seed 1 from its 300th step on."""
    steps = 0

    def step(self, action, active=None):
        transition = super().step(action, active)
        Broken.steps += 1
        if Broken.steps > 300 and 1 in self.seeds:
            transition.reward[self.seeds.index(1), 2] = np.nan
        return transition
'''


def test_a_diverged_seed_is_named_and_the_others_finish(train: Train, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text(BROKEN)
    done = train(
        "experiment=a2c",
        "seeds=3",
        "decisions=5000",
        "arm=x",
        "allow_targets=[broken]",
        "environment._target_=broken.Broken",
        status=1,
    )
    assert "diverged at iteration 9" in done.stdout
    assert done.stdout.count("done") == 3  # two seeds, and the line that counts them
    assert "Traceback" not in done.stdout + done.stderr
