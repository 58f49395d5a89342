"""Networks whose parameters are ``[R, P]``: one row per replica, all in one matrix product.

`ReplicaMLP` keeps the parameters of all its layers in one flat tensor per network. Gradients,
clipping, optimizers and checkpoints then handle a single ``[R, P]`` tensor. Layer widths and rows
are padded, so that every replica's matrices begin at an aligned address: matrix products take
another order of additions for unaligned ones, and a replica's bits would depend on its place among
the others.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Literal, Protocol, get_args

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from pgx.axes import LANES, padded
from pgx.errors import ConfigError, check_choice, check_number
from pgx.streams import Stream

Activation = Literal["tanh", "relu"]
WIDTH = 16  #: layer widths are padded to a multiple of this, with weights that stay zero
Layer = tuple[Tensor, Tensor]  #: weight ``[R, in, out]`` and bias ``[R, 1, out]``
Frozen = Callable[[Tensor], Tensor]  #: rows ``[R, B, in]`` to outputs, any B, without gradient


class Network(Protocol):
    """What policies and critics need of a network."""

    @property
    def flat(self) -> nn.Parameter:
        """``[R, P]``, every parameter of every replica."""

    def __call__(self, rows: Tensor) -> Tensor:
        """``[R, B, in]`` to ``[R, B, out]``; B a multiple of `pgx.axes.LANES`."""

    def frozen(self, flat: Tensor | None = None) -> Frozen:
        """The network, now or with parameters ``flat``, prepared for passes without gradient."""

    def free(self) -> Tensor:
        """bool ``[P]``, which entries of a row of `flat` are parameters; the others stay zero."""


def check_network(group: str, hidden: Any, activation: Any) -> None:
    """Raise `ConfigError` naming the key if widths or activation make no network."""
    if isinstance(hidden, str) or not isinstance(hidden, Sequence):
        raise ConfigError(f"{group}.hidden={hidden}: give a list of widths, such as [64,64]")
    for width in hidden:
        check_number(f"{group}.hidden", width, least=1, most=16384, whole=True)
    check_choice(f"{group}.activation", activation, get_args(Activation))


def orthogonal(draws: Tensor, gain: float) -> Tensor:
    """An orthogonal matrix from normal draws (Saxe et al. 2014), ``[R, in, out]``, times ``gain``.

    The arithmetic is float64 and per matrix, so that a replica's weights do not depend on R.
    """
    tall = draws.shape[1] >= draws.shape[2]
    q, r = torch.linalg.qr(draws.double() if tall else draws.double().transpose(1, 2))
    q = q * torch.diagonal(r, dim1=1, dim2=2).sign().unsqueeze(1)
    return (gain * (q if tall else q.transpose(1, 2))).float()


def split_layers(flat: Tensor, sizes: Sequence[int]) -> list[Layer]:
    """Views of a flat ``[R, P]`` tensor as the (padded) layers of an MLP of these sizes."""
    layers, start = [], 0
    for fan_in, fan_out in pairwise(sizes):
        middle, end = start + fan_in * fan_out, start + (fan_in + 1) * fan_out
        weight = flat[:, start:middle].unflatten(1, (fan_in, fan_out))
        layers.append((weight, flat[:, middle:end].unsqueeze(1)))
        start = end
    return layers


class _StackedMLP(torch.autograd.Function):
    """The MLP of all replicas with a hand-written backward straight into the flat gradient."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, flat: Tensor, net: ReplicaMLP) -> Tensor:
        layers = split_layers(flat, net.widths)
        hidden = [rows]
        for weight, bias in layers[:-1]:
            if net.activation == "tanh":  # tanh(x) = 2σ(2x) − 1, at four times the rate
                doubled = torch.baddbmm(bias, hidden[-1], weight, beta=2.0, alpha=2.0)
                hidden.append(doubled.sigmoid_().mul_(2.0).sub_(1.0))
            else:
                hidden.append(torch.baddbmm(bias, hidden[-1], weight).relu_())
        ctx.net = net
        ctx.save_for_backward(flat, *hidden)
        return torch.baddbmm(layers[-1][1], hidden[-1], layers[-1][0])[..., : net.sizes[-1]]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[None, Tensor, None]:
        net: ReplicaMLP = ctx.net
        flat, *hidden = ctx.saved_tensors
        out = torch.zeros_like(flat)
        layers, grads = split_layers(flat, net.widths), split_layers(out, net.widths)
        grad = nn.functional.pad(grad, (0, net.widths[-1] - net.sizes[-1]))
        for depth in reversed(range(len(layers))):
            grads[depth][0].copy_(torch.bmm(hidden[depth].transpose(1, 2), grad))
            grads[depth][1].copy_(grad.sum(1, keepdim=True))
            if depth == 0:
                break
            grad = torch.bmm(grad, layers[depth][0].transpose(1, 2))
            if net.activation == "tanh":
                grad.sub_((grad * hidden[depth]).mul_(hidden[depth]))  # · (1 − tanh²)
            else:
                grad = torch.ops.aten.threshold_backward(grad, hidden[depth], 0)
        if net.bias_only:
            net._weights_of_biases(out).zero_()
        return None, out, None


