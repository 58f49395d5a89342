"""Evolution strategies."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from pgx.errors import ConfigError, check_flag, check_number
from pgx.optimizers.search import Search, check_members, ordered_sum


def rank_weights(members: int) -> Tensor:
    """What the i-th best of M members weighs, float64 ``[M]``; they sum to 0.

        w_i = max(0, log(M/2 + 1) − log i) / Σ_j max(0, log(M/2 + 1) − log j) − 1/M

    Source: Hansen & Ostermeier 2001, "Completely derandomized self-adaptation in evolution
    strategies", for the logarithm.
    """
    place = torch.arange(1, members + 1, dtype=torch.float64)
    raw = (math.log(members / 2 + 1) - place.log()).clamp(min=0.0)
    return raw / raw.sum() - 1.0 / members


class EvolutionStrategies(Search):
    """Ascent on the mean utility of a Gaussian around θ, with the ranks of its samples.

        θ_i = θ + σ ε_i,   ε_i ~ N(0, I),   θ ← θ + lr / σ · Σ_i w_i ε_i

    where the sum runs from the best member to the worst and w is `rank_weights`: any increasing
    function of U gives the same search. Members with equal utilities share their weights equally,
    so that a population that is all alike does not move; in the book the order decides.

    Mirrored, the second half of the population is the first one's opposite, −ε_i.

    Source: Kochenderfer et al., *Algorithms for Decision Making*, sections 10.5 and 10.6; Salimans
    et al. 2017, arXiv 1703.03864.

    Args:
        parameter: ``[R, P]``; θ.
        members: M, of an iteration; even if mirrored.
        std: σ, in units of θ; it stays as it is.
        learning_rate: lr, per iteration, in units of θ².
        mirrored: whether ε comes with −ε.
        **search: the other arguments of `Search`.

    Raises:
        ConfigError: a value out of range.
    """

    def __init__(
        self,
        parameter: Tensor,
        members: int,
        std: float,
        learning_rate: float,
        mirrored: bool,
        **search: Any,
    ) -> None:
        super().__init__(parameter, **search)
        check_members(members)
        check_number("optimizer.std", std, above=0.0)
        check_number("optimizer.learning_rate", learning_rate, least=0.0)
        check_flag("optimizer.mirrored", mirrored)
        if mirrored and members % 2:
            raise ConfigError(f"optimizer.members={members}: mirrored members come in pairs")
        self.members, self.std, self.rate, self.mirrored = members, std, learning_rate, mirrored
        cumulative = rank_weights(members).cumsum(0).to(parameter.device)
        self._cumulative = torch.cat([cumulative.new_zeros(1), cumulative])

    def propose(self) -> Tensor:
        return self.incumbent.unsqueeze(1) + self.std * self._noise()

    def learn(self, members: Tensor, utility: Tensor, progress: Tensor) -> Tensor:
        terms = (self.weights(utility).unsqueeze(2) * self._noise().double()).unbind(1)
        return self.incumbent + self.rate / self.std * ordered_sum(terms)

    def weights(self, utility: Tensor) -> Tensor:
        """What every member weighs, float64 ``[R, M]``: by rank, and alike among equals."""
        ordered = utility.sort(dim=1).values.contiguous()
        below = torch.searchsorted(ordered, utility)  # members that are worse
        upto = torch.searchsorted(ordered, utility, right=True)
        better = self.members - upto
        total = self._cumulative[better + upto - below] - self._cumulative[better]
        return total / (upto - below)

    def spread(self) -> Tensor:
        """σ."""
        return torch.full_like(self.parameter[:, 0], self.std)

    def _noise(self) -> Tensor:
        """ε of this iteration, ``[R, M, F]``."""
        if not self.mirrored:
            return self.normal(self.members, len(self.places))
        half = self.normal(self.members // 2, len(self.places))
        return torch.cat([half, -half], dim=1)
