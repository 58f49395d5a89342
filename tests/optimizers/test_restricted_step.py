"""A step of a given length, whatever the gradient's; of none where there is no gradient."""

from __future__ import annotations

import torch

from pgx.optimizers.restricted_step import RestrictedStep

R, P = 3, 64


def test_every_replica_goes_as_far_as_its_rate_says_along_its_own_gradient():
    parameter = torch.zeros(R, P)
    gradient = torch.randn(R, P, generator=torch.Generator().manual_seed(1))
    gradient *= torch.tensor([[1.0], [1e-6], [1e6]])
    optimizer = RestrictedStep(parameter, learning_rate=0.25, final_fraction=0.5)
    optimizer.step(gradient, torch.tensor([0.0, 1.0, 0.5], dtype=torch.float64))
    torch.testing.assert_close(parameter.norm(dim=1), torch.tensor([0.25, 0.125, 0.1875]))
    cosine = torch.nn.functional.cosine_similarity(parameter, gradient)
    torch.testing.assert_close(cosine, -torch.ones(R))


def test_it_minimises_the_linear_model_within_the_ball():
    gradient = torch.randn(1, P, generator=torch.Generator().manual_seed(2))
    parameter = torch.zeros(1, P)
    optimizer = RestrictedStep(parameter, learning_rate=0.1, final_fraction=1.0)
    optimizer.step(gradient, torch.zeros(1, dtype=torch.float64))
    others = torch.randn(1000, P, generator=torch.Generator().manual_seed(3))
    others *= 0.1 / others.norm(dim=1, keepdim=True)
    assert ((others * gradient).sum(1) > (parameter * gradient).sum()).all()


def test_no_gradient_no_step():
    parameter = torch.ones(R, P)
    optimizer = RestrictedStep(parameter, learning_rate=0.1, final_fraction=1.0)
    gradient = torch.zeros(R, P)
    gradient[2] = 1.0
    optimizer.step(gradient, torch.zeros(R, dtype=torch.float64))
    assert torch.equal(parameter[:2], torch.ones(2, P))
    assert not torch.equal(parameter[2], torch.ones(P))
