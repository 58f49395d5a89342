"""A genetic search."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from pgx.errors import check_number
from pgx.optimizers.search import (
    Search,
    best_first,
    check_elites,
    check_members,
    chosen,
    root_mean_square,
)


class Genetic(Search):
    """A population whose next generation are mutants of its best.

        θ'_i = θ_e(i) + σ ε_i,   e(i) one of the E elites at random,   θ'_M = the best of all

    The best is measured again with every generation: on utilities that vary, what was lucky once
    must prove itself. It is also the incumbent. The first generation is the parameters at the
    start, and M − 1 mutants of them with ``initial_std`` in place of σ.

    Source: Kochenderfer et al., *Algorithms for Decision Making*, section 10.3.

    Args:
        parameter: ``[R, P]``.
        members: M, of a generation.
        elites: E, of them that have offspring.
        initial_std: spread of the first generation, in units of θ.
        mutation_std: σ, in units of θ.
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
        mutation_std: float,
        **search: Any,
    ) -> None:
        super().__init__(parameter, **search)
        check_members(members)
        check_elites(elites, members)
        check_number("optimizer.initial_std", initial_std, above=0.0)
        check_number("optimizer.mutation_std", mutation_std, least=0.0)
        self.members, self.elites, self.mutation_std = members, elites, mutation_std
        start = self.incumbent.unsqueeze(1)
        mutants = start + initial_std * self.normal(members - 1, len(self.places))
        self.state["population"] = torch.cat([mutants, start], dim=1)

    def propose(self) -> Tensor:
        return self.state["population"]

    def learn(self, members: Tensor, utility: Tensor, progress: Tensor) -> Tensor:
        order = best_first(utility)
        best = chosen(members, order[:, :1])
        drawn = self.uniform(self.members - 1, 1).squeeze(2) * self.elites
        parents = order.gather(1, drawn.long().clamp(max=self.elites - 1))
        mutation = self.mutation_std * self.normal(self.members, len(self.places))[:, 1:]
        self.state["population"].copy_(torch.cat([chosen(members, parents) + mutation, best], 1))
        return best.squeeze(1)

    def spread(self) -> Tensor:
        """The root mean square distance of a coordinate of the population from the incumbent."""
        away = self.state["population"] - self.incumbent.unsqueeze(1)
        return root_mean_square(away.flatten(1))
