"""Adam."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from pgx.errors import check_number
from pgx.optimizers.base import Optimizer


class Adam(Optimizer):
    """Adaptive moments, each replica with its own count of steps k.

        m ← β₁ m + (1 − β₁) g,   v ← β₂ v + (1 − β₂) g²,
        θ ← θ − lr · (m / (1 − β₁ᵏ)) / (√(v / (1 − β₂ᵏ)) + ε)

    Source: Kingma & Ba 2015, arXiv 1412.6980, algorithm 1.

    Args:
        parameter: ``[R, P]``.
        beta1: β₁, in [0, 1).
        beta2: β₂, in [0, 1).
        epsilon: ε, outside the square root.
        **rates: the learning rates of `Optimizer`.

    Raises:
        ConfigError: a β outside [0, 1), or a negative ε.
    """

    acts = "elementwise"

    def __init__(
        self, parameter: Tensor, beta1: float, beta2: float, epsilon: float, **rates: Any
    ) -> None:
        super().__init__(parameter, **rates)
        check_number("optimizer.beta1", beta1, least=0.0, below=1.0)
        check_number("optimizer.beta2", beta2, least=0.0, below=1.0)
        check_number("optimizer.epsilon", epsilon, least=0.0)
        self.betas, self.epsilon = (beta1, beta2), epsilon
        self.state["mean"] = torch.zeros_like(parameter)
        self.state["square"] = torch.zeros_like(parameter)
        for name in ("power1", "power2"):  # β₁ᵏ and β₂ᵏ
            self.state[name] = torch.ones(
                len(parameter), 1, dtype=torch.float64, device=parameter.device
            )

    def update(self, gradient: Tensor, rate: Tensor) -> None:
        beta1, beta2 = self.betas
        mean = self.state["mean"].mul_(beta1).add_(gradient * (1.0 - beta1))
        square = self.state["square"].mul_(beta2).add_((gradient * gradient).mul_(1.0 - beta2))
        unbias1 = 1.0 - self.state["power1"].mul_(beta1)
        unbias2 = 1.0 - self.state["power2"].mul_(beta2)
        scale = square.sqrt().div_(unbias2.sqrt().float()).add_(self.epsilon)
        self.parameter.sub_((mean / scale).mul_((rate / unbias1).float()))
