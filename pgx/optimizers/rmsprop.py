"""RMSProp, as torch writes it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from pgx.errors import check_number
from pgx.optimizers.base import Optimizer


class RMSProp(Optimizer):
    """A gradient divided by the root of its running mean square.

        v ← α v + (1 − α) g²,   θ ← θ − lr · g / (√v + ε),   v = 0 at the start

    Source: Tieleman & Hinton 2012, lecture 6.5, not centred and without momentum; ε is outside the
    square root, as in torch. `RMSPropTF` is the form of the A3C and A2C papers.

    Args:
        parameter: ``[R, P]``.
        decay: α, in [0, 1).
        epsilon: ε.
        **rates: the learning rates of `Optimizer`.

    Raises:
        ConfigError: α outside [0, 1), or a negative ε.
    """

    acts = "elementwise"
    initial_square = 0.0

    def __init__(self, parameter: Tensor, decay: float, epsilon: float, **rates: Any) -> None:
        super().__init__(parameter, **rates)
        check_number("optimizer.decay", decay, least=0.0, below=1.0)
        check_number("optimizer.epsilon", epsilon, least=0.0)
        self.decay, self.epsilon = decay, epsilon
        self.state["square"] = torch.full_like(parameter, self.initial_square)

    def denominator(self, square: Tensor) -> Tensor:
        """What the gradient is divided by, ``[R, P]``."""
        return square.sqrt().add_(self.epsilon)

    def update(self, gradient: Tensor, rate: Tensor) -> None:
        square = self.state["square"].mul_(self.decay)
        square.add_((gradient * gradient).mul_(1.0 - self.decay))
        self.parameter.sub_((gradient / self.denominator(square)).mul_(rate.float()))
