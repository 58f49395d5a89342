"""What linear algebra says about a policy in a finite Markov decision process, without sampling.

Everything here is a differentiable float64 function of the action probabilities, so that autograd
gives the exact policy gradient: ``torch.autograd.grad(objective(mdp, policy(θ), discount), θ)``.

``horizon`` is H, the decisions after which an episode is cut off; what it would have earned later
counts for nothing (``time_limit: end``). None: there is no such limit.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pgx.axes import padded
from pgx.environments.mdp import MDP
from pgx.nets import WIDTH
from pgx.policies.base import Policy


def probabilities(mdp: MDP, policy: Policy) -> Tensor:
    """What a policy does in every state: π(a|s), as float64 all the way from its parameters.

    The policy sees the features as they are, without normalisation.

    Args:
        mdp: the process.
        policy: R policies with discrete actions that see the features of a state.

    Returns:
        float64 ``[R, S, A]``, with a graph that leads to ``policy.flat``.
    """
    rows = mdp.features.new_zeros(policy.replicas, padded(mdp.states), mdp.features.shape[1])
    rows[:, : mdp.states] = mdp.features
    return policy.probabilities(policy.in_float64(rows))[:, : mdp.states]


def chain(mdp: MDP, probabilities: Tensor) -> tuple[Tensor, Tensor]:
    """The Markov chain that a policy makes of an MDP.

        P_π(s, s') = Σ_a π(a|s) P(s'|s, a),   r_π(s) = Σ_a π(a|s) r(s, a)

    Args:
        mdp: the process.
        probabilities: float64 ``[…, S, A]``, π(a|s); rows of terminal states weigh nothing.

    Returns:
        ``[…, S, S]`` and ``[…, S]``, both 0 at terminal states.

    Raises:
        ValueError: for another shape or dtype.
    """
    wanted = (mdp.states, mdp.actions)
    if probabilities.shape[-2:] != wanted or probabilities.dtype != torch.float64:
        found = f"{probabilities.dtype} {tuple(probabilities.shape)}"
        raise ValueError(f"probabilities are {found}, expected torch.float64 (…, {wanted})")
    live = (~mdp.terminal).double()
    transition = mdp.transition * live[:, None, None] * live
    reward = (probabilities * mdp.expected_reward).sum(-1)
    return (probabilities[..., None] * transition).sum(-2), reward


def state_value(
    mdp: MDP, probabilities: Tensor, discount: float, horizon: int | None = None
) -> Tensor:
    """What a policy earns from a state on.

        V = (I − γ P_π)⁻¹ r_π,   or with H decisions to go  V_h = r_π + γ P_π V_{h−1}, V_0 = 0

    Args:
        mdp: the process.
        probabilities: float64 ``[…, S, A]``, π(a|s).
        discount: γ. With γ = 1 and no horizon the policy must reach a terminal state from
            everywhere.
        horizon: H, decisions to go; None: no limit.

    Returns:
        float64 ``[…, S]``, 0 at terminal states. Without a solution (γ = 1, and the policy never
        ends from some state) all of it is NaN, in that element of the batch alone.
    """
    between, reward = chain(mdp, probabilities)
    return _accumulated(discount * between, reward, horizon)


def action_value(
    mdp: MDP, probabilities: Tensor, discount: float, horizon: int | None = None
) -> Tensor:
    """What an action earns and the policy thereafter: Q(s, a) = r(s, a) + γ Σ_s' P(s'|s, a) V(s').

    With H decisions to go, this one among them, V is that of H − 1. Arguments as in `state_value`.

    Returns:
        float64 ``[…, S, A]``, 0 at terminal states.
    """
    after = None if horizon is None else horizon - 1
    value = state_value(mdp, probabilities, discount, after)
    later = (mdp.transition * value[..., None, None, :]).sum(-1)
    return mdp.expected_reward + discount * later


def visits(mdp: MDP, probabilities: Tensor, discount: float, horizon: int | None = None) -> Tensor:
    """Expected discounted decisions in each state: η = Σ_{t<H} (γ P_πᵀ)ᵗ d₀.

    Without a limit η = (I − γ P_πᵀ)⁻¹ d₀. Arguments as in `state_value`.

    Returns:
        float64 ``[…, S]``, 0 at terminal states, where nothing is decided.
    """
    between, _ = chain(mdp, probabilities)
    start = mdp.start.expand(*between.shape[:-1])
    return _accumulated(discount * between.transpose(-1, -2), start, horizon)


def state_distribution(
    mdp: MDP, probabilities: Tensor, discount: float, horizon: int | None = None
) -> Tensor:
    """Where decisions are made, as shares of one: μ(s) = η(s) / Σ_s' η(s').

    Sutton & Barto (2018), section 9.2, with the discount; `visits` is η, the same before
    normalisation. Arguments as in `state_value`.

    Returns:
        float64 ``[…, S]``, which sums to 1.
    """
    seen = visits(mdp, probabilities, discount, horizon)
    return seen / seen.sum(-1, keepdim=True)


def objective(
    mdp: MDP, probabilities: Tensor, discount: float, horizon: int | None = None
) -> Tensor:
    """The expected discounted return of an episode: J = d₀ · V.

    Its gradient through ``probabilities`` is the exact policy gradient Σ_s η(s) Σ_a Q(s, a) ∇π(a|s)
    (Sutton et al. 2000, theorem 1), which holds as it stands without a horizon. Arguments as in
    `state_value`.

    Returns:
        float64 ``[…]``.
    """
    return (mdp.start * state_value(mdp, probabilities, discount, horizon)).sum(-1)


def gradient(
    mdp: MDP,
    probabilities: Tensor,
    discount: float,
    parameters: Sequence[Tensor],
    horizon: int | None = None,
) -> tuple[Tensor, ...]:
    """The exact policy gradient: dJ/dθ for every tensor that ``probabilities`` was computed from.

    Args:
        mdp: the process.
        probabilities: float64 ``[…, S, A]``, π(a|s), with a graph that leads to ``parameters``.
        discount: γ.
        parameters: tensors θ. A leading replica axis that they share with ``probabilities`` is kept
            apart: replicas do not mix.
        horizon: H; None: no limit.

    Returns:
        A tensor of each parameter's shape, a direction of ascent on J.
    """
    total = objective(mdp, probabilities, discount, horizon).sum()
    return torch.autograd.grad(total, list(parameters))


def unweighted_gradient(
    mdp: MDP, probabilities: Tensor, discount: float, parameters: Sequence[Tensor]
) -> tuple[Tensor, ...]:
    """Where the update without γᵗ points: visits are not discounted, action values are.

        Σ_s η_1(s) Σ_a Q_γ(s, a) ∇π(a|s)

    It is what most implementations follow, and the gradient of no function (Nota & Thomas 2020,
    arXiv 1906.07073, theorem 1); with γ = 1 it is ∇J. Differentiable once more, if the parameters
    are. There is no horizon. Arguments as in `gradient`.

    Returns:
        A tensor of each parameter's shape.
    """
    weight = visits(mdp, probabilities, 1.0)[..., None] * action_value(mdp, probabilities, discount)
    return torch.autograd.grad(probabilities, list(parameters), weight, create_graph=True)


def _accumulated(matrix: Tensor, vector: Tensor, horizon: int | None) -> Tensor:
    """Σ_{t<H} Mᵗ v, for H = ∞ the solution of (I − M) x = v.

    M and v are padded with zeros, so that the matrices of a batch all begin at an aligned address
    and an element's bits do not depend on its place. A finite sum is the last column of a power,
    taken by repeated squaring:

        [[M, v], [0, 1]]ᴴ = [[Mᴴ, Σ_{t<H} Mᵗ v], [0, 1]]
    """
    states = vector.shape[-1]
    size = padded(states + 1, WIDTH)
    square = matrix.new_zeros(*matrix.shape[:-2], size, size)
    column = matrix.new_zeros(*matrix.shape[:-2], size, 1)
    square[..., :states, :states] = matrix
    column[..., :states, 0] = vector
    if horizon is None:
        system = torch.eye(size, dtype=matrix.dtype) - square
        total, failed = torch.linalg.solve_ex(system, column)
        return total[..., :states, 0].masked_fill((failed != 0)[..., None], torch.nan)
    column[..., -1, 0] = 1.0
    power = torch.cat([square[..., :-1], column], dim=-1)
    total = torch.zeros_like(column)
    total[..., -1, 0] = 1.0
    for bit in f"{horizon:b}"[::-1]:
        total = power @ total if bit == "1" else total
        power = power @ power
    return total[..., :states, 0]
