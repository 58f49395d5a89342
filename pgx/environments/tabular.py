"""Sampling from any finite Markov decision process, all slots at once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from torch import Tensor

from pgx.environments.base import Environment, as_tensor
from pgx.environments.exact import objective, probabilities
from pgx.environments.mdp import MDP
from pgx.errors import check_number
from pgx.policies.base import Policy
from pgx.streams import Reserve, Stream
from pgx.types import EnvSpec, Transition


class Outcomes:
    """Draws from the rows of a table of probabilities, each by one uniform number.

        j = ⌊K u⌋,   the outcome is o_j if K u − j < q_j, else o'_j

    The alias method (Walker 1977; tables by Vose 1991): a row is K pairs of outcomes, K being the
    most outcomes that a row has.

    Args:
        probability: float64 ``[M, S]``; rows sum to 1.

    Attributes:
        certain: whether every row has one outcome, so that nothing needs to be drawn.
    """

    def __init__(self, probability: np.ndarray) -> None:
        self._width = int((probability > 0).sum(-1).max())
        self.certain = self._width == 1
        if self.certain:
            self._only = probability.argmax(-1)
            return
        cells = [_alias(row, self._width) for row in probability]
        self._below = np.concatenate([threshold for threshold, _ in cells])
        self._pair = np.concatenate([pair for _, pair in cells]).reshape(-1)

    def __call__(self, row: np.ndarray | int, uniform: np.ndarray | None) -> np.ndarray:
        """int64 ``[B]`` rows and float64 ``[B]`` numbers on [0, 1) to int64 ``[B]`` outcomes.

        Nothing need be drawn where all is certain. One row may stand for all.
        """
        if uniform is None:
            return self._only.take(row)
        place = uniform * self._width
        cell = place.astype(np.int64)
        place -= cell
        cell += row * self._width
        other = place >= self._below.take(cell)
        cell += cell
        cell += other
        return self._pair.take(cell)


def _alias(probability: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """A row's thresholds q ``[K]`` and pairs of outcomes ``[K, 2]``; none is impossible."""
    possible = np.flatnonzero(probability)
    outcome = np.resize(possible, width)
    share = np.zeros(width)
    share[: possible.size] = probability[possible] * (width / probability.sum())
    pair, threshold = np.stack([outcome, outcome], axis=1), np.ones(width)
    small = [j for j in range(width) if share[j] < 1.0]
    large = [j for j in range(width) if share[j] >= 1.0]
    while small and large:
        poor, rich = small.pop(), large[-1]
        threshold[poor], pair[poor, 1] = share[poor], outcome[rich]
        share[rich] -= 1.0 - share[poor]
        if share[rich] < 1.0:
            small.append(large.pop())
    return threshold, pair


