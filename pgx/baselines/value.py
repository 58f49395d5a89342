"""A learned state value: a critic with a network of its own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from pgx.baselines.critic import Critic
from pgx.errors import check_number
from pgx.nets import Activation, ReplicaMLP, check_network
from pgx.types import EnvSpec


class Value(Critic):
    """V_w(s) = MLP_w(s), fitted as `Critic` says; the policy's parameters have no part in it.

    Args:
        spec: the environment's sizes.
        seeds: one seed per replica.
        hidden: widths of the hidden layers; none makes V linear in the observation.
        activation: ``tanh`` or ``relu``.
        learning_rate: of w, per iteration; scheduled like the policy's.
        **common: the arguments of `Critic`.

    Raises:
        ConfigError: a value outside its range.
    """

    net: ReplicaMLP

    def __init__(
        self,
        spec: EnvSpec,
        seeds: Sequence[int],
        hidden: Sequence[int],
        activation: Activation,
        learning_rate: float,
        **common: Any,
    ) -> None:
        super().__init__(spec, seeds, **common)
        check_network("baseline", hidden, activation)
        check_number("baseline.learning_rate", learning_rate, least=0.0)
        self.learning_rate = learning_rate
        sizes = [math.prod(spec.observation_shape), *hidden, 1]
        self.learn(ReplicaMLP(seeds, sizes, activation, stream=1))
