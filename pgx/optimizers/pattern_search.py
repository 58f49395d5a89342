"""The Hooke-Jeeves pattern search."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from pgx.errors import check_number
from pgx.optimizers.search import Search, chosen


class PatternSearch(Search):
    """Steps along the coordinates, as far as α, and a smaller α where no step helps.

        θ' = the best of θ ± α e_i;   θ ← θ' if U(θ') > U(θ), else α ← c α

    Source: Kochenderfer et al., *Algorithms for Decision Making*, section 10.2; Hooke & Jeeves
    1961, "Direct search solution of numerical and statistical problems". The 2F neighbours are
    measured at once, and θ beside them: the book keeps U(θ) from when it was found, but a utility
    that was lucky once would stop every later step. The book ends with α ≤ ε; an arm ends with its
    budget, so the search goes on with an α that shrinks no more.

    Args:
        parameter: ``[R, P]``; θ.
        step: α at the start, in units of θ.
        shrinkage: c, in (0, 1).
        least_step: ε, at or below which α stays as it is.
        **search: the other arguments of `Search`.

    Raises:
        ConfigError: a value out of range.
    """

    def __init__(
        self, parameter: Tensor, step: float, shrinkage: float, least_step: float, **search: Any
    ) -> None:
        super().__init__(parameter, **search)
        check_number("optimizer.step", step, above=0.0)
        check_number("optimizer.shrinkage", shrinkage, above=0.0, below=1.0)
        check_number("optimizer.least_step", least_step, above=0.0)
        self.shrinkage, self.least_step = shrinkage, least_step
        self.members = 2 * len(self.places) + 1
        self.state["step"] = torch.full(
            (len(parameter), 1), float(step), dtype=torch.float64, device=parameter.device
        )

    def propose(self) -> Tensor:
        """θ, then θ − α e_1, θ + α e_1, θ − α e_2 and so on."""
        step, centre = self.state["step"].unsqueeze(2), self.incumbent.double().unsqueeze(1)
        unit = torch.eye(len(self.places), dtype=torch.float64, device=centre.device)
        signed = torch.stack([-unit, unit], dim=1).flatten(0, 1)
        return torch.cat([centre, centre + step * signed], dim=1).to(self.parameter.dtype)

    def learn(self, members: Tensor, utility: Tensor, progress: Tensor) -> Tensor:
        best = utility.argmax(1, keepdim=True)  # the first of equals: θ stays unless it is beaten
        step = self.state["step"]
        shrinks = (best == 0) & (step > self.least_step)
        step.copy_(torch.where(shrinks, self.shrinkage * step, step))
        return chosen(members, best).squeeze(1)

    def spread(self) -> Tensor:
        """α."""
        return self.state["step"].squeeze(1).to(self.parameter.dtype)
