"""The exact utility of the simple regulator, as a function of parameters alone."""

from __future__ import annotations

import torch
from torch import Tensor

P = 64
FREE = torch.arange(P) < 2  #: θ₁ and θ₂; the rest is padding


def regulator(points: Tensor, slack: float = 0.0) -> Tensor:
    """U(θ) ``[R, M]`` of points ``[R, M, P]``, in float64.

        U = −Σ_{k<10} γᵏ m_k,   m_0 = .1,   m_{k+1} = (1 + θ₁)² m_k + σ² + .01,   σ = |θ₂| + slack

    Kochenderfer et al. add 10⁻⁵ to |θ₂|; their figures at (0, 1) are with it.
    """
    gain, std = points[..., 0].double(), points[..., 1].double().abs() + slack
    moment, total = torch.full_like(gain, 0.1), torch.zeros_like(gain)
    for k in range(10):
        total = total - 0.9**k * moment
        moment = (1.0 + gain) ** 2 * moment + std**2 + 0.01
    return total


def start(replicas: int = 1) -> Tensor:
    """θ = (0, 1)."""
    flat = torch.zeros(replicas, P)
    flat[:, 1] = 1.0
    return flat
