"""Stochastic gradient descent."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from pgx.errors import check_number
from pgx.optimizers.base import Optimizer


class SGD(Optimizer):
    """Gradient descent with heavy-ball momentum.

        v ← μ v + g,   θ ← θ − lr · v

    Source: Polyak 1964; the form of Sutskever et al. 2013 that torch uses, without dampening.

    Args:
        parameter: ``[R, P]``.
        momentum: μ, in [0, 1).
        **rates: the learning rates of `Optimizer`.

    Raises:
        ConfigError: ``momentum`` outside [0, 1).
    """

    acts = "elementwise"

    def __init__(self, parameter: Tensor, momentum: float, **rates: Any) -> None:
        super().__init__(parameter, **rates)
        check_number("optimizer.momentum", momentum, least=0.0, below=1.0)
        self.momentum = momentum
        if momentum:
            self.state["velocity"] = torch.zeros_like(parameter)

    def update(self, gradient: Tensor, rate: Tensor) -> None:
        if self.momentum:
            gradient = self.state["velocity"].mul_(self.momentum).add_(gradient)
        self.parameter.sub_(gradient * rate.float())
