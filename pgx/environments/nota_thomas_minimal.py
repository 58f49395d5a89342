"""The smallest process on which the update without γᵗ goes to the worst policy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pgx.environments.nota_thomas import NotaThomas


class NotaThomasMinimal(NotaThomas):
    """`NotaThomas` by a name of its own, with other defaults: a chain of one state.

        slopes of J, divided by p(1−p), with the defaults and γ = .5:
        discounted +.375,   undiscounted +.25,   and the update without γᵗ  −.25

    So a study may have both. The rewards of its two policies differ by a quarter, not by 99.

    Source: as `NotaThomas`; these four numbers are ours.

    Args:
        seeds: one seed per replica.
        slots: environments per replica, N.
        first: a.
        alternative: alt.
        bonus: B.
        length: n, states of the chain.

    Raises:
        ConfigError: an argument that is no number, or a chain without states.
    """

    def __init__(
        self,
        seeds: Sequence[int],
        slots: int,
        first: float,
        alternative: float,
        bonus: float,
        length: int,
    ) -> None:
        super().__init__(seeds, slots, first, alternative, bonus, length)
        self.spec = replace(self.spec, id="nota_thomas_minimal")
