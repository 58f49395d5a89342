"""The cross entropy method."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor

from pgx.errors import check_choice, check_number
from pgx.optimizers.search import (
    Search,
    best_first,
    check_elites,
    check_members,
    chosen,
    ordered_sum,
    root_mean_square,
)
from pgx.schedules import Schedule


class CrossEntropy(Search):
    """A Gaussian over θ, fitted again and again to the best of its own samples.

        θ_i ~ N(μ, C),   μ ← mean of the elites,   C ← their covariance + σ² I

    The fit is the likeliest one: C is the mean of (θ_e − μ)(θ_e − μ)ᵀ over the E elites, or the
    diagonal of that. The first iteration samples N(μ, σ₀² I), with μ the parameters at the start.

    Without σ the samples of an iteration vary no more than the elites of the last one, and a search
    may narrow before it has found anything. With ``covariance: full`` they also stay in the E − 1
    directions in which the elites differ. Sampling needs no factor of C: a sum of the elites'
    deviations, each times a normal number / √E, has that covariance, so full costs E·F numbers
    and not F², and may be had of any policy.

    Source: Kochenderfer et al., *Algorithms for Decision Making*, section 10.4; Szita & Lőrincz
    2006, "Learning Tetris using the noisy cross-entropy method", for σ.

    Args:
        parameter: ``[R, P]``; μ.
        members: M, samples of an iteration.
        elites: E, of them that are fitted.
        initial_std: σ₀, in units of θ.
        covariance: ``full`` or ``diagonal``.
        extra_std: σ, in units of θ; a number or a `Schedule`.
        **search: the other arguments of `Search`.

    Raises:
        ConfigError: a value out of range.
    """

    def __init__(
        self,
        parameter: Tensor,
        members: int,
        elites: int,
        initial_std: float,
        covariance: Literal["full", "diagonal"],
        extra_std: float | Mapping[str, Any],
        **search: Any,
    ) -> None:
        super().__init__(parameter, **search)
        check_members(members)
        check_elites(elites, members)
        check_number("optimizer.initial_std", initial_std, above=0.0)
        check_choice("optimizer.covariance", covariance, ("full", "diagonal"))
        self.members, self.elites, self.full = members, elites, covariance == "full"
        self.extra_std = Schedule("optimizer.extra_std", extra_std, least=0.0)
        kept = self.elites if self.full else 1
        shape = (len(parameter), kept, len(self.places))
        self.state["deviation"] = parameter.new_zeros(
            shape
        )  # the elites', or their root mean square
        self.state["extra"] = parameter.new_full((len(parameter), 1), float(initial_std))

    def propose(self) -> Tensor:
        deviation, size = self.state["deviation"], len(self.places)
        count = deviation.shape[1] if self.full else size
        along, around = self.normal(self.members, count + size).split([count, size], dim=2)
        if self.full:
            pairs = zip(along.unbind(2), deviation.unbind(1), strict=True)
            along = ordered_sum(z.unsqueeze(2) * d.unsqueeze(1) for z, d in pairs) / count**0.5
        else:
            along = along * deviation
        extra = self.state["extra"].unsqueeze(2) * around
        return self.incumbent.unsqueeze(1) + along + extra

    def learn(self, members: Tensor, utility: Tensor, progress: Tensor) -> Tensor:
        elite = chosen(members, best_first(utility)[:, : self.elites]).double()
        mean = ordered_sum(elite.unbind(1)) / self.elites
        away = elite - mean.unsqueeze(1)
        if self.full:
            self.state["deviation"].copy_(away)
        else:
            square = ordered_sum((away * away).unbind(1)) / self.elites
            self.state["deviation"].copy_(square.sqrt().unsqueeze(1))
        extra = torch.as_tensor(self.extra_std(progress), dtype=torch.float32)
        self.state["extra"].copy_(extra.reshape(-1, 1).expand(len(mean), 1))
        return mean

    def spread(self) -> Tensor:
        """The root mean square of the samples' standard deviations, in units of θ."""
        deviation = self.state["deviation"]
        square = ordered_sum((deviation * deviation).unbind(1)) / deviation.shape[1]
        return root_mean_square((square + self.state["extra"] ** 2).sqrt())
