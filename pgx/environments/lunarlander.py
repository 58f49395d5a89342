"""LunarLander-v3, one instance of gymnasium's for every slot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pgx.environments.gymnasium import Gymnasium
from pgx.errors import check_choice, check_flag


class LunarLander(Gymnasium):
    """A lander with three engines is to come down softly between two flags.

    Observation: x, y, ẋ, ẏ, angle, angular speed, and whether each leg touches ground. Reward: what
    a shaping potential gained (nearer, slower, more upright, legs down), less the fuel; a crash or
    leaving the screen earns −100 instead, coming to rest 100. Gymnasium calls a return of 200
    solved.

    The physics is Box2D's, in float32. Its world is made anew at every reset, and what an engine's
    push is perturbed by comes from the instance's own generator, so that an episode depends on
    (seed, slot, episode) and the actions alone. Everything else is as in `Gymnasium`: a slot cannot
    be saved in the middle of an episode.

    Args:
        seeds: one seed per replica.
        slots: environments per replica, N.
        continuous: two throttles from −1 to 1 (main engine, side engines) instead of four actions:
            nothing, left, main or right engine.
        vectorization: ``sync`` or ``async``; there is no vector class.
        max_episode_steps: decisions after which an episode is truncated.

    Raises:
        ConfigError: Box2D is missing (``pip install 'pgx-lab[box2d]'``), or an argument that does
            not fit.
    """

    def __init__(
        self,
        seeds: Sequence[int],
        slots: int,
        continuous: bool = False,
        vectorization: Literal["sync", "async"] = "sync",
        max_episode_steps: int = 1000,
    ) -> None:
        check_flag("environment.continuous", continuous)
        check_choice("environment.vectorization", vectorization, ("sync", "async"))
        id = "LunarLanderContinuous-v3" if continuous else "LunarLander-v3"
        super().__init__(seeds, slots, id, vectorization, max_episode_steps)
