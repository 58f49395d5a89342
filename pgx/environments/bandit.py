"""One decision among several arms."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from pgx.environments.mdp import MDP
from pgx.environments.tabular import Tabular
from pgx.errors import ConfigError, check_number
from pgx.streams import Reserve, Stream
from pgx.types import Transition


def bandit(means: Sequence[float]) -> MDP:
    """The process: state 0, in which every action pays its mean and ends in state 1."""
    end = [[0.0, 1.0]] * len(means)
    reward = [list(means), [0.0] * len(means)]
    return MDP([end, end], reward, [1.0, 0.0], [False, True], [[1.0], [1.0]])


class Bandit(Tabular):
    """One step; action a pays m_a, or a Gaussian number around it, and [1] is all there is to see.

        r ~ N(m_a, noise²),   J = Σ_a π(a) m_a

    Sutton & Barto (2018), section 2.8, is about policy gradients here.

    Args:
        seeds: one seed per replica.
        slots: environments per replica, N.
        means: m, one number per action.
        noise: standard deviation of a reward; 0: nothing is random.

    Raises:
        ConfigError: no list of at least two numbers, or a negative deviation.
    """

    def __init__(
        self, seeds: Sequence[int], slots: int, means: Sequence[float], noise: float
    ) -> None:
        if isinstance(means, str) or not isinstance(means, Sequence) or len(means) < 2:
            raise ConfigError(
                f"environment.means={means}: give at least two numbers, such as [0,1]"
            )
        for mean in means:
            check_number("environment.means", mean)
        check_number("environment.noise", noise, least=0.0)
        super().__init__(seeds, slots, bandit(means), id="bandit")
        self.reward_noise, self._noise = float(noise), np.float32(noise)
        draws = Stream(self.seeds, "dynamics")  # which no transition needs
        self._luck = Reserve(partial(draws.normal, width=1))

    def step(self, action: np.ndarray, active: np.ndarray | None = None) -> Transition:
        rows = self._every if active is None else np.flatnonzero(active)
        luck = self._luck.take(rows, self._decision)[:, 0] if self._noise else None
        transition = super().step(action, active)
        if luck is not None:
            self._reward.reshape(-1)[rows] += self._noise * luck
        return transition

    def load_state_dict(self, state: dict[str, object]) -> None:
        super().load_state_dict(state)
        self._luck.clear()
