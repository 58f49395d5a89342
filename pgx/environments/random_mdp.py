"""Processes without a story: drawn at random, from a seed of their own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pgx.environments.mdp import MDP
from pgx.environments.tabular import Tabular
from pgx.errors import check_number
from pgx.streams import Stream


def random_mdp(seed: int, states: int, actions: int, branching: int, ending: float) -> MDP:
    """The process: ``states`` states and a terminal one behind them."""
    draws, pairs = Stream([seed], "process"), states * actions
    index = np.zeros((1, 1), dtype=np.int64)
    order = draws.uniform64(index, pairs, states)[0, :, 0].argsort(axis=-1)
    chosen = order[:, :branching].reshape(states, actions, branching)
    cuts = np.zeros((pairs, branching + 1))
    cuts[:, -1] = 1.0
    cuts[:, 1:-1] = np.sort(draws.uniform64(index + pairs, pairs, branching)[0, :, 0, 1:])
    share = (1.0 - ending) * np.diff(cuts).reshape(chosen.shape)
    move = np.zeros((states + 1, actions, states + 1))
    np.put_along_axis(move[:-1], chosen, share, axis=-1)
    move[:-1, :, -1], move[-1, :, -1] = ending, 1.0
    reward = np.zeros((states + 1, actions))
    reward[:-1] = draws.normal(index + 2 * pairs, pairs, 1).reshape(states, actions)
    place = np.arange(states + 1)
    return MDP(move, reward, (place < states) / states, place == states)


class RandomMDP(Tabular):
    """A random process: every action leads to a few of the states, with shares drawn at random.

    A state and action have b different successors, drawn without regard to place; b − 1 uniform
    cuts of [0, 1] are their probabilities. The reward of a state and action is standard normal,
    the first state is any. Every decision ends the episode with probability ``ending``. A state
    shows itself, one-hot. The process depends on ``mdp_seed`` and the sizes alone: all replicas
    act in the same one.

    Archibald, McKinnon & Thomas (1995), "On the generation of Markov decision processes";
    Bhatnagar et al. (2009), "Natural actor-critic algorithms", section 6 (Garnet problems). There
    the process goes on for ever.

    Args:
        seeds: one seed per replica.
        slots: environments per replica, N.
        mdp_seed: from which the process is drawn.
        states: S, beside the terminal one.
        actions: A.
        branching: b, successors of a state and action.
        ending: probability that a decision ends the episode.
        max_steps: decisions after which an episode is truncated; None: never.

    Raises:
        ConfigError: a size, a seed or a probability that is none; episodes that never end.
    """

    def __init__(
        self,
        seeds: Sequence[int],
        slots: int,
        mdp_seed: int,
        states: int,
        actions: int,
        branching: int,
        ending: float,
        max_steps: int | None = None,
    ) -> None:
        check_number("environment.mdp_seed", mdp_seed, least=0, whole=True)
        check_number("environment.states", states, least=1, most=1000, whole=True)
        check_number("environment.actions", actions, least=2, most=100, whole=True)
        check_number("environment.branching", branching, least=1, most=states, whole=True)
        if max_steps is None:
            check_number("environment.ending", ending, most=1.0, above=0.0)
        check_number("environment.ending", ending, least=0.0, most=1.0)
        mdp = random_mdp(mdp_seed, states, actions, branching, ending)
        super().__init__(seeds, slots, mdp, max_steps, id="random_mdp")
