"""What an optimizer offers: one step for every replica, each with its own rate and memory."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal

import torch
from torch import Tensor

from pgx.errors import check_number


class Learner(ABC):
    """Moves R parameter vectors at once, each by what it alone has met.

    Args:
        parameter: ``[R, P]``, changed in place.

    Attributes:
        acts: ``elementwise`` or ``per_replica``: nothing may mix replicas, and this says that the
            optimizer does not.
        state: named tensors ``[R, …]``, the optimizer's memory.
    """

    acts: Literal["elementwise", "per_replica"]

    def __init__(self, parameter: Tensor) -> None:
        self.parameter = parameter
        self.state: dict[str, Tensor] = {}

    def tensors(self) -> list[Tensor]:
        """Every tensor that a step changes in place, the parameter first."""
        return [self.parameter, *self.state.values()]

    def state_dict(self) -> dict[str, Tensor]:
        """Copies of the state."""
        return {name: tensor.clone() for name, tensor in self.state.items()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Continue from a ``state_dict``."""
        for name, tensor in self.state.items():
            tensor.copy_(state[name])


class Optimizer(Learner):
    """Descends R parameter vectors at once, each by its own gradient, memory and rate.

        lr(d) = lr_0 · (1 + (f − 1) · min(d / D, 1))

    with d the decisions a replica has taken and D its budget.

    Args:
        parameter: ``[R, P]``, changed in place.
        learning_rate: lr_0, per iteration.
        final_fraction: f, what is left of lr_0 at the end of the budget; 1 keeps it constant.

    Raises:
        ConfigError: a negative rate or fraction.
    """

    def __init__(self, parameter: Tensor, learning_rate: float, final_fraction: float) -> None:
        super().__init__(parameter)
        check_number("optimizer.learning_rate", learning_rate, least=0.0)
        check_number("optimizer.final_fraction", final_fraction, least=0.0)
        self.initial_rate, self.final_fraction = learning_rate, final_fraction

    def learning_rate(self, progress: Tensor) -> Tensor:
        """``[R]``, the rate at ``progress`` ``[R]``, the fraction of the budget that is used."""
        return self.initial_rate * (1.0 + (self.final_fraction - 1.0) * progress.clamp(max=1.0))

    @abstractmethod
    def update(self, gradient: Tensor, rate: Tensor) -> None:
        """Change ``parameter`` and ``state`` in place; gradient ``[R, P]``, rate ``[R, 1]``."""

    @torch.no_grad()
    def step(self, gradient: Tensor, progress: Tensor) -> None:
        """One step of descent for every replica.

        Args:
            gradient: ``[R, P]``, of what is to be minimised.
            progress: ``[R]``, used fraction of the budget.
        """
        self.update(gradient, self.learning_rate(progress).unsqueeze(1))
