"""Gradients of single trajectories against the batch's, against slow twins, and by hand."""

from __future__ import annotations

from dataclasses import fields, replace
from functools import partial

import pytest
import torch

from pgx.estimators import trajectories
from pgx.estimators.score import score_gradient
from pgx.estimators.trajectories import squared_scores, trajectory_gradients
from pgx.policies.base import Policy
from pgx.policies.categorical_linear import CategoricalLinear
from pgx.policies.categorical_mlp import CategoricalMLP
from pgx.policies.categorical_shared import CategoricalShared
from pgx.policies.gaussian_mlp import GaussianMLP
from pgx.policies.lifted import Lifted
from pgx.types import EnvSpec, Rollout
from tests.support.rollouts import SEEDS, A, D, N, R, T, part, random_rollout, spec

CONTINUOUS = EnvSpec("made-up", (D,), "continuous", A)


POLICIES = {
    "linear": lambda seeds: CategoricalLinear(spec(), seeds, None),
    "mlp": lambda seeds: CategoricalMLP(spec(), seeds, [7, 6], "tanh", 1.0),
    "relu": lambda seeds: CategoricalMLP(spec(), seeds, [7], "relu", 1.0),
    "shared": lambda seeds: CategoricalShared(spec(), seeds, [7], "tanh", 1.0),
    "gaussian": lambda seeds: GaussianMLP(CONTINUOUS, seeds, [7], "tanh", 1.0, 0.7, False, 1),
    "lifted": lambda seeds: Lifted(spec(), seeds, partial(torch.nn.Linear)),
}
every = pytest.mark.parametrize("name", POLICIES)
kinds = pytest.mark.parametrize("complete", [True, False], ids=["episodes", "steps"])


def sample(name: str, complete: bool) -> tuple[Policy, Rollout, torch.Tensor]:
    """R = 3 replicas of N = 5 slots over T = 7 rows, with parameters that are all different."""
    policy, rollout = POLICIES[name](SEEDS), random_rollout(2, complete)
    generator = torch.Generator().manual_seed(8)
    if name == "gaussian":
        rollout = replace(rollout, action=torch.randn(T, R, N, A, generator=generator))
    if name == "linear":
        with torch.no_grad():
            for piece in policy.net.layers(policy.flat)[0]:
                piece.copy_(torch.randn(piece.shape, generator=generator))
    return policy, rollout, torch.randn(T, R, N, generator=generator)


def one_step(rollout: Rollout, step: int) -> Rollout:
    """A row as a rollout of its own."""
    tensors = {
        field.name: getattr(rollout, field.name)[step : step + 1]
        for field in fields(rollout)
        if isinstance(getattr(rollout, field.name), torch.Tensor)
    }
    return replace(rollout, **tensors, complete=True)


@every
@kinds
def test_the_mean_over_slots_is_the_batch_gradient(name, complete):
    policy, rollout, weight = sample(name, complete)
    found = trajectory_gradients(policy, rollout, weight)
    whole, _ = score_gradient(policy, rollout, weight)
    assert found.shape == (R, N, policy.flat.shape[1]) and whole.abs().sum(1).min() > 0.1
    torch.testing.assert_close(found.mean(1), whole, rtol=1e-5, atol=1e-6)


@every
@kinds
def test_each_slot_is_its_own_batch_gradient(name, complete):
    policy, rollout, weight = sample(name, complete)
    found = trajectory_gradients(policy, rollout, weight)
    for slot in range(N):
        alone = part(rollout, slots=slice(slot, slot + 1))
        one, _ = score_gradient(policy, alone, weight[:, :, slot : slot + 1])
        torch.testing.assert_close(found[:, slot], one, rtol=1e-5, atol=1e-6)


