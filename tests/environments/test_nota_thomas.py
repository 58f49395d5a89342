"""What dropping γᵗ costs: both rows of the table, the limits, and a field without a potential."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pgx.environments.exact import gradient, objective, unweighted_gradient
from pgx.environments.mdp import MDP
from pgx.environments.nota_thomas import NotaThomas, nota_thomas
from pgx.errors import ConfigError
from pgx.policies.categorical_linear import CategoricalLinear

LARGE, MINIMAL = (1.0, 2.0, 100.0, 6), (1.0, 1.75, 1.0, 1)
TABLE = [  # the process, γ, and slopes divided by p(1−p): discounted, undiscounted, without γᵗ
    (LARGE, 0.4, 0.36384, 99.0, -0.5904),
    (MINIMAL, 0.5, 0.375, 0.25, -0.25),
]


def shared(logit: torch.Tensor, mdp: MDP) -> torch.Tensor:
    """π(right) = σ(logit) in every state, ``[S, 2]``."""
    right = logit.sigmoid()
    return torch.stack([1 - right, right], dim=-1).expand(mdp.states, 2)


def slopes(family, discount: float, logit: torch.Tensor) -> dict[str, torch.Tensor]:
    mdp = nota_thomas(*family)
    found = {
        "discounted": gradient(mdp, shared(logit, mdp), discount, [logit]),
        "undiscounted": gradient(mdp, shared(logit, mdp), 1.0, [logit]),
        "without": unweighted_gradient(mdp, shared(logit, mdp), discount, [logit]),
    }
    return {name: value[0].detach() for name, value in found.items()}


@pytest.mark.parametrize(("family", "discount", "discounted", "undiscounted", "without"), TABLE)
@pytest.mark.parametrize("logit", [-2.0, 0.0, 1.3])
def test_slopes_of_the_table(family, discount, discounted, undiscounted, without, logit):
    theta = torch.tensor(logit, dtype=torch.float64, requires_grad=True)
    chance = torch.tensor(logit, dtype=torch.float64).sigmoid()
    scale = (chance * (1 - chance)).item()
    found = {name: value.item() / scale for name, value in slopes(family, discount, theta).items()}
    first, alternative, bonus, length = family
    assert found["discounted"] == pytest.approx(discounted, rel=1e-9)
    assert found["undiscounted"] == pytest.approx(undiscounted, rel=1e-9)
    assert found["without"] == pytest.approx(without, rel=1e-9)
    far = discount**length * bonus
    assert discounted == pytest.approx(first - discount * (alternative - far), rel=1e-9)
    assert without == pytest.approx(first - alternative + far, rel=1e-9)


@pytest.mark.parametrize(("family", "discount"), [row[:2] for row in TABLE])
def test_the_true_gradient_climbs_to_the_best_policy_and_the_other_falls_to_the_worst(
    family, discount
):
    mdp, ends = nota_thomas(*family), {}
    for name in ("discounted", "undiscounted", "without"):
        theta = torch.zeros((), dtype=torch.float64, requires_grad=True)
        for _ in range(200):
            step = slopes(family, discount, theta)[name]
            theta = (theta.detach() + step.sign() * 0.1).requires_grad_()
        ends[name] = theta.sigmoid().item()
    assert ends["discounted"] > 1 - 1e-6 and ends["undiscounted"] > 1 - 1e-6
    assert ends["without"] < 1e-6
    grid = torch.linspace(-14, 14, 101, dtype=torch.float64)
    for gamma in (discount, 1.0):
        earned = [objective(mdp, shared(logit, mdp), gamma).item() for logit in grid]
        assert int(np.argmin(earned)) == 0  # p = 0 is the worst, discounted or not


def field(theta: torch.Tensor, discount: float, weighted: bool) -> torch.Tensor:
    """The update at two independent sigmoids, on s0 –a1→ s1, s0 –a2→ end, r(s1, a1) = 1."""
    move = np.zeros((3, 2, 3))
    move[0, 0, 1] = move[0, 1, 2] = 1.0
    move[1, :, 2] = move[2, :, 2] = 1.0
    mdp = MDP(move, [[0.0, 0.0], [1.0, 0.0], [0.0, 0.0]], [1, 0, 0], [False, False, True])
    first = torch.cat([theta.sigmoid(), torch.ones(1, dtype=torch.float64)])
    policy = torch.stack([first, 1 - first], dim=-1)
    if not weighted:
        return unweighted_gradient(mdp, policy, discount, [theta])[0]
    total = objective(mdp, policy, discount)
    return torch.autograd.grad(total, theta, create_graph=True)[0]


@pytest.mark.parametrize(("weighted", "wanted"), [(False, -0.0302537417), (True, 0.0)])
def test_without_the_weight_it_is_the_gradient_of_no_function(weighted, wanted):
    theta = torch.tensor([0.3, -0.2], dtype=torch.float64, requires_grad=True)
    found = field(theta, 0.5, weighted)
    rows = [torch.autograd.grad(part, theta, retain_graph=True)[0] for part in found]
    asymmetry = (rows[0][1] - rows[1][0]).item()
    assert asymmetry == pytest.approx(wanted, abs=1e-10)
    if not weighted:
        p, q = theta.sigmoid().tolist()
        assert asymmetry == pytest.approx((0.5 - 1) * p * (1 - p) * q * (1 - q), rel=1e-12)


def test_episodes_pay_what_the_process_says():
    env = NotaThomas([0], 3, *LARGE)
    env.reset()
    taken = np.array([[[1, 1, 0]], [[0, 1, 1]], *[[[0, 1, 0]]] * 6])
    rewards, active = np.zeros((8, 3)), np.ones((1, 3), dtype=bool)
    for row, action in enumerate(taken):
        step = env.step(action, active)
        rewards[row] = np.where(active, step.reward, 0)
        assert (step.next_observation == 1).all()
        active &= ~step.terminated
        assert active.tolist() == [[False, row < 7, row < 7]] if row else active.all()
    assert rewards.sum(0).tolist() == [3, 101, 100] and rewards[7].tolist() == [0, 100, 100]


def test_the_objective_is_the_discounted_mean():
    env = NotaThomas([0], 1, *MINIMAL)
    found = env.objective(CategoricalLinear(env.spec, [0], None), 0.5).item()
    assert found == pytest.approx(0.5 * 1 + 0.5 * (0.5 * 1.75 + 0.5 * 0.5 * 1), rel=1e-12)


@pytest.mark.parametrize(("key", "value"), [("first", None), ("bonus", "x"), ("length", 0)])
def test_mistakes_name_the_key(key, value):
    good = {"first": 1.0, "alternative": 2.0, "bonus": 100.0, "length": 6}
    with pytest.raises(ConfigError, match=rf"environment\.{key}="):
        NotaThomas([0], 1, **{**good, key: value})
