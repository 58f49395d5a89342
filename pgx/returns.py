"""Returns and advantages: pure functions of ``[T, R, N]`` tensors, without a loop over time.

Everything here is the linear recurrence y_t = x_t + c_t y_{t+1}, solved for all t in log2(T) passes
(Hillis & Steele 1986). The additions that make y_t are anchored at t, so zeros behind an episode's
end (padding that a neighbour's longer episode causes) leave its bits unchanged.
"""

from __future__ import annotations

import torch
from torch import Tensor

from pgx.axes import check_shape
from pgx.types import TimeLimit


def reverse_scan(term: Tensor, decay: Tensor) -> Tensor:
    """Solve the backward recurrence of returns.

        y_t = x_t + c_t · y_{t+1},   y_T = 0

    Args:
        term: ``[T, …]``, x_t for t = 0 … T−1.
        decay: ``[T, …]``, c_t; 0 where nothing flows back from row t + 1.

    Returns:
        ``[T, …]``, y_t.
    """
    check_shape("decay", decay, tuple(term.shape))
    result, factor = term.clone(), decay.clone()
    span = 1
    while span < len(term):
        result[:-span] += factor[:-span] * result[span:]
        factor[:-span] = factor[:-span] * factor[span:]
        span *= 2
    return result


def window_scan(term: Tensor, decay: Tensor, window: int) -> Tensor:
    """The backward recurrence cut after ``window`` terms, in about 2 log2(n) passes.

        y_t = Σ_{k<n} (Π_{j<k} c_{t+j}) x_{t+k},   x_t = 0 for t ≥ T

    Args:
        term: ``[T, …]``, x_t.
        decay: ``[T, …]``, c_t.
        window: n, at least 1; T or more is `reverse_scan`.

    Returns:
        ``[T, …]``, y_t.
    """
    check_shape("decay", decay, tuple(term.shape))
    window = min(window, len(term))
    sums, factor = term.clone(), decay.clone()  # over windows of `span` terms, begun at each row
    result, reach = torch.zeros_like(term), torch.ones_like(decay)
    offset, span = 0, 1
    while True:
        if window & span:
            rest = len(term) - offset
            result[:rest] += reach[:rest] * sums[offset:]
            reach[:rest] = reach[:rest] * factor[offset:]
            offset += span
        if 2 * span > window:
            return result
        sums[:-span] += factor[:-span] * sums[span:]
        factor[:-span] = factor[:-span] * factor[span:]
        span *= 2


def discounted_return(reward: Tensor, ended: Tensor, discount: float) -> Tensor:
    """Reward-to-go G_t = r_t + γ G_{t+1}, cut at every episode end; 0 beyond the last row.

    Args:
        reward: ``[T, R, N]``.
        ended: bool ``[T, R, N]``, rows after which the episode has no further row.
        discount: γ.

    Returns:
        ``[T, R, N]``; a row of an episode that goes on beyond T lacks the rewards it has not seen.

    Source: Sutton & Barto 2018, eq. 3.9.
    """
    check_shape("ended", ended, tuple(reward.shape))
    return reverse_scan(reward, (~ended).to(reward.dtype) * discount)


def bootstrap(
    next_value: Tensor, terminated: Tensor, truncated: Tensor, time_limit: TimeLimit
) -> Tensor:
    """The value that continues a row: V(s_{t+1}), or 0 where nothing follows.

    Args:
        next_value: ``[T, R, N]``, V(next_observation[t]); may hold NaN where the row terminated.
        terminated: bool ``[T, R, N]``; terminated wins if a row is also truncated.
        truncated: bool ``[T, R, N]``.
        time_limit: ``bootstrap``: a truncated episode would have gone on; ``end``: it is over.

    Returns:
        ``[T, R, N]``, free of what ``next_value`` holds at terminations.

    Source: Pardo et al. 2018, "Time limits in reinforcement learning".
    """
    over = terminated | truncated if time_limit == "end" else terminated
    return torch.where(over, 0.0, next_value)


def td_error(reward: Tensor, value: Tensor, continuation: Tensor, discount: float) -> Tensor:
    """δ_t = r_t + γ V(s_{t+1}) − V(s_t), with ``continuation`` as `bootstrap` returns it."""
    return reward + discount * continuation - value


def gae(
    reward: Tensor,
    value: Tensor,
    continuation: Tensor,
    ended: Tensor,
    discount: float,
    trace_decay: float,
) -> Tensor:
    """Generalised advantage estimates.

        A_t = δ_t + γλ A_{t+1},   A cut at every episode end and at the last row

    Args:
        reward: ``[T, R, N]``.
        value: ``[T, R, N]``, V(observation[t]).
        continuation: ``[T, R, N]``, from `bootstrap`.
        ended: bool ``[T, R, N]``, terminated or truncated.
        discount: γ.
        trace_decay: λ; 0 is the TD error, 1 the bootstrapped Monte Carlo return minus V.

    Returns:
        ``[T, R, N]``.

    Source: Schulman et al. 2016, arXiv 1506.02438, eq. 16; a truncation stops the accumulation.
    """
    delta = td_error(reward, value, continuation, discount)
    return reverse_scan(delta, (~ended).to(reward.dtype) * (discount * trace_decay))


def n_step(
    reward: Tensor,
    value: Tensor,
    continuation: Tensor,
    ended: Tensor,
    discount: float,
    steps: int,
) -> Tensor:
    """n-step advantages.

        A_t = Σ_{k<n} γᵏ δ_{t+k} = Σ_{k<n} γᵏ r_{t+k} + γⁿ V(s_{t+n}) − V(s_t)

    Args:
        reward: ``[T, R, N]``.
        value: ``[T, R, N]``, V(observation[t]).
        continuation: ``[T, R, N]``, from `bootstrap`.
        ended: bool ``[T, R, N]``, terminated or truncated: the sum stops there and at row T−1.
        discount: γ.
        steps: n; 1 is the TD error, T or more is `gae` with λ = 1.

    Returns:
        ``[T, R, N]``.

    Source: Sutton & Barto 2018, eq. 7.1.
    """
    delta = td_error(reward, value, continuation, discount)
    return window_scan(delta, (~ended).to(reward.dtype) * discount, steps)


def discount_power(time: Tensor, discount: float) -> Tensor:
    """γᵗ for integer times, from a table of running products.

    Args:
        time: int64, any shape, at least 0.
        discount: γ.

    Returns:
        float32 of the same shape. A table, because the bits of a vectorised power depend on where
        in memory an element lies.
    """
    table = torch.full((int(time.max()) + 1,), discount, dtype=torch.float64, device=time.device)
    table[0] = 1.0
    return table.cumprod(0).float()[time]
