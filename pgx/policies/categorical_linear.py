"""A categorical policy over linear features."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from pgx.errors import ConfigError, check_number
from pgx.nets import ReplicaMLP
from pgx.policies.categorical import Categorical
from pgx.types import EnvSpec


class CategoricalLinear(Categorical):
    """π(a|s) = softmax(s W + b)_a.

    Args:
        spec: the environment's sizes.
        seeds: one seed per replica.
        initial_logits: the bias b at the start, one number per action; null is zeros. Weights start
            at zero, so these are the logits in every state.

    Raises:
        ConfigError: as many ``initial_logits`` as actions are needed.
    """

    net: ReplicaMLP

    def __init__(
        self,
        spec: EnvSpec,
        seeds: Sequence[int],
        initial_logits: Sequence[float] | None,
    ) -> None:
        super().__init__(spec, seeds)
        self.net = ReplicaMLP(
            seeds, [math.prod(spec.observation_shape), spec.actions], head_gain=0.0
        )
        if initial_logits is not None:
            self._start_at(initial_logits)

    def _start_at(self, logits: Sequence[float]) -> None:
        if isinstance(logits, str) or not isinstance(logits, Sequence):
            raise ConfigError(f"policy.initial_logits={logits}: give a list of numbers, or null")
        for logit in logits:
            check_number("policy.initial_logits", logit)
        if len(logits) != self.spec.actions:
            raise ConfigError(
                f"policy.initial_logits has {len(logits)} numbers, {self.spec.id} has "
                f"{self.spec.actions} actions: give one number per action"
            )
        with torch.no_grad():
            self.net.layers(self.net.flat)[0][1].copy_(torch.tensor(list(logits)))
