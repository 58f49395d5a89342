"""Arms on environments with an exact answer: a seed alone is the seed among others, bit for bit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from pgx.build import build
from pgx.config import compose_config
from pgx.module import PolicyGradient

SEEDS, PLACE = (3, 11, 5), 2
EXAMPLE = Path(__file__).parent / "environments" / "two_rooms.yaml"
EPISODES = "estimator=reward_to_go baseline=none environment.slots=5"
STEPS = "estimator=gae baseline=value estimator.horizon=24 environment.slots=5"
TRUTH = "estimator=exact baseline=none environment.slots=2"
ARMS = [
    f"environment=random_mdp policy=categorical_floor {EPISODES}",
    f"environment=random_mdp policy=categorical_mlp {TRUTH}",
    f"environment=gridworld environment.aliased=true environment.slip=0.2 {STEPS}",
    f"environment=regulator policy=gaussian_linear optimizer.learning_rate=0.001 {STEPS}",
    f"environment=regulator policy=gaussian_linear optimizer.learning_rate=0.001 {TRUTH}",
    f"environment=two_action environment.rewards=[0.3,1] policy=clamp {EPISODES}",
    f"environment=bandit environment.noise=1 policy=categorical_linear {EPISODES}",
    f"environment=table environment.file={EXAMPLE} policy=categorical_shared {TRUTH}",
    f"environment=corridor policy=categorical_floor optimizer=sgd {TRUTH}",
]


class Silent:
    """A tracker that keeps nothing."""

    def record(self, *row) -> None:
        assert len(row) == 6


def trained(arm: str, seeds: tuple[int, ...]) -> PolicyGradient:
    module = PolicyGradient(build(compose_config(arm.split()), seeds), seeds, 10**6, None, Silent())
    for step in range(4):
        module.training_step(step, step)
    assert module.alive.all()
    return module


@pytest.mark.parametrize("arm", ARMS)
def test_a_seed_alone_is_the_seed_among_others(arm):
    among, alone = trained(arm, SEEDS), trained(arm, SEEDS[PLACE : PLACE + 1])
    before = build(compose_config(arm.split()), SEEDS).policy.flat
    for one, many in zip(alone.learners, among.learners, strict=True):
        assert torch.equal(one.parameter[0], many.parameter[PLACE])
    assert not torch.equal(before[PLACE], among.policy.flat[PLACE])
    assert alone.decisions[0] == among.decisions[PLACE]
