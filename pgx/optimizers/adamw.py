"""Adam with decoupled weight decay."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from pgx.errors import check_number
from pgx.optimizers.adam import Adam


class AdamW(Adam):
    """Adam on parameters that first shrink.

        θ ← θ − lr · λ θ,   then a step of `Adam`

    Source: Loshchilov & Hutter 2019, arXiv 1711.05101, in torch's form: the decay is multiplied by
    the scheduled rate. Biases shrink as well.

    Args:
        parameter: ``[R, P]``.
        weight_decay: λ.
        **common: the arguments of `Adam`.

    Raises:
        ConfigError: a negative λ.
    """

    def __init__(self, parameter: Tensor, weight_decay: float, **common: Any) -> None:
        super().__init__(parameter, **common)
        check_number("optimizer.weight_decay", weight_decay, least=0.0)
        self.weight_decay = weight_decay

    def update(self, gradient: Tensor, rate: Tensor) -> None:
        self.parameter.mul_((1.0 - rate * self.weight_decay).float())
        super().update(gradient, rate)
