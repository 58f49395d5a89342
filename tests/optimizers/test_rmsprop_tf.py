"""RMSProp of the A2C papers: by hand, and where it differs from torch's."""

from __future__ import annotations

import pytest
import torch

from pgx.optimizers.rmsprop import RMSProp
from pgx.optimizers.rmsprop_tf import RMSPropTF

R, P = 3, 64
DEFAULTS = {"learning_rate": 0.5, "final_fraction": 1.0, "decay": 0.75, "epsilon": 0.0625}


def test_two_steps_by_hand():
    """v: 1 → .75 + .25·4 = 1.75 → .75·1.75 + .25·16 = 5.3125; θ falls by lr g / √(v + ε)."""
    parameter = torch.zeros(R, P)
    optimizer = RMSPropTF(parameter, **DEFAULTS)
    first = 0.5 * 2.0 / (1.75 + 0.0625) ** 0.5
    second = 0.5 * 4.0 / (5.3125 + 0.0625) ** 0.5
    for size, end in ((2.0, -first), (4.0, -first - second)):
        optimizer.step(torch.full((R, P), size), torch.zeros(R, dtype=torch.float64))
        assert parameter[1, 7].item() == pytest.approx(end, rel=1e-6)


def test_its_first_step_is_small_where_torchs_is_large():
    """From v = 1 a gradient of .001 moves θ by about lr · .001; from v = 0 by lr / √(1 − α)."""
    for make, length in ((RMSPropTF, 1e-3), (RMSProp, 10.0)):
        parameter = torch.zeros(R, P)
        options = {"learning_rate": 1.0, "final_fraction": 1.0, "decay": 0.99, "epsilon": 1e-9}
        step = torch.full((R, P), 1e-3)
        make(parameter, **options).step(step, torch.zeros(R, dtype=torch.float64))
        assert -parameter[0, 0].item() == pytest.approx(length, rel=0.01)
