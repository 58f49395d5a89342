"""The last good state of every replica, and the way back to it.

A frozen replica (diverged, or past its budget) keeps parameters, optimizer state, streams and
environments bit-unchanged from its last good iteration. Copying what was good and putting it back
is exact; a masked update is not: Adam moves on a zero gradient, and a multiplied mask passes NaN
on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from pgx.environments.base import Environment
from pgx.rollout import Collector


class LastGood:
    """Copies of what an iteration changes, taken when it went well.

    Args:
        tensors: ``[R, …]`` each, changed in place by iterations.
        collector: its counters are kept.
        env: its slots are kept if it can restore them.
    """

    def __init__(self, tensors: Sequence[Tensor], collector: Collector, env: Environment) -> None:
        self._tensors, self._collector, self._env = list(tensors), collector, env
        self._copies = [tensor.detach().clone() for tensor in self._tensors]
        self.keep()

    @torch.no_grad()
    def keep(self) -> None:
        """The present state is good."""
        for copy, tensor in zip(self._copies, self._tensors, strict=True):
            copy.copy_(tensor)
        self._counters = self._collector.state_dict()
        self._slots = self._env.state_dict() if self._env.exact_resume else None

    @torch.no_grad()
    def restore(self, replicas: Tensor) -> None:
        """Put the ``replicas`` (bool ``[R]``) back to where they were last good."""
        for copy, tensor in zip(self._copies, self._tensors, strict=True):
            where = replicas.to(tensor.device)
            tensor[where] = copy[where]
        where = replicas.cpu()
        self._collector.load_state_dict(
            _merged(self._collector.state_dict(), self._counters, where)
        )
        if self._slots is not None:
            self._env.load_state_dict(_merged(self._env.state_dict(), self._slots, where))


def _merged(present: dict[str, Any], good: dict[str, Any], where: Tensor) -> dict[str, Any]:
    """``present`` with the rows of ``where`` taken from ``good``."""
    for name, value in present.items():
        if isinstance(value, Tensor):
            value[where] = good[name][where]
    return present
