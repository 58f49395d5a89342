"""A categorical policy over a multilayer perceptron."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pgx.errors import check_number
from pgx.nets import Activation, ReplicaMLP, SharedMLP, check_network
from pgx.policies.categorical import Categorical
from pgx.types import EnvSpec


class CategoricalMLP(Categorical):
    """π(a|s) = softmax(MLP(s))_a, started nearly uniform.

    Args:
        spec: the environment's sizes.
        seeds: one seed per replica.
        hidden: widths of the hidden layers.
        activation: ``tanh`` or ``relu``.
        head_gain: gain of the orthogonal start of the last layer; small means nearly uniform.

    Raises:
        ConfigError: a width, an activation or a gain that is none.
    """

    network: type[ReplicaMLP] | type[SharedMLP] = ReplicaMLP  #: what the outputs are of

    def __init__(
        self,
        spec: EnvSpec,
        seeds: Sequence[int],
        hidden: Sequence[int],
        activation: Activation,
        head_gain: float,
    ) -> None:
        super().__init__(spec, seeds)
        check_network("policy", hidden, activation)
        check_number("policy.head_gain", head_gain)
        sizes = [math.prod(spec.observation_shape), *hidden, spec.actions]
        self.net = self.network(seeds, sizes, activation, head_gain)
