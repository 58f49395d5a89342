"""How often a rollout moves the parameters: once, or once per decision, in the order of time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from omegaconf import DictConfig
from torch import Tensor

from pgx.axes import rollout_sum
from pgx.errors import ConfigError
from pgx.estimators.reinforce import Reinforce
from pgx.types import Rollout

Updates = Literal["rollout", "decision"]


def updates_of(config: DictConfig) -> Updates:
    """What a config asks for; those of earlier versions do not have the key."""
    asked: Updates = config.get("updates", "rollout")
    return asked


def check_updates(updates: str, estimator: Reinforce, name: str) -> None:
    """Refuse what has no terms that could be applied one after another.

    Args:
        updates: ``rollout`` or ``decision``.
        estimator: the arm's.
        name: ``estimator=…``, as the user would choose it.

    Raises:
        ConfigError: with what would work.
    """
    if updates == "rollout":
        return
    if not estimator.scores:
        raise ConfigError(
            f"updates=decision: {name} weighs no scores of decisions; use updates=rollout, or "
            "estimator=reward_to_go"
        )
    if not estimator.separable:
        what = "estimator.normalize_advantage=true" if estimator.normalize_advantage else name
        raise ConfigError(
            f"updates=decision: {what} weighs every decision by all others; use updates=rollout"
        )


def portions(rollout: Rollout) -> Iterator[Rollout]:
    """One decision of every slot after another.

    A portion is the whole rollout with a mask that shows one row of time, so that returns are what
    they were. At one θ the gradients of all portions add up to that of the rollout.
    """
    for step in range(len(rollout.mask)):
        mask = torch.zeros_like(rollout.mask)
        mask[step] = rollout.mask[step]
        yield replace(rollout, mask=mask)


class SitOut:
    """Leaves a replica as it is in a portion that holds no row of its own.

    Its gradient is zero there, but some optimizers move on a zero gradient, and how long other
    replicas' episodes are is none of its business.

    Args:
        portion: whose update is about to come.
        tensors: ``[R, …]`` each, all that an update changes.
    """

    def __init__(self, portion: Rollout, tensors: Sequence[Tensor]) -> None:
        self._idle = ~portion.mask.any(2).any(0)
        self._tensors = list(tensors) if bool(self._idle.any()) else []
        self._before = [tensor.detach()[self._idle] for tensor in self._tensors]

    @torch.no_grad()
    def end(self) -> None:
        """After the update: put those back that it was nothing for."""
        for tensor, before in zip(self._tensors, self._before, strict=True):
            tensor[self._idle] = before


@dataclass
class Seen:
    """Diagnostics ``[R]`` of portions, joined to those of the rollout by their rows' number."""

    rows: Tensor  #: ``[R]``
    sums: dict[str, Tensor]

    @classmethod
    def none(cls) -> Seen:
        """Before the first portion."""
        return cls(torch.zeros(()), {})

    def add(self, diagnostics: dict[str, Tensor], portion: Rollout) -> None:
        """Add a portion's."""
        rows = rollout_sum(portion.mask.to(torch.float32), portion.complete)
        self.rows = self.rows + rows
        for name, value in diagnostics.items():
            self.sums[name] = self.sums.get(name, torch.zeros(())) + torch.where(
                rows > 0, value * rows, 0.0
            )

    def mean(self) -> dict[str, Tensor]:
        """Over every row of every portion."""
        return {name: total / self.rows.clamp(min=1.0) for name, total in self.sums.items()}