@every
@kinds
def test_squares_of_every_decision(name, complete):
    """Against a loop over rows, each differentiated alone."""
    policy, rollout, weight = sample(name, complete)
    found = squared_scores(policy, rollout, weight)
    slow = torch.zeros_like(found)
    for step in range(T):
        row = one_step(rollout, step)
        one = trajectory_gradients(policy, row, torch.ones(1, R, N))
        slow += weight[step].unsqueeze(-1) * one.square()
    assert slow.abs().sum((1, 2)).min() > 0.1
    torch.testing.assert_close(found, slow, rtol=1e-4, atol=1e-5)


def test_by_hand():
    """One feature 1, two actions, π = (¼, ¾): the score of the logits is 1_a − π."""
    policy = CategoricalLinear(spec(width=1), [0], None)
    with torch.no_grad():
        policy.net.layers(policy.flat)[0][1].copy_(torch.tensor([0.25, 0.75]).log())
    rollout = random_rollout(0, True, steps=3, replicas=1, slots=2, width=1)
    mask = torch.tensor([[[1, 1]], [[1, 0]], [[1, 0]]]).bool()
    action = torch.tensor([[[0, 1]], [[1, 0]], [[1, 0]]])
    rollout = replace(rollout, mask=mask, action=action)
    weight = torch.tensor([[[4.0, -8.0]], [[2.0, 9.0]], [[1.0, 9.0]]])
    found = trajectory_gradients(policy, rollout, weight)
    bias = found[0, :, 16:18]  # after the weights, which equal it here
    # slot 0: 4·(¾, −¾) + (2 + 1)·(−¼, ¼); slot 1: −8·(−¼, ¼)
    torch.testing.assert_close(bias, torch.tensor([[2.25, -2.25], [2.0, -2.0]]))
    squares = squared_scores(policy, rollout, weight)[0, :, 16:18]
    # slot 0: 4·9/16 + 3·1/16; slot 1: −8·1/16
    torch.testing.assert_close(squares, torch.tensor([[39 / 16] * 2, [-0.5] * 2]))


@every
@kinds
def test_a_replica_alone_and_a_slot_among_others_are_the_same_bits(name, complete):
    policy, rollout, weight = sample(name, complete)
    for measure in (trajectory_gradients, squared_scores):
        whole = measure(policy, rollout, weight)
        for r, seed in enumerate(SEEDS):
            alone = POLICIES[name]([seed])
            alone.flat.data.copy_(policy.flat[r : r + 1])
            found = measure(alone, part(rollout, slice(r, r + 1)), weight[:, r : r + 1])
            assert torch.equal(found[0], whole[r]), (measure.__name__, r)


@kinds
def test_small_passes_give_the_same_bits(monkeypatch, complete):
    policy, rollout, weight = sample("mlp", complete)
    whole = [f(policy, rollout, weight) for f in (trajectory_gradients, squared_scores)]
    monkeypatch.setattr(trajectories, "WORKING", 1)  # one slot a pass
    small = [f(policy, rollout, weight) for f in (trajectory_gradients, squared_scores)]
    assert all(map(torch.equal, whole, small))


def test_rows_that_do_not_exist_weigh_nothing():
    policy, rollout, weight = sample("mlp", True)
    assert not rollout.mask.all()
    other = torch.where(rollout.mask, weight, torch.nan)
    for measure in (trajectory_gradients, squared_scores):
        assert torch.equal(measure(policy, rollout, weight), measure(policy, rollout, other))


def test_the_policy_is_left_as_it_was():
    policy, rollout, weight = sample("mlp", True)
    before = policy.flat.detach().clone()
    trajectory_gradients(policy, rollout, weight)
    assert torch.equal(policy.flat, before) and policy.flat.grad is None
    assert policy.flat is policy.net.flat and policy.flat.requires_grad


def test_a_weight_of_another_shape_is_refused():
    policy, rollout, weight = sample("linear", True)
    with pytest.raises(ValueError, match="weight has shape"):
        trajectory_gradients(policy, rollout, weight[0])
