"""The restricted step: as far along the gradient as a quadratic bound allows."""

from __future__ import annotations

from torch import Tensor

from pgx.axes import replica_sum
from pgx.optimizers.base import Optimizer


class RestrictedStep(Optimizer):
    """The minimiser of the linear model within a ball, for every replica.

        min_θ' gᵀ(θ' − θ)  subject to  ½ ‖θ' − θ‖² ≤ ε,   θ' = θ − √(2ε) g / ‖g‖

    Source: Kochenderfer et al., *Algorithms for Decision Making*, section 12.2. The learning rate
    is the radius √(2ε) itself, in units of θ. A replica whose gradient is 0 stays.

    Args:
        parameter: ``[R, P]``.
        learning_rate: √(2ε), the length of a step.
        final_fraction: as in `Optimizer`.
    """

    acts = "per_replica"

    def update(self, gradient: Tensor, rate: Tensor) -> None:
        norm = replica_sum(gradient * gradient).sqrt().unsqueeze(1)
        length = rate.float().where(norm > 0, 0.0)
        self.parameter.sub_(gradient * (length / norm.where(norm > 0, 1.0)))
