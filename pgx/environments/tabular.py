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


class Tabular(Environment):
    """Episodes of an `MDP`; a policy sees the features of the state.

        s' = min {j : u < Σ_{i≤j} P(i|s, a)},   u uniform on [0, 1)

    u depends on (seed, slot, decision of the slot) alone. Where nothing is random nothing is drawn.

    Args:
        seeds: one seed per replica.
        slots: environments per replica, N.
        mdp: the process; `pgx.environments.exact` tells the truth about it.
        max_steps: decisions after which an episode is truncated; None: never.
        id: the name it goes by.

    Raises:
        ConfigError: if ``max_steps`` is below 1.
    """

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
        """Numpy tables for the steps."""
        self._terminal = mdp.terminal.numpy()
        self._successor, self._fixed = _inverse(mdp.transition.numpy())
        self._first, self._fixed_first = _inverse(mdp.start.numpy())
        self._reward_table = mdp.reward.numpy().astype(np.float32)
        self._features = mdp.features.numpy().astype(np.float32)

    def reset(self, mask: np.ndarray | None = None) -> None:
        """Begin the next episode in the slots of ``mask``, or in all of them."""
        rows = self._every if mask is None else np.flatnonzero(mask)
        if self._fixed_first:
            state = self._first
        else:
            state = (self._start_reserve.take(rows, self.episode) >= self._first).sum(-1)
        self._state.reshape(-1)[rows] = state
        self._elapsed.reshape(-1)[rows] = 0
        self.episode.reshape(-1)[rows] += 1
        self._show()

    def step(self, action: np.ndarray, active: np.ndarray | None = None) -> Transition:
        """Draw the successor of every slot, or of those of ``active``; int64 ``[R, N]`` actions."""
        successor = self._successor[self._state, action]
        if not self._fixed:
            rows = self._every if active is None else np.flatnonzero(active)
            uniform = np.zeros((*self._state.shape, 1))
            uniform.reshape(-1)[rows] = self._reserve.take(rows, self._decision)[:, 0]
            successor = (uniform >= successor).sum(-1)
        if self._reward_table.ndim == 2:
            self._reward[...] = self._reward_table[self._state, action]
        else:
            self._reward[...] = self._reward_table[self._state, action, successor]
        moved = 1 if active is None else active
        np.copyto(self._state, successor, where=True if active is None else active)
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


def _inverse(probability: np.ndarray) -> tuple[np.ndarray, bool]:
    """What turns a uniform number into an outcome, along the last axis.

    Returns:
        If some row leaves a choice: its cumulative sums, infinite from the last possible outcome
        on, so that rounding cannot yield an impossible one; and false. Else the outcome, and true.
    """
    if (probability.max(-1) == 1.0).all():
        return probability.argmax(-1), True
    possible = probability > 0
    later = np.flip(np.flip(possible, -1).cumsum(-1), -1) - possible
    return np.where(later > 0, probability.cumsum(-1), np.inf), False
