"""What an optimizer offers: one step for every replica, each with its own rate and its own count."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal

import torch
from torch import Tensor

from pgx.errors import ConfigError


class Optimizer(ABC):
    """Descends R parameter vectors at once; a frozen replica's state is left bit-unchanged.

        lr(d) = lr_0 + (lr_1 − lr_0) · min(d / D, 1)

    with d the decisions a replica has taken and D its budget.

    Args:
        parameter: ``[R, P]``, changed in place.
        learning_rate: lr_0, per iteration.
        final_learning_rate: lr_1; equal to lr_0 it is a constant.

    Attributes:
        acts: ``elementwise`` or ``per_replica``: nothing may mix replicas, and this says it does not.
        state: named tensors ``[R, …]``, the optimizer's memory.

    Raises:
        ConfigError: a learning rate that is negative.
    """

    acts: Literal["elementwise", "per_replica"]

    def __init__(
        self, parameter: Tensor, learning_rate: float, final_learning_rate: float | None = None
    ) -> None:
        final = learning_rate if final_learning_rate is None else final_learning_rate
        for key, rate in (("learning_rate", learning_rate), ("final_learning_rate", final)):
            if not rate >= 0.0:
                raise ConfigError(f"optimizer.{key}={rate}: choose a number of at least 0")
        self.parameter = parameter
        self.rates = (learning_rate, final)
        self.state: dict[str, Tensor] = {}

    def learning_rate(self, progress: Tensor) -> Tensor:
        """``[R]``, the rate at ``progress`` ``[R]``, the fraction of the budget that is used."""
        start, final = self.rates
        return start + (final - start) * progress.clamp(max=1.0)

    @abstractmethod
    def update(self, gradient: Tensor, rate: Tensor) -> None:
        """Change ``parameter`` and ``state`` in place; gradient ``[R, P]``, rate ``[R, 1]``."""

    @torch.no_grad()
    def step(self, gradient: Tensor, progress: Tensor, active: Tensor | None = None) -> None:
        """One step of descent.

        Args:
            gradient: ``[R, P]``, of what is to be minimised.
            progress: ``[R]``, used fraction of the budget.
            active: bool ``[R]``, the replicas that step; None is all of them.
        """
        rate = self.learning_rate(progress).unsqueeze(1)
        if active is None:
            self.update(gradient, rate)
            return
        tensors = [self.parameter.data, *self.state.values()]
        before = [tensor.clone() for tensor in tensors]
        self.update(gradient, rate)
        frozen = torch.nonzero(~active).squeeze(1)
        for tensor, old in zip(tensors, before, strict=True):
            tensor[frozen] = old[frozen]

    def state_dict(self) -> dict[str, Tensor]:
        """Copies of the state."""
        return {name: tensor.clone() for name, tensor in self.state.items()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Continue from a ``state_dict``."""
        for name, tensor in self.state.items():
            tensor.copy_(state[name])