class Tabular(Environment):
    """Episodes of an `MDP`; a policy sees the features of the state.

    The successor is one of the `Outcomes` of state and action, by a uniform number that depends on
    (seed, slot, decision of the slot) alone. Where nothing is random nothing is drawn.

    Args:
        seeds: one seed per replica.
        slots: environments per replica, N.
        mdp: the process; `pgx.environments.exact` tells the truth about it.
        max_steps: decisions after which an episode is truncated; None: never.
        id: the name it goes by.

    Raises:
        ConfigError: if ``max_steps`` is below 1.

    Attributes:
        reward_noise: standard deviation of the Gaussian that is added to the table's rewards.
    """

    reward_noise: float = 0.0

    def __init__(
        self,
        seeds: Sequence[int],
        slots: int,
        mdp: MDP,
        max_steps: int | None = None,
        id: str = "tabular",
    ) -> None:
        super().__init__(seeds, slots)
        if max_steps is not None:
            check_number("environment.max_steps", max_steps, least=1, whole=True)
        self.mdp = mdp
        width = mdp.features.shape[1]
        self.spec = EnvSpec(id, (width,), "discrete", mdp.actions, time_limit=max_steps)
        shape = self.episode.shape
        self.observation = np.zeros((*shape, width), dtype=np.float32)
        self._state, self._elapsed, self._decision = np.zeros((3, *shape), dtype=np.int64)
        self._reward = np.zeros(shape, dtype=np.float32)
        self._terminated, self._truncated = np.zeros(shape, bool), np.zeros(shape, bool)
        self._transition = Transition(
            self._reward, self._terminated, self._truncated, self.observation
        )
        self._every = np.arange(self.episode.size)
        self._tabulate(mdp)
        resets, dynamics = Stream(self.seeds, "resets"), Stream(self.seeds, "dynamics")
        self._start_reserve = Reserve(partial(resets.uniform64, width=1))
        self._reserve = Reserve(partial(dynamics.uniform64, width=1))

    def _tabulate(self, mdp: MDP) -> None:
        """Numpy tables for the steps; the row of (state, action) is action · S + state."""
        by_action = mdp.transition.transpose(0, 1).flatten(0, 1).numpy()
        self._row = np.arange(mdp.actions) * mdp.states
        self._dynamics, self._first = Outcomes(by_action), Outcomes(mdp.start.numpy()[None])
        self._pays_by_successor = mdp.reward.ndim == 3
        self._pay = mdp.reward.transpose(0, 1).numpy().astype(np.float32).reshape(-1)
        self._terminal = mdp.terminal.numpy()
        self._features = mdp.features.numpy().astype(np.float32)

    def reset(self, mask: np.ndarray | None = None) -> None:
        """Begin the next episode in the slots of ``mask``, or in all of them."""
        if mask is None:
            mask = np.ones(self.episode.shape, dtype=bool)
        rows = self._every[mask.reshape(-1)]
        drawn = None
        if not self._first.certain:
            drawn = self._start_reserve.take(rows, self.episode)[:, 0]
        self._state.put(rows, self._first(0, drawn))
        np.copyto(self._elapsed, 0, where=mask)
        self.episode += mask
        self._show()

    def step(self, action: np.ndarray, active: np.ndarray | None = None) -> Transition:
        """Draw the successor of every slot, or of those of ``active``; int64 ``[R, N]`` actions."""
        rows, state, chosen = self._every, self._state.reshape(-1), action.reshape(-1)
        if active is not None:
            rows = np.flatnonzero(active)
            state, chosen = state[rows], chosen[rows]
        row = self._row.take(chosen)
        row += state
        drawn = None if self._dynamics.certain else self._reserve.take(rows, self._decision)[:, 0]
        successor = self._dynamics(row, drawn)
        if self._pays_by_successor:
            row *= self.mdp.states
            row += successor
        moved: int | np.ndarray = 1
        if active is None:
            self._pay.take(row, out=self._reward.reshape(-1), mode="clip")
            self._state.reshape(-1)[...] = successor
        else:
            self._reward.reshape(-1)[rows] = self._pay.take(row)
            self._state.reshape(-1)[rows] = successor
            moved = active
        self._elapsed += moved
        self._decision += moved
        self._terminal.take(self._state, out=self._terminated, mode="clip")
        if self.spec.time_limit is not None:
            np.greater_equal(self._elapsed, self.spec.time_limit, out=self._truncated)
        self._show()
        return self._transition

    def objective(self, policy: Policy, discount: float) -> Tensor:
        """J(θ) by linear algebra, within ``max_steps`` decisions if there is such a limit."""
        limit = self.spec.time_limit
        return objective(self.mdp, probabilities(self.mdp, policy), discount, limit)

    def _show(self) -> None:
        self._features.take(self._state, axis=0, out=self.observation, mode="clip")

    def state_dict(self) -> dict[str, Any]:
        """States, decisions of the running episodes, and the counters of episodes and decisions."""
        return {
            "state": as_tensor(self._state),
            "elapsed": as_tensor(self._elapsed),
            "episode": as_tensor(self.episode),
            "decision": as_tensor(self._decision),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue exactly where `state_dict` was taken, in the middle of an episode or not."""
        self._state[...] = state["state"].numpy()
        self._elapsed[...] = state["elapsed"].numpy()
        self.episode[...] = state["episode"].numpy()
        self._decision[...] = state["decision"].numpy()
        self._start_reserve.clear()
        self._reserve.clear()
        self._show()