class ReplicaMLP(nn.Module):
    """Fully connected layers for R replicas at once.

        h_0 = x,   h_{i+1} = f(h_i W_i + b_i),   output = h_k W_k + b_k

    Weights start orthogonal, with gain √2 before the last layer and ``head_gain`` at it; biases
    start at 0.

    Args:
        seeds: one seed per replica.
        sizes: widths from input to output; two numbers make a linear map.
        activation: f, ``tanh`` or ``relu``.
        head_gain: gain of the last layer's weights.
        stream: which of a seed's initialisation streams to draw from: two networks of a replica
            draw from two.
        bias_only: how many of the last outputs are their bias alone: their weights stay zero.

    Attributes:
        flat: ``[R, P]``, every parameter; padding is zero, gets no gradient and stays zero.
    """

    def __init__(
        self,
        seeds: Sequence[int],
        sizes: Sequence[int],
        activation: Activation = "tanh",
        head_gain: float = 1.0,
        stream: int = 0,
        bias_only: int = 0,
    ) -> None:
        super().__init__()
        self.sizes, self.activation = list(sizes), activation
        self.widths = [sizes[0], *(padded(size, WIDTH) for size in sizes[1:])]
        count = sum((i + 1) * o for i, o in zip(self.widths[:-1], self.widths[1:], strict=True))
        flat = torch.zeros(len(seeds), padded(count))
        draws = Stream(seeds, "initialisation")
        for depth, (weight, _) in enumerate(self.layers(flat)):
            gain = head_gain if depth == len(sizes) - 2 else math.sqrt(2.0)
            index = np.full((len(seeds), 1), (stream << 32) + depth, dtype=np.int64)
            noise = draws.normal(index, 1, weight[0].numel())
            weight.copy_(orthogonal(torch.from_numpy(noise).reshape(weight.shape), gain))
        self.bias_only = bias_only
        self._weights_of_biases(flat).zero_()
        self.flat = nn.Parameter(flat)

    def _weights_of_biases(self, flat: Tensor) -> Tensor:
        """The last layer's weights that stay zero, a view ``[R, in, bias_only]`` of ``flat``."""
        weight, outputs = split_layers(flat, self.widths)[-1][0], self.sizes[-1]
        return weight[..., outputs - self.bias_only : outputs]

    def layers(self, flat: Tensor) -> list[Layer]:
        """Views of the real weights ``[R, in, out]`` and biases ``[R, 1, out]`` within ``flat``."""
        return [
            (weight[:, :fan_in, :fan_out], bias[..., :fan_out])
            for (weight, bias), fan_in, fan_out in zip(
                split_layers(flat, self.widths), self.sizes[:-1], self.sizes[1:], strict=True
            )
        ]

    @torch.no_grad()
    def free(self) -> Tensor:
        """bool ``[P]``: all but padding, and the weights that stay zero."""
        found = torch.zeros_like(self.flat[:1])
        for layer in self.layers(found):
            for tensor in layer:
                tensor.fill_(1.0)
        self._weights_of_biases(found).zero_()
        return found[0] > 0

    def forward(self, rows: Tensor) -> Tensor:
        """``[R, B, in]`` to ``[R, B, out]``; B a multiple of `pgx.axes.LANES`."""
        if rows.requires_grad:
            raise ValueError("ReplicaMLP gives no gradient with respect to its input")
        return _StackedMLP.apply(rows, self.flat, self)

    @torch.no_grad()
    def frozen(self, flat: Tensor | None = None) -> FrozenMLP:
        """The network, now or with parameters ``flat``, prepared for passes without gradient."""
        return FrozenMLP(self.layers(self.flat.detach() if flat is None else flat), self.activation)


