"""Slow obvious twins of what pgx computes fast: loops over every row, autograd through torch."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

from pgx.nets import ReplicaMLP
from pgx.types import Rollout


def slow_return(reward: Tensor, ended: Tensor, discount: float) -> Tensor:
    """Each G_t as a sum of its own, in float64."""
    result = torch.zeros_like(reward, dtype=torch.float64)
    steps, replicas, slots = reward.shape
    for r, n in [(r, n) for r in range(replicas) for n in range(slots)]:
        for start in range(steps):
            for t in range(start, steps):
                result[start, r, n] += discount ** (t - start) * float(reward[t, r, n])
                if ended[t, r, n]:
                    break
    return result


def slow_gae(
    reward: Tensor,
    value: Tensor,
    next_value: Tensor,
    terminated: Tensor,
    truncated: Tensor,
    discount: float,
    trace_decay: float,
    time_limit: str = "bootstrap",
) -> Tensor:
    """Each A_t as a sum of its own TD errors, in float64."""
    result = torch.zeros_like(reward, dtype=torch.float64)
    steps, replicas, slots = reward.shape
    for r, n in [(r, n) for r in range(replicas) for n in range(slots)]:
        for start in range(steps):
            for t in range(start, steps):
                at = (t, r, n)
                over = bool(terminated[at]) or (bool(truncated[at]) and time_limit == "end")
                rest = 0.0 if over else float(next_value[at])
                delta = float(reward[at]) + discount * rest - float(value[at])
                result[start, r, n] += (discount * trace_decay) ** (t - start) * delta
                if terminated[at] or truncated[at]:
                    break
    return result


def mlp(net: ReplicaMLP, flat: Tensor, rows: Tensor) -> Tensor:
    """The network as its docstring writes it, differentiable in ``flat`` and ``rows``."""
    function = {"tanh": torch.tanh, "relu": torch.relu}[net.activation]
    layers = net.layers(flat)
    for weight, bias in layers[:-1]:
        rows = function(rows @ weight + bias)
    return rows @ layers[-1][0] + layers[-1][1]


def real_parameters(net: ReplicaMLP, flat: Tensor) -> Tensor:
    """Every number of ``flat`` that is no padding, ``[R, K]``."""
    pieces = [piece.flatten(1) for layer in net.layers(flat) for piece in layer]
    count = sum((i + 1) * o for i, o in pairwise(net.sizes))
    joined = torch.cat(pieces, dim=1)
    assert joined.shape[1] == count
    return joined


def gradient_of(net: ReplicaMLP, scalar: Callable[[Tensor], Tensor]) -> Tensor:
    """∂/∂flat of a scalar of the float64 parameters, ``[R, P]``."""
    flat = net.flat.detach().double().requires_grad_()
    return torch.autograd.grad(scalar(flat), flat)[0]


def slow_score(net: ReplicaMLP, rollout: Rollout, weight: Tensor, entropy: float = 0.0) -> Tensor:
    """Σ_rows [weight ∇ log π + ρ ∇H] / rows that count, through `torch.log_softmax`, ``[R, P]``.

    The division is by N in complete episodes and by T·N otherwise.
    """
    steps, replicas, slots = rollout.mask.shape
    count = slots if rollout.complete else steps * slots

    def total(flat: Tensor) -> Tensor:
        result = torch.zeros((), dtype=torch.float64)
        for t in range(steps):
            logits = mlp(net, flat, rollout.observation[t].double())
            log_pi = torch.log_softmax(logits, dim=-1)
            for r, n in [(r, n) for r in range(replicas) for n in range(slots)]:
                if rollout.mask[t, r, n]:
                    chosen = log_pi[r, n, rollout.action[t, r, n]]
                    bonus = -(log_pi[r, n].exp() * log_pi[r, n]).sum()
                    result = result + (float(weight[t, r, n]) * chosen + entropy * bonus) / count
        return result

    return gradient_of(net, total)
