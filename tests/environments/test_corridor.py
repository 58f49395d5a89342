"""The corridor gives every figure of Sutton & Barto's example 13.1."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from pgx.environments.corridor import LEFT, RIGHT, Corridor, corridor
from pgx.environments.exact import gradient, objective, state_value, visits
from pgx.errors import ConfigError
from pgx.policies.categorical_linear import CategoricalLinear

BEST = 2 - math.sqrt(2)

TABLE = [  # p, v(0..2), expected visits to 0..2, dJ/dθ_right
    (0.05, (-82.105263, -62.105263, -60), (41.0526, 21.0526, 20), 75.894737),
    (0.50, (-12, -10, -6), (6, 4, 2), 2),
    (BEST, (-11.656854, -9.949747, -5.121320), (5.8284, 4.1213, 1.7071), 0),
    (0.95, (-44.210526, -43.157895, -3.157895), (22.1053, 21.0526, 1.0526), -37.789474),
]


def always(p: float) -> torch.Tensor:
    return torch.tensor([[1 - p, p]], dtype=torch.float64).expand(4, 2)


@pytest.mark.parametrize(("p", "values", "seen", "slope"), TABLE)
def test_exact_figures_of_the_table(p, values, seen, slope):
    mdp, policy = corridor(), always(p)
    value = state_value(mdp, policy, 1.0)
    assert value[:3].tolist() == pytest.approx(values, abs=1e-6) and value[3] == 0
    found = visits(mdp, policy, 1.0)
    assert found[:3].tolist() == pytest.approx(seen, abs=5e-5)
    assert found.sum().item() == pytest.approx(-value[0].item(), rel=1e-12)
    exact = -2 * (2 - p) / (p * (1 - p))
    assert objective(mdp, policy, 1.0).item() == pytest.approx(exact, rel=1e-12)
    one, two = 1 / (p * (1 - p)), 1 / p  # leaving 2 to the right is the only end
    zero = (one - (1 - p) * two) / p
    assert found[:3].tolist() == pytest.approx((zero, one, two), rel=1e-12)
    logits = torch.tensor([math.log(1 - p), math.log(p)], dtype=torch.float64, requires_grad=True)
    (grad,) = gradient(mdp, logits.softmax(-1).expand(4, 2), 1.0, [logits])
    assert grad[RIGHT].item() == pytest.approx(slope, abs=1e-6)
    assert grad[LEFT].item() == pytest.approx(-slope, abs=1e-6)


@pytest.mark.parametrize(("p", "values", "seen", "slope"), TABLE)
@pytest.mark.parametrize("max_steps", [None, 10_000])
def test_the_environment_says_the_same_of_a_policy(p, values, seen, slope, max_steps):
    """Of the float32 parameters as they are; 10,000 decisions are as good as no limit."""
    env = Corridor([0, 7, 2], 4, max_steps)
    policy = CategoricalLinear(env.spec, env.seeds, [math.log(1 - p), math.log(p)])
    found = env.objective(policy, 1.0)
    exact = -2 * (2 - p) / (p * (1 - p))
    assert found.dtype == torch.float64
    assert found.tolist() == pytest.approx([exact] * 3, rel=2e-6)
    (grad,) = torch.autograd.grad(found.sum(), policy.flat)
    bias = policy.net.layers(grad)[0][1][:, 0]
    for row in bias.tolist():
        assert row == pytest.approx([-slope, slope], rel=2e-6, abs=1e-5)


def test_a_short_limit_counts_no_more_than_its_decisions():
    env = Corridor([0], 1, max_steps=2)  # the end is three decisions away
    policy = CategoricalLinear(env.spec, [0], None)
    assert env.objective(policy, 1.0).item() == -2.0
    assert env.objective(policy, 0.5).item() == -1.5


def test_the_best_policy_is_stochastic():
    assert pytest.approx(0.5857864376, abs=1e-10) == BEST
    best = objective(corridor(), always(BEST), 1.0).item()
    assert best == pytest.approx(-(6 + 4 * math.sqrt(2)), rel=1e-12)
    assert best == pytest.approx(-11.6568542495, abs=1e-10)
    around = [objective(corridor(), always(p), 1.0).item() for p in np.linspace(0.01, 0.99, 99)]
    assert max(around) <= best


def test_every_move_is_the_books():
    env = Corridor([4, 5], 3)
    env.reset()
    path = [(LEFT, 0), (RIGHT, 1), (RIGHT, 0), (RIGHT, 1), (LEFT, 2), (LEFT, 1), (LEFT, 2)]
    for action, place in [*path, (RIGHT, 3)]:
        step = env.step(np.full((2, 3), action))
        assert (env.state_dict()["state"] == place).all()
        assert (step.reward == -1).all() and (step.next_observation == 1).all()
        assert (step.terminated == (place == 3)).all() and not step.truncated.any()
    assert env.spec.observation_shape == (1,) and env.spec.actions == 2


def test_max_steps_truncates():
    env = Corridor([0], 2, max_steps=3)
    env.reset()
    ended = [bool(env.step(np.zeros((1, 2), dtype=int)).truncated.all()) for _ in range(3)]
    assert ended == [False, False, True]
    with pytest.raises(ConfigError, match=r"environment\.max_steps=-1"):
        Corridor([0], 2, max_steps=-1)


@pytest.mark.parametrize("p", [0.2, 0.5, BEST])
def test_sampled_returns_have_the_exact_mean(p):
    env, rng = Corridor([1, 2, 3], 701), np.random.default_rng(0)
    env.reset()
    total, active = np.zeros((3, 701)), np.ones((3, 701), dtype=bool)
    while active.any():
        step = env.step((rng.random((3, 701)) < p).astype(np.int64), active)
        total[active] += step.reward[active]
        active &= ~step.terminated
    exact = objective(corridor(), always(p), 1.0).item()
    assert abs(total.mean() - exact) < 4 * total.std() / np.sqrt(total.size)
