"""Gradients of single trajectories: what a variance is the variance of.

A trajectory is treated as a replica. The policy's parameters are laid out once per trajectory, a
single pass runs them all, and the gradient with respect to that layout has a row per trajectory.
It is the map over trajectories that ``torch.func.vmap`` writes, in the form that every network
here already takes, and its bits are those of the replica axis: a trajectory's gradient does not
depend on who else is in the batch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import cast

import torch
from torch import Tensor, nn
from torch.func import functional_call

from pgx.axes import BLOCK, LANES, check_shape, padded, time_blocks
from pgx.nets import ReplicaMLP, SomeOutputs
from pgx.squares import squared_gradients
from pgx.types import Rollout, ScoreFunction

WORKING = 2**25  #: floats that a pass may hold besides its answer: 128 MiB
LINE = 16  #: floats between addresses that are aligned


def trajectory_gradients(policy: ScoreFunction, rollout: Rollout, weight: Tensor) -> Tensor:
    """The weighted score of every slot, whose mean over slots is the estimator's gradient.

        complete episodes:  g_n = Σ_t Ψ_t,n ∇ log π(a_t,n|s_t,n)
        T-step rollouts:    g_n = 1/T Σ_t Ψ_t,n ∇ log π(a_t,n|s_t,n)

    so that 1/N Σ_n g_n is `pgx.estimators.score.score_gradient` without a bonus, either way. A slot
    is a trajectory: in a complete rollout one episode, in a T-step rollout T consecutive decisions
    that may cross episode ends, and whose neighbours in time belong to one stream of experience.

    Memory: the answer, and passes of at most `WORKING` floats besides, if no layer shares its
    weights between places (a convolution holds more). A pass never takes less than one slot.

    Args:
        policy: whose parameters the gradient is taken of, an ``nn.Module`` of which every parameter
            and buffer leads with R.
        rollout: ``[T, R, N, …]``; rows with a false mask weigh exactly zero.
        weight: Ψ ``[T, R, N]``, a constant, as `Reinforce.advantage` and ``row_weight`` make it.

    Returns:
        ``[R, N, P]``, laid out as ``policy.flat``.
    """
    check_shape("weight", weight, tuple(rollout.mask.shape))
    scale = 1.0 if rollout.complete else 1.0 / len(weight)
    weight = torch.where(rollout.mask, weight * scale, 0.0)
    total = policy.flat.new_zeros((*rollout.mask.shape[1:], policy.flat.shape[1]))
    for block in time_blocks(len(weight), rollout.complete):
        for slots in _groups(policy, rollout, block):
            fields = (rollout.observation, rollout.action, weight)
            rows = [_slot_rows(field[block][:, :, slots]) for field in fields]
            total[:, slots] += _pass(policy, rows, LANES)
    return total


def squared_scores(policy: ScoreFunction, rollout: Rollout, weight: Tensor) -> Tensor:
    """The weighted squares of single decisions' scores, parameter by parameter.

        q_n,i = Σ_t w_t,n ℓ_t,n,i²,   ℓ_t,n,i = ∂ log π(a_t,n|s_t,n) / ∂θ_i

    In T-step rollouts the sum is over the T rows, not their mean. Where the network is layers and
    nothing else, `squared_gradients` takes one pass; elsewhere every row is a replica of its own, a
    pass of P floats.

    Args:
        policy: as in `trajectory_gradients`.
        rollout: as in `trajectory_gradients`.
        weight: w ``[T, R, N]``, a constant.

    Returns:
        ``[R, N, P]``, laid out as ``policy.flat``.
    """
    check_shape("weight", weight, tuple(rollout.mask.shape))
    weight = torch.where(rollout.mask, weight, 0.0)
    net = getattr(policy, "layered", None)
    if net is not None:
        return _squares_by_layers(policy, net, rollout, weight)
    total = policy.flat.new_zeros((*rollout.mask.shape[1:], policy.flat.shape[1]))
    size = math.prod(rollout.observation.shape[3:])
    few = LINE // math.gcd(LINE, size)  # rows that begin and end at an aligned address
    group = max(1, WORKING // (policy.flat.numel() * (4 + 3 * few)))
    for step in range(len(weight)):
        active = torch.nonzero(rollout.mask[step].any(0))[:, 0]
        for slots in active.split(group):
            fields = (rollout.observation, rollout.action, torch.ones_like(weight))
            rows = [field[step, :, slots].unsqueeze(2) for field in fields]
            score = _pass(policy, rows, few)
            total[:, slots] += weight[step, :, slots].unsqueeze(-1) * score.square()
    return total


def _squares_by_layers(
    policy: ScoreFunction, net: ReplicaMLP | SomeOutputs, rollout: Rollout, weight: Tensor
) -> Tensor:
    replicas, width = policy.flat.shape
    total = policy.flat.new_zeros((*rollout.mask.shape[1:], width))
    for block in time_blocks(len(weight), rollout.complete):
        for slots in _groups(policy, rollout, block):
            fields = (rollout.observation, rollout.action, weight)
            rows = [_slot_rows(field[block][:, :, slots]) for field in fields]
            count = padded(rows[2].shape[2], LANES)
            seen, action, row_weight = (_filled(x, count).flatten(0, 1) for x in rows)
            ones, nothing = torch.ones_like(row_weight), torch.zeros_like(row_weight)
            flat = policy.flat.detach().repeat_interleave(len(slots), 0)

            def slope(outputs: Tensor, of: tuple[Tensor, ...] = (action, ones, nothing)) -> Tensor:
                return policy.score(outputs, *of)[0]

            found = squared_gradients(net, flat, seen.flatten(2), slope, row_weight)
            total[:, slots] += found.unflatten(0, (replicas, len(slots)))
    return total


def _groups(policy: ScoreFunction, rollout: Rollout, block: slice) -> Iterator[Tensor]:
    """The slots that act in this block of time, int64 ``[M]`` each, as many as a pass may take.

    A row has at most as many hidden units as there are parameters, and three copies of them.
    """
    rows = BLOCK if rollout.complete else padded(len(rollout.mask))
    size = math.prod(rollout.observation.shape[3:])
    replicas, width = policy.flat.shape
    active = torch.nonzero(rollout.mask[block].any(0).any(0))[:, 0]
    yield from active.split(max(1, WORKING // (replicas * (2 * width + rows * (size + 3 * width)))))


def _slot_rows(tensor: Tensor) -> Tensor:
    """``[T, R, M, …]`` to ``[R, M, T, …]``."""
    return tensor.permute(1, 2, 0, *range(3, tensor.ndim))


def _pass(policy: ScoreFunction, fields: list[Tensor], multiple: int) -> Tensor:
    """Σ_b weight · ∇ log π of every slot's rows ``[R, M, P]``.

    ``fields`` are observation, action and weight ``[R, M, B, …]``; B is padded to ``multiple``.
    """
    replicas, slots, count = fields[-1].shape
    rows = [_filled(field, padded(count, multiple)).flatten(0, 1) for field in fields]
    module = cast(nn.Module, policy)
    laid_out = {
        name: tensor.detach().repeat_interleave(slots, 0)
        for name, tensor in (*module.named_parameters(), *module.named_buffers())
    }
    (mine,) = [name for name, tensor in module.named_parameters() if tensor is policy.flat]
    flat = laid_out[mine].requires_grad_()
    with torch.enable_grad():
        # tie_weights is of parameters, not of modules, that lie in two places
        outputs = functional_call(module, laid_out, (rows[0],), tie_weights=False)
    slope, _ = policy.score(outputs.detach(), rows[1], rows[2], torch.zeros_like(rows[2]))
    (gradient,) = torch.autograd.grad(outputs, flat, slope)
    return gradient.unflatten(0, (replicas, slots))


def _filled(rows: Tensor, count: int) -> Tensor:
    """``[R, M, B, …]`` with zero rows up to ``count``."""
    missing = count - rows.shape[2]
    if missing == 0:
        return rows.contiguous()
    return torch.cat([rows, rows.new_zeros((*rows.shape[:2], missing, *rows.shape[3:]))], dim=2)
