"""The minimal process, as its config has it: its slopes, its returns, its name."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pgx.build import build
from pgx.config import compose_config
from pgx.environments.exact import gradient, unweighted_gradient
from pgx.environments.nota_thomas_minimal import NotaThomasMinimal
from pgx.errors import ConfigError


def minimal(slots: int = 1) -> NotaThomasMinimal:
    words = ["environment=nota_thomas_minimal", f"environment.slots={slots}"]
    env = build(compose_config(words), [4]).env
    assert isinstance(env, NotaThomasMinimal)
    return env


@pytest.mark.parametrize("logit", [-1.1, 0.0, 0.6])
def test_slopes_with_the_defaults(logit):
    theta, mdp = torch.tensor(logit, dtype=torch.float64, requires_grad=True), minimal().mdp

    def policy() -> torch.Tensor:
        return torch.stack([1 - theta.sigmoid(), theta.sigmoid()]).expand(mdp.states, 2)

    right = theta.sigmoid().item()
    found = [gradient(mdp, policy(), gamma, [theta])[0].item() for gamma in (0.5, 1.0)]
    found.append(unweighted_gradient(mdp, policy(), 0.5, [theta])[0].item())
    scaled = [value / (right * (1 - right)) for value in found]
    assert scaled == pytest.approx([0.375, 0.25, -0.25], rel=1e-12)


def test_left_ends_after_two_decisions_and_right_after_three():
    env, both = minimal(slots=2), np.ones((1, 2), dtype=bool)
    env.reset()
    rewards = [env.step(np.array([[0, 1]]), both).reward[0].tolist() for _ in range(2)]
    assert env.step(np.array([[0, 1]]), np.array([[False, True]])).terminated.all()
    assert rewards == [[0, 1], [1.75, 0]]
    assert env.spec.id == "nota_thomas_minimal" and env.mdp.states == 4


def test_mistakes_name_the_key():
    with pytest.raises(ConfigError, match=r"environment\.length="):
        NotaThomasMinimal([0], 1, 1.0, 1.75, 1.0, 0)
