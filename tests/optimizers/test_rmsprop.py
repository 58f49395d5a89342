"""RMSProp against torch's."""

from __future__ import annotations

import pytest
import torch

from pgx.errors import ConfigError
from pgx.optimizers.rmsprop import RMSProp

R, P = 3, 64
DEFAULTS = {"learning_rate": 0.01, "final_fraction": 1.0, "decay": 0.99, "epsilon": 1e-8}


@pytest.mark.parametrize("options", [{}, {"decay": 0.5}, {"epsilon": 0.1}], ids=str)
def test_20_steps_equal_torchs(options):
    chosen = {**DEFAULTS, **options}
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(R, P, generator=generator)
    mine = RMSProp(start.clone(), **chosen)
    row = torch.nn.Parameter(start[2].clone())
    theirs = torch.optim.RMSprop([row], lr=0.01, alpha=chosen["decay"], eps=chosen["epsilon"])
    for _ in range(20):
        gradient = torch.randn(R, P, generator=generator)
        mine.step(gradient, torch.zeros(R, dtype=torch.float64))
        row.grad = gradient[2].clone()
        theirs.step()
    torch.testing.assert_close(mine.parameter[2], row.detach(), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("key", "value"), [("decay", 1.0), ("decay", -0.1), ("epsilon", -1.0)])
def test_values_out_of_range_are_refused(key, value):
    with pytest.raises(ConfigError, match=rf"optimizer\.{key}={value}"):
        RMSProp(torch.zeros(R, P), **{**DEFAULTS, key: value})
