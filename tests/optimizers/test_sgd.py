"""Gradient descent against torch's, and by hand."""

from __future__ import annotations

import pytest
import torch

from pgx.errors import ConfigError
from pgx.optimizers.sgd import SGD

R, P = 3, 64


def make(parameter: torch.Tensor, **options) -> SGD:
    return SGD(
        parameter, **{"learning_rate": 0.1, "final_fraction": 1.0, "momentum": 0.0, **options}
    )


@pytest.mark.parametrize("replicas", [1, R])
@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("fraction", [1.0, 0.1])
def test_20_steps_equal_torchs(momentum, fraction, replicas):
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(replicas, P, generator=generator)
    mine = make(start.clone(), momentum=momentum, final_fraction=fraction)
    theirs = [torch.nn.Parameter(row.clone()) for row in start]
    references = [torch.optim.SGD([row], lr=0.1, momentum=momentum) for row in theirs]
    for step in range(20):
        gradient = torch.randn(replicas, P, generator=generator)
        progress = torch.tensor([step / 20, step / 10, step / 40][:replicas], dtype=torch.float64)
        mine.step(gradient, progress)
        for row, reference, g, used in zip(theirs, references, gradient, progress, strict=True):
            rate = 0.1 * (1 + (fraction - 1) * min(float(used), 1.0))
            reference.param_groups[0]["lr"], row.grad = rate, g.clone()
            reference.step()
    wanted = torch.stack([row.detach() for row in theirs])
    torch.testing.assert_close(mine.parameter, wanted, rtol=0, atol=1e-6)


def test_two_steps_by_hand():
    parameter = torch.tensor([[1.0], [1.0]])
    optimizer = make(parameter, learning_rate=0.5, momentum=0.5)
    gradient, progress = torch.tensor([[2.0], [0.0]]), torch.zeros(2)
    optimizer.step(gradient, progress)
    assert parameter.tolist() == [[0.0], [1.0]]
    optimizer.step(gradient, progress)  # v = .5 · 2 + 2 = 3
    assert parameter.tolist() == [[-1.5], [1.0]]
    assert optimizer.state["velocity"].tolist() == [[3.0], [0.0]]


def test_without_momentum_there_is_no_memory():
    assert make(torch.zeros(R, P)).state == {}


@pytest.mark.parametrize("momentum", [-0.1, 1.0])
def test_momentum_out_of_range_is_refused(momentum):
    with pytest.raises(ConfigError, match=r"optimizer\.momentum=.*at least 0 and below 1"):
        make(torch.zeros(R, P), momentum=momentum)
