"""∇J(θ): from the environment if it knows, else from a long run, with what it leaves open."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pgx.environments.base import Environment
from pgx.errors import ConfigError
from pgx.gradients.moments import Moments
from pgx.policies.base import Policy


@dataclass(frozen=True)
class Truth:
    """What estimates are held against.

    Attributes:
        gradient: float64 ``[P]``.
        moments: of the reference run's episodes; None where the truth is exact.
        objective: J(θ), exact; or None.
        why: why it is not exact; or None.
    """

    gradient: np.ndarray
    moments: Moments | None = None
    objective: float | None = None
    why: str | None = None

    @property
    def exact(self) -> bool:
        return self.moments is None


def exact(env: Environment, policy: Policy, discount: float, normalized: bool) -> Truth | str:
    """The exact gradient, or in a few words why there is none.

        ∇J(θ),   J(θ) = E_θ[Σ_t γᵗ r_t]

    What comes after a time limit counts for nothing.

    Args:
        env: where.
        policy: at θ; R = 1.
        discount: γ.
        normalized: whether the policy sees observations through running statistics.
    """
    if normalized:
        return "observations are normalised"
    try:
        with torch.enable_grad():
            value = env.objective(policy, discount)
            (gradient,) = torch.autograd.grad(value.sum(), policy.flat)
    except ConfigError:  # nobody knows
        return f"{env.spec.id} has no exact answer"
    if not bool(gradient.isfinite().all()):
        return "J is not finite here"
    return Truth(_flat(gradient), None, float(value.detach().sum()))


def _flat(gradient: Tensor) -> np.ndarray:
    return gradient[0].detach().double().numpy(force=True)
