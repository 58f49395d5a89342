"""What a zeroth-order optimizer offers: points to be tried, and a way to learn from what they gave.

A search knows utilities U(θ) only. Its points are the members of a population; a rollout measures
the populations of all replicas at once (`pgx.population`).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from pgx.axes import padded, replica_sum
from pgx.errors import check_flag, check_number
from pgx.optimizers.base import Learner
from pgx.streams import Stream

#: How many sequences of draws a search may have, counted by iterations each.
KINDS = 2


class Search(Learner):
    """Climbs U(θ) of every replica by measuring the M members of its population.

    ``parameter`` is the incumbent: what is evaluated, saved and shown. `ask` is a function of the
    state alone, so nothing but the state need be kept between iterations.

    Args:
        parameter: ``[R, P]``, the incumbent at the start, changed in place.
        common_noise: whether the members of a replica meet the same episodes: the same resets,
            dynamics and noise of the policy.
        seeds: one per replica; None: 0 to R − 1.
        free: bool ``[P]``, the coordinates that are searched, F of them; None: all.

    Attributes:
        members: M.
        state: ``iteration`` ``[R, 1]`` counts what was told, and so the draws that were used.

    Raises:
        ConfigError: ``common_noise`` is no flag.
    """

    acts = "per_replica"
    members: int

    def __init__(
        self,
        parameter: Tensor,
        common_noise: bool,
        seeds: Sequence[int] | None = None,
        free: Tensor | None = None,
    ) -> None:
        super().__init__(parameter)
        check_flag("optimizer.common_noise", common_noise)
        self.common_noise = common_noise
        free = torch.ones(parameter.shape[1], dtype=torch.bool) if free is None else free
        self.places = free.nonzero().squeeze(1).to(parameter.device)
        self._stream = Stream(range(len(parameter)) if seeds is None else seeds, "search")
        self.state["iteration"] = torch.zeros(
            len(parameter), 1, dtype=torch.int64, device=parameter.device
        )
        self._asked: Tensor | None = None

    @property
    def incumbent(self) -> Tensor:
        """``[R, F]``, a copy of the coordinates of ``parameter`` that are searched."""
        return self.parameter[:, self.places]

    @abstractmethod
    def propose(self) -> Tensor:
        """The members ``[R, M, F]`` that follow from the state."""

    @abstractmethod
    def learn(self, members: Tensor, utility: Tensor, progress: Tensor) -> Tensor:
        """Change the state by what the members gave.

        Args:
            members: ``[R, M, F]``, as proposed.
            utility: float64 ``[R, M]``, finite.
            progress: float64 ``[R]``, used fraction of the budget.

        Returns:
            The new incumbent, ``[R, F]``.
        """

    def spread(self) -> Tensor:
        """How far the search looks around, in units of θ, ``[R]``: a diagnostic."""
        return self.parameter.new_zeros(len(self.parameter))

    @torch.no_grad()
    def ask(self) -> Tensor:
        """The members to be measured next, ``[R, M, P]``; they differ where it is searched."""
        with torch.inference_mode(False):
            self._asked = self.propose()
            everything = self.parameter.unsqueeze(1).repeat(1, self._asked.shape[1], 1)
            everything[:, :, self.places] = self._asked
            return everything

    @torch.no_grad()
    def tell(self, utility: Tensor, progress: Tensor) -> Tensor:
        """Learn what the members that were asked for have given.

        A replica with a utility, or a member, that is no finite number learns nothing and has its
        parameter set to NaN, by which it is known to have diverged.

        Args:
            utility: ``[R, M]``.
            progress: ``[R]``, used fraction of the budget.

        Returns:
            The distance that every incumbent moved, ``[R]``.
        """
        members = self.propose() if self._asked is None else self._asked
        finite = utility.isfinite().all(1) & members.isfinite().flatten(1).all(1)
        members = torch.where(finite[:, None, None], members, 0.0)
        told = torch.where(finite[:, None], utility, 0.0).double()
        before = self.parameter.clone()
        found = self.learn(members, told, progress.double()).to(self.parameter.dtype)
        self.parameter[:, self.places] = torch.where(finite[:, None], found, torch.nan)
        self.state["iteration"] += 1
        self._asked = None
        change = self.parameter - before
        return replica_sum(change * change).sqrt()

    def normal(self, rows: int, width: int) -> Tensor:
        """Standard normal draws of this iteration, float32 ``[R, rows, width]``."""
        return self._draws(rows, width, 0)

    def uniform(self, rows: int, width: int) -> Tensor:
        """Draws of this iteration, uniform on (0, 1), float32 ``[R, rows, width]``."""
        return self._draws(rows, width, 1)

    def _draws(self, rows: int, width: int, kind: int) -> Tensor:
        index = KINDS * self.state["iteration"].cpu().numpy() + kind
        draw = self._stream.uniform if kind else self._stream.normal
        drawn = draw(index, 1, padded(rows * width)).reshape(len(index), -1)
        kept = torch.from_numpy(drawn[:, : rows * width]).unflatten(1, (rows, width))
        return kept.to(self.parameter.device)


def check_members(members: int, least: int = 2) -> None:
    """Raise `ConfigError` unless a population may have so many members."""
    check_number("optimizer.members", members, least=least, most=10**5, whole=True)


def check_elites(elites: int, members: int) -> None:
    """Raise `ConfigError` unless so many of the members may be the best."""
    check_number("optimizer.elites", elites, least=1, most=members, whole=True)


def best_first(utility: Tensor) -> Tensor:
    """Members by falling utility, int64 ``[R, M]``; of equals the earlier one comes first."""
    return utility.sort(dim=1, descending=True, stable=True).indices


def chosen(members: Tensor, which: Tensor) -> Tensor:
    """The members ``[R, K, F]`` with the indices ``which`` ``[R, K]``."""
    return members.gather(1, which.unsqueeze(2).expand(-1, -1, members.shape[2]))


def ordered_sum(terms: Iterable[Tensor]) -> Tensor:
    """Σ of tensors in their order, element by element: whoever else is there changes no bit."""
    total: Tensor | None = None
    for term in terms:
        total = term.clone() if total is None else total + term
    assert total is not None
    return total


def root_mean_square(numbers: Tensor) -> Tensor:
    """√ of the mean square of each replica's own numbers, ``[R, B]`` to ``[R]``."""
    count = numbers.shape[1]
    wide = torch.nn.functional.pad(numbers, (0, padded(count) - count))
    return (replica_sum(wide * wide) / count).sqrt()
