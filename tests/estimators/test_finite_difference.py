"""Finite differences: exact on known utilities, and ∇J of the corridor within its error."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from pgx.baselines.base import constant
from pgx.build import build
from pgx.config import compose_config
from pgx.errors import ConfigError
from pgx.estimators.finite_difference import FiniteDifference
from pgx.types import Rollout
from tests.support.regulator_utility import FREE, P, regulator

KEYS = {"discount": 0.9, "step": 0.01, "difference": "central", "common_noise": False}


class Regulator:
    """A policy of two parameters per replica."""

    def __init__(self, theta: list[list[float]]) -> None:
        self.flat, self.free = torch.zeros(len(theta), P), FREE
        self.flat[:, :2] = torch.tensor(theta)


def estimate(estimator: FiniteDifference, policy: Regulator, utility=regulator) -> Tensor:
    """The gradient ``[R, 2]`` from exact utilities, each told as an episode of one reward."""
    points = estimator.ask(policy)
    told = utility(points).float().unsqueeze(0)
    row = torch.ones(told.shape, dtype=torch.bool)
    zeros = torch.zeros(*told.shape, 1)
    data = Rollout(zeros, row, told, row, ~row, zeros, row, row.long() - 1, told, complete=True)
    found = estimator(policy, data, constant(torch.zeros_like(told)))
    assert (found.gradient[:, ~FREE] == 0).all()
    assert found.utility is None
    return found.gradient[:, FREE]


def truth(theta: list[list[float]]) -> Tensor:
    points = torch.zeros(len(theta), 1, P, dtype=torch.float64)
    points[:, 0, :2] = torch.tensor(theta)
    points.requires_grad_()
    (gradient,) = torch.autograd.grad(regulator(points).sum(), points)
    return gradient[:, 0, :2].float()


THETA = [[-0.4, 0.3], [0.0, 0.5], [-0.9, 0.7]]


def test_central_differences_of_the_regulator():
    found = estimate(FiniteDifference(**KEYS), Regulator(THETA))
    torch.testing.assert_close(found, truth(THETA), rtol=2e-3, atol=1e-3)


def test_forward_differences_are_as_wrong_as_the_curvature_says():
    """U = θ₁² + 3 θ₂: the error is δ in the first, 0 in the second."""

    def curved(points: Tensor) -> Tensor:
        return points[..., 0] ** 2 + 3.0 * points[..., 1]

    policy = Regulator(THETA)
    forward = FiniteDifference(**{**KEYS, "difference": "forward", "step": 0.5})
    central = FiniteDifference(**{**KEYS, "step": 0.5})
    wanted = torch.tensor([[2 * one, 3.0] for one, _ in THETA])
    torch.testing.assert_close(estimate(central, policy, curved), wanted, rtol=1e-4, atol=1e-5)
    wanted[:, 0] += 0.5
    torch.testing.assert_close(estimate(forward, policy, curved), wanted, rtol=1e-4, atol=1e-5)
    assert (forward.population(policy), central.population(policy)) == (3, 4)


def corridor(*words: str) -> tuple:
    keys = ["environment=corridor", "policy=categorical_linear", "estimator=finite_difference"]
    keys += ["baseline=none", "optimizer=sgd", "estimator.discount=1.0", *words]
    return build(compose_config(keys), (5, 3)), keys


@pytest.mark.parametrize(
    ("option", "value"),
    [("discount", 0.5), ("step", 0.3), ("difference", "forward"), ("common_noise", False)],
)
def test_every_option_changes_the_gradient(tmp_path, option, value):
    found = []
    for words in ([], [f"estimator.{option}={value}"]):
        module = arm(tmp_path / str(len(found)), *words)
        rollout = module.collect(module.alive, module.progress)
        found.append(module.estimator(module.policy, rollout, module.baseline(rollout)).gradient)
    assert not torch.equal(*found)


def arm(directory, *words: str):
    from pgx.module import PolicyGradient
    from pgx.tracking.files import FileTracker

    parts, _ = corridor(*words)
    tracker = FileTracker(directory, (5, 3), parts.env.slots)
    return PolicyGradient(parts, (5, 3), 10**9, None, tracker)


def test_the_corridors_gradient_is_the_exact_one(tmp_path):
    """∂J/∂θ = (−2, 2) at p = .5, from 2·700 episodes a parameter."""
    module = arm(tmp_path, "environment.slots=700", "estimator.step=0.3")
    rollout = module.collect(module.alive, module.progress)
    gradient = module.estimator(module.policy, rollout, module.baseline(rollout)).gradient
    biases = gradient[:, module.policy.free][:, -2:]
    wanted = torch.tensor([[-2.0, 2.0], [-2.0, 2.0]])
    # a return has a standard deviation of 10 at p = .5: a mean of 700 one of .39, and the
    # difference of two over .6 one of .91 at most
    torch.testing.assert_close(biases, wanted, rtol=0, atol=3.0)
    assert (biases[:, 0] < biases[:, 1]).all()


def test_a_step_of_no_length_is_refused():
    with pytest.raises(ConfigError, match=r"estimator\.step=0: "):
        FiniteDifference(**{**KEYS, "step": 0})
    with pytest.raises(ConfigError, match=r"estimator\.difference=both"):
        FiniteDifference(**{**KEYS, "difference": "both"})
