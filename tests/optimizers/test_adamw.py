"""AdamW against torch's, and its decay by hand."""

from __future__ import annotations

import pytest
import torch

from pgx.errors import ConfigError
from pgx.optimizers.adam import Adam
from pgx.optimizers.adamw import AdamW

R, P = 3, 64
ADAM = {
    "learning_rate": 0.01,
    "final_fraction": 1.0,
    "beta1": 0.9,
    "beta2": 0.999,
    "epsilon": 1e-8,
}


@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_20_steps_equal_torchs(decay):
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(R, P, generator=generator)
    mine = AdamW(start.clone(), weight_decay=decay, **ADAM)
    row = torch.nn.Parameter(start[1].clone())
    theirs = torch.optim.AdamW([row], lr=0.01, weight_decay=decay)
    for _ in range(20):
        gradient = torch.randn(R, P, generator=generator)
        mine.step(gradient, torch.zeros(R, dtype=torch.float64))
        row.grad = gradient[1].clone()
        theirs.step()
    torch.testing.assert_close(mine.parameter[1], row.detach(), rtol=0, atol=1e-6)


def test_the_decay_is_multiplied_by_each_replicas_rate():
    parameter = torch.ones(R, P)
    optimizer = AdamW(parameter, weight_decay=0.5, **{**ADAM, "final_fraction": 0.0})
    optimizer.step(torch.zeros(R, P), torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64))
    torch.testing.assert_close(parameter[:, 0], torch.tensor([0.995, 0.9975, 1.0]))


def test_without_decay_it_is_adam():
    ends = []
    for make, more in ((Adam, {}), (AdamW, {"weight_decay": 0.0})):
        optimizer = make(torch.ones(R, P), **ADAM, **more)
        for size in (1.0, -2.0):
            optimizer.step(torch.full((R, P), size), torch.zeros(R, dtype=torch.float64))
        ends.append(optimizer.parameter)
    assert torch.equal(*ends)


def test_a_negative_decay_is_refused():
    with pytest.raises(ConfigError, match=r"optimizer\.weight_decay=-1"):
        AdamW(torch.zeros(R, P), weight_decay=-1, **ADAM)
