"""Exact moments of sums along a Markov chain, by linear equations.

An estimate of the gradient from one trajectory is a polynomial in quantities that obey a backward
recursion along it, such as the return G = r + γ G' and the sum of scores S = x + S', where a prime
marks the same quantity of the rest of the trajectory. A moment E[GⁱSʲ|s] then is a sum of moments
of the successors, and one linear system gives them all. No trajectory is listed, so episodes may
be of any length.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor

Powers = tuple[int, ...]  #: an exponent for each quantity of a system
Polynomial = dict[Powers, Tensor]  #: coefficients, which broadcast to ``[P, S, A, S]``
LARGEST = 1_500  #: unknowns of a system: moments times states
WORKING = 2**25  #: floats of the systems that are solved at once


class TooLarge(ValueError):
    """The system has more than `LARGEST` unknowns."""


def times(left: Polynomial, right: Polynomial) -> Polynomial:
    """The product of two polynomials in the same quantities."""
    found: Polynomial = {}
    for (first, x), (second, y) in itertools.product(left.items(), right.items()):
        powers = tuple(a + b for a, b in zip(first, second, strict=True))
        found[powers] = found[powers] + x * y if powers in found else x * y
    return found


def monomial(updates: Sequence[Polynomial], powers: Powers) -> Polynomial:
    """Π_q (update of quantity q)^powers[q], in the quantities of the rest of the trajectory."""
    found: Polynomial = {(0,) * len(updates): torch.ones(1, 1, 1, 1, dtype=torch.float64)}
    for update, exponent in zip(updates, powers, strict=True):
        for _ in range(exponent):
            found = times(found, update)
    return found


def expectations(
    updates: Sequence[Polynomial],
    wanted: Sequence[Powers],
    weight: Tensor,
    start: Tensor,
    horizon: int | None,
) -> dict[Powers, Tensor]:
    """The moments of a trajectory's quantities.

        q(t) = update_q(s_t, a_t, s_{t+1}; q(t+1)),   q = 0 when nothing is left to decide

    With m the moments of every state, B their coefficients and c what needs no successor,
    m = c + B m, or after H decisions m_h = c + B m_{h−1}, m_0 = 0.

    Args:
        updates: of every quantity, in the quantities of the rest.
        wanted: moments, by their exponents.
        weight: ``[S, A, S]``, probability of action and successor in a state; 0 from terminal ones.
        start: ``[S]``, probability of the first state.
        horizon: H; None: the chain ends by itself.

    Returns:
        Each wanted moment, float64 ``[P]``.

    Raises:
        TooLarge: there are too many moments and states.
    """
    expanded: dict[Powers, Polynomial] = {}
    waiting, constant = list(wanted), (0,) * len(updates)
    while waiting:
        powers = waiting.pop()
        if powers == constant or powers in expanded:
            continue
        expanded[powers] = monomial(updates, powers)
        waiting += expanded[powers]
        if len(expanded) * len(start) > LARGEST:
            raise TooLarge(f"more than {LARGEST:,} moments of states")
    place = {powers: index for index, powers in enumerate(expanded)}
    count = max((len(x) for one in expanded.values() for x in one.values()), default=1)
    group = max(1, WORKING // (len(place) * len(start) + 1) ** 2)
    pieces = []
    for first in range(0, count, group):
        found = _solved(expanded, place, weight, horizon, slice(first, first + group), count)
        pieces.append((found * start).sum(-1))  # [K, p]
    moments = torch.cat(pieces, dim=1)
    ones = torch.ones(count, dtype=torch.float64)
    return {powers: moments[place[powers]] if powers in place else ones for powers in wanted}


def _solved(
    expanded: dict[Powers, Polynomial],
    place: dict[Powers, int],
    weight: Tensor,
    horizon: int | None,
    chosen: slice,
    count: int,
) -> Tensor:
    """Every moment of every state, ``[K, p, S]``, for some of the P parameters."""
    states = len(weight)
    size = len(place) * states
    some = len(range(count)[chosen])
    square = weight.new_zeros(some, len(place), states, len(place), states)
    column = weight.new_zeros(some, len(place), states)
    for powers, polynomial in expanded.items():
        for later, coefficient in polynomial.items():
            part = coefficient if len(coefficient) == 1 else coefficient[chosen]
            between = (weight * part).sum(2)  # over actions, [p, S, S]
            if later in place:
                square[:, place[powers], :, place[later], :] += between
            else:
                column[:, place[powers]] += between.sum(-1)
    square, column = square.reshape(some, size, size), column.reshape(some, size, 1)
    if horizon is None:
        system = torch.eye(size, dtype=torch.float64) - square
        found = torch.linalg.solve(system, column)
    else:
        found = _steps(square, column, horizon)
    return found.reshape(some, len(place), states).transpose(0, 1)


def _steps(square: Tensor, column: Tensor, horizon: int) -> Tensor:
    """Σ_{t<H} Bᵗ c in about log2(H) products: twice as many steps are B^h Σ + Σ."""
    total, reach = torch.zeros_like(column), None  # of no steps
    for bit in f"{horizon:b}":
        if reach is not None:
            total, reach = total + reach @ total, reach @ reach
        if bit == "1":
            total = column + square @ total
            reach = square if reach is None else square @ reach
    return total
