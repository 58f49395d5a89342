"""Adam against torch's, and by hand."""

from __future__ import annotations

import pytest
import torch

from pgx.errors import ConfigError
from pgx.optimizers.adam import Adam

R, P = 3, 64
DEFAULTS = {
    "learning_rate": 0.01,
    "final_fraction": 1.0,
    "beta1": 0.9,
    "beta2": 0.999,
    "epsilon": 1e-8,
}


def make(parameter: torch.Tensor, **options) -> Adam:
    return Adam(parameter, **{**DEFAULTS, **options})


@pytest.mark.parametrize("replicas", [1, R])
@pytest.mark.parametrize("fraction", [1.0, 0.1])
@pytest.mark.parametrize(
    "options", [{}, {"beta1": 0.5}, {"beta2": 0.9}, {"epsilon": 0.1}, {"beta1": 0.0}], ids=str
)
def test_20_steps_equal_torchs(options, fraction, replicas):
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(replicas, P, generator=generator)
    mine = make(start.clone(), final_fraction=fraction, **options)
    theirs = [torch.nn.Parameter(row.clone()) for row in start]
    chosen = {**DEFAULTS, **options}
    betas = (chosen["beta1"], chosen["beta2"])
    references = [
        torch.optim.Adam([row], lr=0.01, betas=betas, eps=chosen["epsilon"]) for row in theirs
    ]
    for step in range(20):
        gradient = torch.randn(replicas, P, generator=generator)
        progress = torch.tensor([step / 20, step / 10, step / 40][:replicas], dtype=torch.float64)
        mine.step(gradient, progress)
        for row, reference, g, used in zip(theirs, references, gradient, progress, strict=True):
            rate = 0.01 * (1 + (fraction - 1) * min(float(used), 1.0))
            reference.param_groups[0]["lr"], row.grad = rate, g.clone()
            reference.step()
    wanted = torch.stack([row.detach() for row in theirs])
    torch.testing.assert_close(mine.parameter, wanted, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "options", [{"beta1": 0.5}, {"beta2": 0.5}, {"epsilon": 0.1}, {"learning_rate": 0.02}], ids=str
)
def test_every_option_changes_the_second_step(options):
    ends = []
    for chosen in ({}, options):
        optimizer = make(torch.zeros(R, P), **chosen)
        for size in (1.0, 3.0):
            optimizer.step(torch.full((R, P), size), torch.zeros(R))
        ends.append(optimizer.parameter)
    assert not torch.allclose(*ends, rtol=1e-3)


def test_the_first_step_is_the_rate_whatever_the_gradient():
    parameter = torch.zeros(2, 1)
    make(parameter).step(torch.tensor([[1e-3], [-1e4]]), torch.zeros(2))
    assert parameter.flatten().tolist() == pytest.approx([-0.01, 0.01], rel=1e-4)


def test_it_moves_on_a_zero_gradient():
    """Why a frozen replica is put back, not given a gradient of zero."""
    optimizer = make(torch.zeros(1, P))
    optimizer.step(torch.ones(1, P), torch.zeros(1))
    before = optimizer.parameter.clone()
    optimizer.step(torch.zeros(1, P), torch.zeros(1))
    assert (optimizer.parameter < before).all()


@pytest.mark.parametrize(
    ("key", "value"), [("beta1", 1.0), ("beta1", -0.1), ("beta2", 1.0), ("epsilon", -1e-8)]
)
def test_values_out_of_range_are_refused(key, value):
    with pytest.raises(ConfigError, match=rf"optimizer\.{key}="):
        make(torch.zeros(R, P), **{key: value})
