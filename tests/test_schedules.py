"""Coefficients that follow the used fraction of the budget, replica by replica."""

from __future__ import annotations

import pytest
import torch

from pgx.errors import ConfigError
from pgx.schedules import Schedule


def test_a_number_is_a_constant():
    assert Schedule("rho", 0.3)(torch.tensor([0.0, 0.5, 2.0])) == 0.3
    assert Schedule("rho", 0)(None) == 0.0


def test_a_mapping_is_a_line_that_ends():
    schedule = Schedule("rho", {"start": 0.4, "end": 0.2, "until": 0.5})
    found = schedule(torch.tensor([0.0, 0.25, 0.5, 3.0], dtype=torch.float64))
    torch.testing.assert_close(found, torch.tensor([0.4, 0.3, 0.2, 0.2]))
    assert schedule(None) == 0.4
    whole = Schedule("rho", {"start": 0.0, "end": 1.0})
    torch.testing.assert_close(whole(torch.tensor([0.75])), torch.tensor([0.75]))


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"start": 1.0}, "rho: a schedule needs start and end; end is missing"),
        ({"start": 1.0, "end": 0.0, "unti": 1.0}, "rho.unti is not a key: did you mean 'until'"),
        ({"start": 1.0, "end": 0.0, "until": 0.0}, "rho.until=0.0"),
        ({"start": "high", "end": 0.0}, "rho.start=high"),
        ({"start": 0.5, "end": -0.1}, "rho.end=-0.1"),
        (-0.1, "rho=-0.1: choose a number of at least 0"),
        ("much", "rho=much"),
        (None, "rho=None"),
    ],
)
def test_a_mistake_names_the_key(value, said):
    with pytest.raises(ConfigError) as caught:
        Schedule("rho", value, least=0.0)
    assert said in str(caught.value)
