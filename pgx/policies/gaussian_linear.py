"""A Gaussian policy of two kinds of parameters: slopes of the mean, and a deviation."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from pgx.axes import padded
from pgx.errors import check_number
from pgx.nets import Frozen, Layer
from pgx.policies.gaussian import Gaussian
from pgx.types import EnvSpec

LEAST = 1e-5  #: standard deviation where its parameter is 0


class SlopesAndDeviation(nn.Module):
    """θ to [Σ_d s_d W_d, log (|ς| + 10⁻⁵)] for R replicas at once, without a bias.

    Every product and sum is elementwise, in the order of d.

    Args:
        replicas: R.
        inputs: D, width of an observation.
        actions: A, dimensions of an action.

    Attributes:
        flat: ``[R, P]``: W ``[D, A]``, then ς ``[A]``, then padding that stays zero.
    """

    def __init__(self, replicas: int, inputs: int, actions: int) -> None:
        super().__init__()
        self.inputs, self.actions = inputs, actions
        self.flat = nn.Parameter(torch.zeros(replicas, padded((inputs + 1) * actions)))

    def layers(self, flat: Tensor) -> list[Layer]:
        """Views of the slopes ``[R, D, A]`` and the deviations ``[R, 1, A]`` within ``flat``."""
        used = flat[:, : (self.inputs + 1) * self.actions].unflatten(1, (-1, self.actions))
        return [(used[:, :-1], used[:, -1:])]

    @torch.no_grad()
    def free(self) -> Tensor:
        """bool ``[P]``: all but padding."""
        found = torch.zeros_like(self.flat[:1])
        for part in self.layers(found)[0]:
            part.fill_(1.0)
        return found[0] > 0

    def forward(self, rows: Tensor) -> Tensor:
        """``[R, B, D]`` to ``[R, B, 2·A]``."""
        return self._outputs(rows, self.flat)

    def frozen(self, flat: Tensor | None = None) -> Frozen:
        """The network, now or with parameters ``flat``, for passes without gradient."""
        now = (self.flat.detach() if flat is None else flat).clone()
        return lambda rows: self._outputs(rows, now)

    def _outputs(self, rows: Tensor, flat: Tensor) -> Tensor:
        ((slope, deviation),) = self.layers(flat)
        log_std = (deviation.abs() + LEAST).log()
        mean = rows[..., :1] * slope[:, :1]
        for d in range(1, self.inputs):
            mean = mean + rows[..., d : d + 1] * slope[:, d : d + 1]
        return torch.cat([mean, log_std.expand_as(mean)], dim=-1)


class GaussianLinear(Gaussian):
    """N(W s, σ²) without a bias, whose parameters are W and, but for a little, σ.

        a ~ N(θ₁ s, σ²),   σ = |θ₂| + 10⁻⁵   where state and action are one number each

    The deviation itself is a parameter, not its logarithm, and may turn negative: its size counts.

    Kochenderfer, Wheeler & Wray (2022), "Algorithms for Decision Making", section 10.1: the policy
    of the simple regulator. The text has σ = |θ₂|; what is added, in the book's code, keeps a
    density at θ₂ = 0, and the figures of its chapters 10 and 11 contain it.

    Args:
        spec: the environment's sizes.
        seeds: one seed per replica.
        initial_slope: every element of W at the start, in units of action per observation.
        initial_std: θ₂ at the start, in units of the action.

    Raises:
        ConfigError: the actions are not continuous, or an argument is no number.
    """

    net: SlopesAndDeviation

    def __init__(
        self, spec: EnvSpec, seeds: Sequence[int], initial_slope: float, initial_std: float
    ) -> None:
        super().__init__(spec, seeds)
        check_number("policy.initial_slope", initial_slope)
        check_number("policy.initial_std", initial_std, above=0.0)
        inputs = math.prod(spec.observation_shape)
        self.net = SlopesAndDeviation(len(seeds), inputs, spec.actions)
        with torch.no_grad():
            ((slope, deviation),) = self.net.layers(self.net.flat)
            slope.fill_(initial_slope)
            deviation.fill_(initial_std)
