"""The score-function gradient that every likelihood-ratio estimator shares."""

from __future__ import annotations

import torch
from torch import Tensor

from pgx.axes import join_time, replica_rows, rollout_sum, time_blocks, time_rows
from pgx.types import Rollout, ScoreFunction


def row_scale(rollout: Rollout) -> float:
    """What a row weighs: 1/N in complete episodes, which sum over t, and 1/(T·N) otherwise."""
    steps, _, slots = rollout.mask.shape
    return 1.0 / slots if rollout.complete else 1.0 / (steps * slots)


def masked_mean(tensor: Tensor, rollout: Rollout) -> Tensor:
    """Mean over the rows that exist, ``[T, R, N]`` to ``[R]``."""
    kept = torch.where(rollout.mask, tensor, 0.0)
    rows = rollout_sum(rollout.mask.to(tensor.dtype), rollout.complete)
    return rollout_sum(kept, rollout.complete) / rows.clamp(min=1.0)


def standardise(tensor: Tensor, rollout: Rollout) -> Tensor:
    """(x − mean) / (std + 1e-8) over each replica's own rows, ``[T, R, N]``."""
    centred = tensor - masked_mean(tensor, rollout).unsqueeze(-1)
    variance = masked_mean(centred * centred, rollout)
    return centred / (variance.sqrt() + 1e-8).unsqueeze(-1)


def score_gradient(
    policy: ScoreFunction,
    rollout: Rollout,
    weight: Tensor,
    entropy_coefficient: Tensor | float = 0.0,
    sampled_entropy: bool = False,
) -> tuple[Tensor, Tensor]:
    """The weighted score, per replica.

        g = c Σ_{n,t} [ Ψ_t ∇ log π(a_t|s_t) + ρ ∇ H(π(·|s_t)) ]

    with c = 1/N and the sum over whole episodes if the rollout is complete, else c = 1/(T·N). The
    Monte Carlo form of the bonus is −ρ log π(a_t|s_t) ∇ log π(a_t|s_t), whose mean over a_t is
    ρ ∇ H, because the mean of the score is 0.

    Args:
        policy: whose parameters the gradient is taken of.
        rollout: the rows; those with a false mask weigh exactly zero.
        weight: Ψ_t, ``[T, R, N]``, a constant.
        entropy_coefficient: ρ, in units of reward per nat; ``[R]`` or one for all.
        sampled_entropy: whether the bonus is the Monte Carlo one.

    Returns:
        The gradient ``[R, P]`` and the (analytic) entropy of every row ``[T, R, N]``.
    """
    scale = row_scale(rollout)
    weight = torch.where(rollout.mask, weight * scale, 0.0)
    if isinstance(entropy_coefficient, Tensor):
        entropy_coefficient = entropy_coefficient.unsqueeze(1)
    bonus = rollout.mask.to(weight.dtype) * (entropy_coefficient * scale)
    total, entropies = torch.zeros_like(policy.flat), []
    for block in time_blocks(len(weight), rollout.complete):
        if rollout.complete and not bool(rollout.mask[block].any()):
            entropies.append(torch.zeros_like(weight[block]))
            continue
        with torch.enable_grad():
            outputs = policy(replica_rows(rollout.observation[block]))
        action, rows = replica_rows(rollout.action[block]), replica_rows(weight[block])
        extra = replica_rows(bonus[block])
        if sampled_entropy:
            rows = rows - extra * policy.log_prob(outputs.detach(), action)
            extra = torch.zeros_like(extra)
        slope, entropy = policy.score(outputs, action, rows, extra)
        (gradient,) = torch.autograd.grad(outputs, policy.flat, slope)
        total += gradient
        entropies.append(time_rows(entropy, *rollout.mask[block].shape[::2]))
    return total, join_time(entropies)
