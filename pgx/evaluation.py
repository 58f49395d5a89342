"""Evaluations: whole episodes of the policy as it is, played beside training and apart from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch

from pgx.environments.base import Environment
from pgx.errors import ConfigError, check_flag, check_number
from pgx.module import PolicyGradient
from pgx.normalization import Normalization
from pgx.policies.base import Policy
from pgx.rollout import Collector
from pgx.streams import Streams
from pgx.tracking.files import FileTracker
from pgx.types import EnvSpec

#: What evaluations are played for; each use has seeds of its own, and so streams of its own.
USES = {"training": 0, "command": 1, "gradients": 2, "reference": 3, "fitting": 4}
MOST_EPISODES = 100_000  #: of an evaluation, per replica
HELD = 2**24  #: numbers of a replica's observations that are kept at once
UNLIMITED = 10_000  #: decisions that an episode without a time limit is taken to have

_OWN = 0x70677865  #: no purpose of `pgx.streams` has this number


@dataclass(frozen=True)
class Protocol:
    """How an evaluation is played.

    Args:
        every: decisions between the evaluations of a replica; None is never.
        episodes: of every evaluation, per replica.
        deterministic: whether the policy's noise is zero: the likeliest action, or the mean.

    Raises:
        ConfigError: a value that makes no sense.
    """

    every: int | None
    episodes: int
    deterministic: bool

    @classmethod
    def of(cls, keys: Mapping[str, Any], spec: EnvSpec) -> Protocol:
        """The protocol that the config's mapping ``evaluation`` asks for, if it can be played.

        Raises:
            ConfigError: it cannot.
        """
        names = [field.name for field in fields(cls)]
        for odd in sorted({str(key) for key in keys} ^ set(names)):
            what = "is not a key" if odd in keys else "is needed"
            raise ConfigError(f"evaluation.{odd} {what}: the keys are {', '.join(names)}")
        made = cls(**{str(key): value for key, value in keys.items()})
        if made.every is not None:
            made.check_ends(spec)
        return made

    def __post_init__(self) -> None:
        if self.every is not None:
            check_number("evaluation.every", self.every, least=1, whole=True)
        most = MOST_EPISODES
        check_number("evaluation.episodes", self.episodes, least=1, most=most, whole=True)
        check_flag("evaluation.deterministic", self.deterministic)

    def check_ends(self, spec: EnvSpec) -> None:
        """Refuse what may go on for ever: the likeliest actions, and no time limit.

        Raises:
            ConfigError: with what would end it.
        """
        if self.deterministic and spec.time_limit is None:
            raise ConfigError(
                f"evaluation.deterministic=true: {spec.id} has no time limit and the likeliest "
                "actions may never end an episode; set environment.max_steps or "
                "environment.max_episode_steps, or evaluation.deterministic=false"
            )


def evaluation_seeds(seeds: Sequence[int], use: str) -> list[int]:
    """One seed of 63 bits per training seed, for everything that an evaluation draws."""
    keys = [np.random.SeedSequence(seed, spawn_key=(_OWN, USES[use])) for seed in seeds]
    return [int(key.generate_state(1, np.uint64)[0] >> np.uint64(1)) for key in keys]


def slots_at_once(spec: EnvSpec, episodes: int, most: int = MOST_EPISODES) -> int:
    """How many episodes of a replica are played side by side: a divisor of all, so none is wasted.

    It depends on nothing but its arguments: an evaluation is the same whoever else is there.

    Args:
        spec: of the environment; what an episode shows is kept until all have ended.
        episodes: of an evaluation, per replica.
        most: what the environment can bear.
    """
    size = 2 * int(np.prod(spec.observation_shape, dtype=int)) * (spec.time_limit or UNLIMITED)
    most = max(1, min(episodes, most, HELD // size))
    return max(n for n in range(1, most + 1) if episodes % n == 0)


class Evaluation:
    """Plays whole episodes, each begun anew, none of which training learns from.

    The environment is one of its own, built with `evaluation_seeds`. Resets, dynamics and noise are
    therefore draws of their own, and neither side moves the other's. Rewards are the environment's
    own; the statistics of a normalisation are used and stay as they are.

    Args:
        policy: who decides.
        env: where; its seeds are the streams' as well, its slots divide the episodes.
        protocol: how many episodes, and whether the policy's noise is zero.
        normalization: training's, or None.

    Attributes:
        played: int64 ``[R]``, episodes so far.
    """

    def __init__(
        self,
        policy: Policy,
        env: Environment,
        protocol: Protocol,
        normalization: Normalization | None,
    ) -> None:
        self.env, self.protocol, streams = env, protocol, Streams(env.seeds, env.slots)
        greedy = protocol.deterministic
        self._collect = Collector(policy, env, streams, None, normalization, False, greedy)
        self.played = np.zeros(env.replicas, dtype=np.int64)

    def play(self, due: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Evaluate the replicas that are ``due`` (bool ``[R]``).

        Returns:
            ``return_raw`` float64 and ``length`` int64, ``[R, episodes]`` each; rows of replicas
            that are not due are zero.
        """
        returns, lengths = [], []
        for _ in range(self.protocol.episodes // self.env.slots):
            rollout = self._collect(due)
            reward, mask = rollout.reward.cpu().double(), rollout.mask.cpu()
            returns.append(reward.cumsum(0)[-1].numpy())  # one by one: padding adds exact zeros
            lengths.append(mask.sum(0).numpy())
        self.played += self.protocol.episodes * due
        return np.concatenate(returns, axis=1), np.concatenate(lengths, axis=1)

    def state_dict(self) -> dict[str, Any]:
        """Which draws come next."""
        return {
            "played": self.played.tolist(),
            "collector": self._collect.state_dict(),
            "environment": self.env.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a ``state_dict``."""
        self.played = np.array(state["played"], dtype=np.int64)
        self._collect.load_state_dict(state["collector"])
        self.env.load_state_dict(state["environment"])

    def close(self) -> None:
        """Release the environment."""
        self.env.close()


class Evaluations(pl.Callback):
    """Evaluates each replica whenever its decisions cross a multiple of ``every``, and at its end.

    A replica that diverges is not evaluated again.

    Args:
        evaluation: plays; its protocol says how often.
        tracker: where the rows go.
    """

    def __init__(self, evaluation: Evaluation, tracker: FileTracker) -> None:
        assert evaluation.protocol.every is not None
        self.evaluation, self.every, self._tracker = evaluation, evaluation.protocol.every, tracker
        self._latest = np.zeros(evaluation.env.replicas, dtype=np.int64)  # decisions at the last

    def due(self, decisions: np.ndarray, budget: int) -> np.ndarray:
        """Bool ``[R]``, the replicas to evaluate now; frozen ones take no decisions, and are not.

        Args:
            decisions: int64 ``[R]``, taken by each replica.
            budget: of each.
        """
        moved = decisions > self._latest
        crossed = decisions // self.every > self._latest // self.every
        return moved & (crossed | (decisions >= budget))

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: PolicyGradient, outputs: Any, batch: Any, index: int
    ) -> None:
        """Evaluate whoever is due."""
        decisions = pl_module.decisions
        due = self.due(decisions, pl_module.budget)
        if not due.any():
            return
        first = self.evaluation.played.copy()
        returns, lengths = self.evaluation.play(due)
        chosen, count = np.flatnonzero(due), self.evaluation.protocol.episodes
        self._tracker.record_evaluation(
            chosen,
            pl_module.iteration - 1,
            decisions[chosen],
            first[chosen, None] + np.arange(count),
            returns[chosen],
            lengths[chosen],
        )
        self._latest[chosen] = decisions[chosen]

    def state_dict(self) -> dict[str, Any]:
        """What was evaluated, as tensors and plain values."""
        latest = torch.from_numpy(self._latest.copy())
        return {"latest": latest, "evaluation": self.evaluation.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from a ``state_dict``."""
        self._latest[...] = state_dict["latest"].numpy()
        self.evaluation.load_state_dict(state_dict["evaluation"])