class FrozenMLP:
    """A network prepared for acting: two calls a layer, any number of rows.

    Every width but the input's is padded with zero weights, so that each replica's matrices begin
    at an aligned address: unaligned ones are multiplied in another order. The affine part of
    tanh(x) = 2σ(2x) − 1 moves into the next layer's weights: h W + b = σ (2W) + (b − Σ W).
    """

    def __init__(self, layers: Sequence[Layer], activation: Activation) -> None:
        self._sigmoid = activation == "tanh"
        self._outputs = layers[-1][0].shape[2]
        self._layers = []
        for depth, (weight, bias) in enumerate(layers):
            hidden = depth < len(layers) - 1
            if self._sigmoid and depth > 0:
                weight, bias = 2.0 * weight, bias - weight.sum(1, keepdim=True)
            if self._sigmoid and hidden:
                weight, bias = 2.0 * weight, 2.0 * bias
            width, fan_in = weight.shape[2], weight.shape[1]
            wide = padded(width, LANES if hidden else WIDTH) - width
            deep = padded(fan_in) - fan_in if depth > 0 else 0
            weight = nn.functional.pad(weight, (0, wide, 0, deep)).contiguous()
            self._layers.append((weight, nn.functional.pad(bias, (0, wide)).contiguous()))

    def __call__(self, rows: Tensor) -> Tensor:
        """``[R, B, in]`` to ``[R, B, out]``, any B; a view of a padded tensor."""
        for weight, bias in self._layers[:-1]:
            rows = torch.baddbmm(bias, rows, weight)
            rows = rows.sigmoid_() if self._sigmoid else rows.relu_()
        weight, bias = self._layers[-1]
        return torch.baddbmm(bias, rows, weight)[..., : self._outputs]


class SomeOutputs(nn.Module):
    """A part of a network's outputs, offered as a network with all of its parameters.

    Args:
        whole: the network.
        which: the outputs that are seen.
    """

    def __init__(self, whole: ReplicaMLP, which: slice) -> None:
        super().__init__()
        self.whole, self.which = whole, which

    @property
    def flat(self) -> nn.Parameter:
        return self.whole.flat

    def layers(self, flat: Tensor) -> list[Layer]:
        """The layers of the whole network, see `ReplicaMLP.layers`."""
        return self.whole.layers(flat)

    def free(self) -> Tensor:
        return self.whole.free()

    def forward(self, rows: Tensor) -> Tensor:
        return self.whole(rows)[..., self.which]

    def frozen(self, flat: Tensor | None = None) -> Frozen:
        net = self.whole.frozen(flat)
        return lambda rows: net(rows)[..., self.which]


class SharedMLP(SomeOutputs):
    """A `ReplicaMLP` with one more output in front, a state value; the others are what is seen.

    Takes the arguments of `ReplicaMLP`, of which ``head_gain`` is not the value's: its weights
    start with gain 1.

    Attributes:
        value: the value as a network, ``[R, B, in]`` to ``[R, B, 1]``, on the same parameters.
    """

    def __init__(
        self,
        seeds: Sequence[int],
        sizes: Sequence[int],
        activation: Activation = "tanh",
        head_gain: float = 1.0,
        bias_only: int = 0,
    ) -> None:
        sizes = [*sizes[:-1], sizes[-1] + 1]
        super().__init__(ReplicaMLP(seeds, sizes, activation, bias_only=bias_only), slice(1, None))
        with torch.no_grad():
            self.layers(self.flat)[-1][0][..., 1:] *= head_gain
        self.value = SomeOutputs(self.whole, slice(0, 1))
