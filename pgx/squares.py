"""Squares of single rows' gradients, parameter by parameter, in one pass through a network.

The gradient of a row with respect to a weight is the product of what enters the weight and of the
slope behind it. So is its square, of their squares, and a sum over rows is a matrix product again:
no row's gradient is ever written down.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from pgx.nets import ReplicaMLP, SomeOutputs, split_layers

#: outputs ``[R, B, K]`` to the slope of a scalar of each row, ``[R, B, K]``
Slope = Callable[[Tensor], Tensor]


@torch.no_grad()
def squared_gradients(
    net: ReplicaMLP | SomeOutputs, flat: Tensor, rows: Tensor, slope: Slope, weight: Tensor
) -> Tensor:
    """The weighted sum over rows of each row's squared gradient.

        q_i = Σ_b w_b (∂y_b/∂θ_i)²,   for W of a layer:  Q = (h ∘ h)ᵀ (w · δ ∘ δ)

    with h what enters the layer and δ = ∂y/∂(h W + b).

    Args:
        net: the network.
        flat: its parameters ``[R, P]``.
        rows: ``[R, B, in]``; B a multiple of `pgx.axes.LANES`.
        slope: ∂y/∂outputs, of the outputs.
        weight: w ``[R, B]``.

    Returns:
        ``[R, P]``, laid out as ``flat``.
    """
    whole, seen = (net.whole, net.which) if isinstance(net, SomeOutputs) else (net, slice(None))
    layers, hidden = split_layers(flat, whole.widths), [rows]
    for matrix, bias in layers[:-1]:
        into = torch.baddbmm(bias, hidden[-1], matrix)
        hidden.append(into.tanh_() if whole.activation == "tanh" else into.relu_())
    grad = torch.baddbmm(layers[-1][1], hidden[-1], layers[-1][0])
    outputs = grad[..., : whole.sizes[-1]].clone()
    grad.zero_()[..., : whole.sizes[-1]][..., seen] = slope(outputs[..., seen])
    total = torch.zeros_like(flat)
    squares = split_layers(total, whole.widths)
    for depth in reversed(range(len(layers))):
        weighted = grad.square() * weight.unsqueeze(-1)
        squares[depth][0].copy_(torch.bmm(hidden[depth].square().transpose(1, 2), weighted))
        squares[depth][1].copy_(weighted.sum(1, keepdim=True))
        if depth > 0:
            grad = torch.bmm(grad, layers[depth][0].transpose(1, 2))
            inside = hidden[depth]
            grad *= 1.0 - inside.square() if whole.activation == "tanh" else (inside > 0)
    return total * whole.free()
