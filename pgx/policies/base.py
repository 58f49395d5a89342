"""What a policy offers: actions from pre-drawn noise, and gradients from a rollout's rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call

from pgx.nets import Network, ReplicaMLP, SomeOutputs
from pgx.streams import Stream
from pgx.types import EnvSpec

#: observation ``[R, N, *O]``, noise ``[R, N, W]`` to action ``[R, N, …]``, outputs ``[R, N, K]``
Actor = Callable[[Tensor, np.ndarray], tuple[np.ndarray, np.ndarray]]


class Policy(nn.Module, ABC):
    """R policies of one architecture, one per seed.

    A policy maps observations to the parameters of an action distribution, its *outputs*
    ``[R, B, K]``, through one network. Everything else is a function of the outputs.

    Args:
        spec: the environment's sizes.
        seeds: one seed per replica.

    Attributes:
        net: the network; ``net.flat`` is the policy's whole ``[R, P]`` parameter tensor.
        outputs: K.
        noise_words: W, random numbers a decision uses.
    """

    net: Network
    outputs: int
    noise_words: int
    likelihood = True  #: whether it has log π and a score; deterministic policies have none
    action_values = False  #: whether its outputs are Q(s, a)
    sees_raw = False  #: whether its actor takes observations as they are, before normalisation

    def __init__(self, spec: EnvSpec, seeds: Sequence[int]) -> None:
        super().__init__()
        self.spec, self.replicas = spec, len(seeds)

    @property
    def flat(self) -> nn.Parameter:
        """``[R, P]``, every parameter of every replica."""
        return self.net.flat

    @property
    def free(self) -> Tensor:
        """bool ``[P]``, which entries of a row of `flat` are parameters; the others stay zero."""
        return self.net.free()

    @property
    def value_net(self) -> Network | None:
        """The state value ``[R, B, 1]``, if it is another output of this policy's network."""
        return None

    @property
    def layered(self) -> ReplicaMLP | SomeOutputs | None:
        """The network, if rows pass through its layers and nothing else; None if it is another."""
        plain = type(self).forward is Policy.forward
        return self.net if plain and isinstance(self.net, ReplicaMLP | SomeOutputs) else None

    def forward(self, rows: Tensor) -> Tensor:
        """Rows ``[R, B, *O]`` to outputs ``[R, B, K]``; B a multiple of ``axes.LANES``."""
        return self.net(rows.flatten(2))

    def in_float64(self, rows: Tensor) -> Tensor:
        """`forward` on the CPU in float64, for rows ``[R, B, *O]`` of that kind.

        The parameters are rounded to float32 as ever; a gradient is rounded to that only at them.

        Returns:
            float64 ``[R, B, K]``, with a graph that leads to `flat`.
        """
        tensors = dict(self.named_parameters()) | dict(self.named_buffers())
        wide = {
            name: tensor.to("cpu", torch.float64 if tensor.is_floating_point() else tensor.dtype)
            for name, tensor in tensors.items()
        }
        outputs: Tensor = functional_call(self, wide, (rows,), tie_weights=False)
        return outputs

    def probabilities(self, outputs: Tensor) -> Tensor:
        """π(a|s) ``[R, B, A]`` of every action, where they are discrete."""
        rows = outputs.new_zeros(outputs.shape[:2], dtype=torch.int64)
        every = [self.log_prob(outputs, rows + action) for action in range(self.spec.actions)]
        return torch.stack(every, dim=-1).exp()

    def project(self) -> None:
        """Bring the parameters back to where they are allowed, after every step; a no-op twice."""

    @abstractmethod
    def noise(self, stream: Stream, start: np.ndarray, count: int) -> np.ndarray:
        """The noise of ``count`` decisions of every slot, ``[R, C, N, W]``; see `Stream.bits`."""

    @abstractmethod
    def actor(self) -> Actor:
        """The policy as it is now, prepared for the many small steps of a rollout."""

    @abstractmethod
    def log_prob(self, outputs: Tensor, action: Tensor) -> Tensor:
        """log π(a|s) ``[R, B]`` of actions ``[R, B, …]``."""

    @abstractmethod
    def entropy(self, outputs: Tensor) -> Tensor:
        """H(π(·|s)) ``[R, B]``, in nats."""

    @abstractmethod
    def score(
        self, outputs: Tensor, action: Tensor, weight: Tensor, entropy_weight: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The weighted score at the outputs.

            ∂/∂outputs Σ_b [ weight_b · log π(a_b|s_b) + entropy_weight_b · H(π(·|s_b)) ]

        Args:
            outputs: ``[R, B, K]``.
            action: ``[R, B, …]``.
            weight: ``[R, B]``.
            entropy_weight: ``[R, B]``.

        Returns:
            The gradient ``[R, B, K]`` and the entropy ``[R, B]``.
        """
