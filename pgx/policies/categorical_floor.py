"""A categorical policy over linear features whose probabilities have a floor."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from pgx.axes import padded
from pgx.errors import ConfigError, check_number
from pgx.nets import WIDTH, Frozen, Layer
from pgx.policies.categorical import Categorical
from pgx.types import EnvSpec


def floored(logits: Tensor, least: float) -> Tensor:
    """log π̃ of softmax probabilities that are raised to a least value, ``[…, A]`` to ``[…, A]``.

        π̃_a = ε  where π_a is below that,  and the others share the rest in their proportions

    Whoever falls below ε by sharing is raised as well.
    """
    chance = logits.softmax(-1)
    low = torch.zeros_like(chance, dtype=torch.bool)
    for _ in range(chance.shape[-1]):
        free = chance.masked_fill(low, 0.0)
        left = 1.0 - least * low.sum(-1, keepdim=True)
        chance = (free * (left / free.sum(-1, keepdim=True))).masked_fill(low, least)
        low = low | (chance < least)
    return chance.log()


class FlooredLinear(nn.Module):
    """log π̃ of linear logits s W for R replicas at once, without a bias; the gradient is s's.

    Args:
        replicas: R.
        inputs: D, width of an observation.
        actions: A.
        least: ε.

    Attributes:
        flat: ``[R, P]``: W ``[D, A]`` in padded rows; padding stays zero.
    """

    def __init__(self, replicas: int, inputs: int, actions: int, least: float) -> None:
        super().__init__()
        self.inputs, self.actions, self.least = inputs, actions, least
        self._width = padded(actions, WIDTH)
        self.flat = nn.Parameter(torch.zeros(replicas, padded(inputs * self._width)))

    def layers(self, flat: Tensor) -> list[Layer]:
        """A view of W ``[R, D, A]`` within ``flat``, and no bias ``[R, 0, A]``."""
        weight = self._wide(flat)[..., : self.actions]
        return [(weight, weight[:, :0])]

    def _wide(self, flat: Tensor) -> Tensor:
        return flat[:, : self.inputs * self._width].unflatten(1, (self.inputs, self._width))

    @torch.no_grad()
    def free(self) -> Tensor:
        """bool ``[P]``: all but padding."""
        found = torch.zeros_like(self.flat[:1])
        self.layers(found)[0][0].fill_(1.0)
        return found[0] > 0

    def forward(self, rows: Tensor) -> Tensor:
        """``[R, B, D]`` to ``[R, B, A]``; B a multiple of `pgx.axes.LANES`."""
        logits = torch.bmm(rows, self._wide(self.flat))[..., : self.actions]
        return logits + (floored(logits.detach(), self.least) - logits.detach())

    def frozen(self, flat: Tensor | None = None) -> Frozen:
        """The network, now or with parameters ``flat``, for passes without gradient, any B."""
        weight = self._wide((self.flat.detach() if flat is None else flat).clone())
        return lambda rows: floored(torch.bmm(rows, weight)[..., : self.actions], self.least)


class CategoricalFloor(Categorical):
    """Softmax of s W, in which no action is less probable than ε.

        π̃(a|s) = max(ε, softmax(s W)_a),  the others in proportion,   ∇ log π̃(a|s) = (1_a − π̃) s

    Actions are drawn from π̃, and log π, entropy and exact answers are π̃'s. The gradient passes the
    floor as if it were not there: where the floor binds π̃ does not move with W, but the score is
    what it would be of a softmax with these probabilities, so that a policy can come back from the
    floor. There it is not the derivative of J. A gradient that stopped at the floor would leave an
    action there for good.

    Sutton & Barto (2018), example 13.1 and figures 13.1 and 13.2: on the corridor W is two numbers,
    one per action. The book states no floor. Without one, some runs freeze in policies that hardly
    ever choose an action.

    Args:
        spec: the environment's sizes.
        seeds: one seed per replica.
        initial_logits: W at the start, for every feature the same, one number per action; null is
            zeros. Where a state shows [1], or is one-hot, they are its logits.
        floor: ε, below 1/A.

    Raises:
        ConfigError: as many ``initial_logits`` as actions are needed; a floor that is too high.
    """

    net: FlooredLinear

    def __init__(
        self,
        spec: EnvSpec,
        seeds: Sequence[int],
        initial_logits: Sequence[float] | None,
        floor: float,
    ) -> None:
        super().__init__(spec, seeds)
        check_number("policy.floor", floor, below=1.0 / spec.actions, least=0.0)
        inputs = math.prod(spec.observation_shape)
        self.net = FlooredLinear(len(seeds), inputs, spec.actions, floor)
        logits = [0.0] * spec.actions if initial_logits is None else initial_logits
        if isinstance(logits, str) or not isinstance(logits, Sequence):
            raise ConfigError(f"policy.initial_logits={logits}: give a list of numbers, or null")
        if len(logits) != spec.actions:
            raise ConfigError(
                f"policy.initial_logits has {len(logits)} numbers, {spec.id} has {spec.actions} "
                "actions: give one number per action, or null"
            )
        for logit in logits:
            check_number("policy.initial_logits", logit)
        with torch.no_grad():
            self.net.layers(self.net.flat)[0][0].copy_(torch.tensor(list(logits)))
