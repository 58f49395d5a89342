"""Normalisation of what a replica sees and earns, by running statistics of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pgx.axes import rollout_sum
from pgx.errors import ConfigError, check_flag, check_number
from pgx.returns import reverse_scan
from pgx.types import EnvSpec

View = Callable[[np.ndarray], np.ndarray]  #: raw observations ``[R, …, *O]`` to normalised ones
EPSILON = 1e-8


class Moments:
    """Count, mean and sum of squared deviations of D quantities of every replica, in float64.

    Batches are merged as in Chan, Golub & LeVeque 1979, "Updating formulae and a pairwise
    algorithm for computing sample variances".
    """

    def __init__(self, replicas: int, width: int) -> None:
        self.count = torch.zeros(replicas, 1, dtype=torch.float64)
        self.mean = torch.zeros(replicas, width, dtype=torch.float64)
        self.squares = torch.zeros(replicas, width, dtype=torch.float64)

    def add(self, rows: Tensor, mask: Tensor, complete: bool) -> None:
        """Take in the rows of a rollout that exist.

        Args:
            rows: float64 ``[T, R, N, D]``.
            mask: bool ``[T, R, N]``.
            complete: whether the rollout holds complete episodes, which are summed block by block.
        """
        steps, replicas, slots, width = rows.shape

        def total(tensor: Tensor) -> Tensor:
            tensor = torch.where(mask.unsqueeze(-1), tensor, 0.0).movedim(-1, 2)
            return rollout_sum(tensor.reshape(steps, -1, slots), complete).view(replicas, width)

        new = rollout_sum(mask.double(), complete).unsqueeze(1)
        mean = total(rows) / new.clamp(min=1.0)
        squares = total((rows - mean.unsqueeze(1)).square())
        share = new / (self.count + new).clamp(min=1.0)
        away = mean - self.mean
        self.squares += squares + away.square() * self.count * share
        self.mean += away * share
        self.count += new

    @property
    def deviation(self) -> Tensor:
        """``[R, D]``, the standard deviation; 1 before anything was seen."""
        spread = (self.squares / self.count.clamp(min=1.0) + EPSILON).sqrt()
        return torch.where(self.count > 0, spread, 1.0)

    def tensors(self) -> list[Tensor]:
        """What changes in place."""
        return [self.count, self.mean, self.squares]


class Normalization:
    """Observations and rewards in units of what a replica has met so far.

        o' = clip((o − mean o) / std o, ±c),   r' = clip(r / std G, ±c),   G_t = r_t + γ G_{t−1}

    with G summed forwards from the episode's start. Statistics are each replica's own. Those of
    observations move between iterations, so that a rollout is seen through one map; those of
    rewards include the rollout that they scale. An evaluation uses the map as it is, learns nothing
    and leaves rewards alone; ``return_raw`` is always the environment's own.

    Source: the running statistics of Schulman et al. 2017 as released; Engstrom et al. 2020, arXiv
    2005.12729, section 3, list them among the choices that papers leave unsaid.

    Args:
        spec: the environment's sizes.
        replicas: R.
        slots: N.
        discount: γ of G.
        observations: whether to normalise observations.
        rewards: whether to normalise rewards.
        clip: c, the largest magnitude of either, in standard deviations.

    Raises:
        ConfigError: a value that makes no sense.
    """

    def __init__(
        self,
        spec: EnvSpec,
        replicas: int,
        slots: int,
        discount: float,
        observations: bool,
        rewards: bool,
        clip: float,
    ) -> None:
        check_flag("normalization.observations", observations)
        check_flag("normalization.rewards", rewards)
        check_number("normalization.clip", clip, above=0.0)
        if rewards and not 0.0 <= discount <= 1.0:
            raise ConfigError(f"normalization.rewards: γ={discount} is not in [0, 1]")
        self.shape, self.discount, self.clip = spec.observation_shape, discount, float(clip)
        self.observations = (
            Moments(replicas, int(np.prod(self.shape, dtype=int))) if observations else None
        )
        self.returns = Moments(replicas, 1) if rewards else None
        self._running = torch.zeros(replicas, slots, dtype=torch.float64)  # G of open episodes

    @classmethod
    def recalled(
        cls, spec: EnvSpec, keys: Mapping[str, Any], memory: Sequence[Tensor], rows: Sequence[int]
    ) -> Normalization | None:
        """The statistics of observations that a checkpoint remembers, to see and not to learn.

        Args:
            spec: the environment's sizes.
            keys: the config's mapping ``normalization``; may be empty.
            memory: ``[R, …]`` each, the last of them in the order of `tensors`.
            rows: of the replicas to recall, one for each replica of the result.

        Returns:
            None if observations were not normalised.
        """
        if not keys.get("observations"):
            return None
        made = cls(spec, len(rows), 1, 1.0, True, bool(keys["rewards"]), float(keys["clip"]))
        own = made.tensors()[1:]  # all but the running returns of episodes that were open
        for mine, saved in zip(own, memory[-len(own) :], strict=True):
            mine.copy_(saved[list(rows)])
        return made

    def view(self) -> View | None:
        """The map of observations as it is now; None leaves them as they are."""
        if self.observations is None:
            return None
        shift = self.observations.mean.float().numpy()
        scale = (1.0 / self.observations.deviation).float().numpy()
        replicas, shape, clip = len(shift), self.shape, np.float32(self.clip)

        def see(observation: np.ndarray) -> np.ndarray:
            between = (1,) * (observation.ndim - 1 - len(shape))
            place = (replicas, *between, *shape)
            seen = (observation - shift.reshape(place)) * scale.reshape(place)
            return np.clip(seen, -clip, clip, out=seen)

        return see

    def learn(self, observation: Tensor, mask: Tensor, complete: bool) -> None:
        """Take in the raw observations ``[T, R, N, *O]`` of a rollout."""
        if self.observations is not None:
            rows = observation.double().reshape(*mask.shape, -1)
            self.observations.add(rows, mask, complete)

    def scaled(self, reward: Tensor, ended: Tensor, mask: Tensor, complete: bool) -> Tensor:
        """Take in a rollout's raw rewards, and divide them by the spread of G.

        Args:
            reward: ``[T, R, N]``, raw.
            ended: bool ``[T, R, N]``, rows after which the episode has no further row.
            mask: bool ``[T, R, N]``.
            complete: whether every slot holds one whole episode.

        Returns:
            ``[T, R, N]``; ``reward`` itself if rewards are not normalised.
        """
        if self.returns is None:
            return reward
        term, flows = reward.double(), torch.where(ended, 0.0, self.discount).double()
        if complete:
            self._running.zero_()
        term[0] += self.discount * self._running
        before = torch.cat([torch.zeros_like(flows[:1]), flows[:-1]])  # γ, unless row t − 1 ended
        running = reverse_scan(term.flip(0), before.flip(0)).flip(0)
        alive = mask.any(0)
        rest = torch.where(ended[-1], 0.0, running[-1])
        self._running.copy_(torch.where(alive, rest, self._running))
        self.returns.add(running.unsqueeze(-1), mask, complete)
        spread = self.returns.deviation.float().unsqueeze(0)
        return (reward / spread).clamp(-self.clip, self.clip)

    def forget_open_episodes(self) -> None:
        """Every slot begins its episode anew."""
        self._running.zero_()

    def tensors(self) -> list[Tensor]:
        """Every tensor ``[R, …]`` that an iteration changes in place."""
        moments = [m for m in (self.observations, self.returns) if m is not None]
        return [self._running, *(tensor for m in moments for tensor in m.tensors())]
