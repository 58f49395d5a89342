"""A population of policies for every replica: M members that act side by side in its slots.

A zeroth-order method measures U(θ) at many points. The points of a replica are its members; each
has N slots of the replica's M·N. Whoever reads the rollout ``[T, R, M·N, …]`` need not know: it is
one of R replicas with M·N slots, of which N in a row belong to a member.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pgx.environments.base import Environment
from pgx.policies.base import Actor, Policy
from pgx.streams import Stream
from pgx.types import Transition


class Population(Policy):
    """Who acts while a population is measured.

    Args:
        crowd: a policy of R·M replicas, whose parameters are set at the start of every rollout.
        replicas: R.
        common_noise: whether the members of a replica share their noise, decision by decision of an
            iteration.

    Attributes:
        members: M.
        ask: says what the members are, ``[R, M, P]``; to be set before the first rollout.
    """

    ask: Callable[[], Tensor]

    def __init__(self, crowd: Policy, replicas: int, common_noise: bool) -> None:
        super().__init__(crowd.spec, range(replicas))
        self.crowd, self.net, self.common_noise = crowd, crowd.net, common_noise
        self.members, self.sees_raw = crowd.replicas // replicas, crowd.sees_raw
        self.outputs, self.noise_words = crowd.outputs, crowd.noise_words
        for parameter in crowd.parameters():
            parameter.requires_grad_(False)

    def noise(self, stream: Stream, start: np.ndarray, count: int) -> np.ndarray:
        """As the policy's own; common noise goes on from where the longest member has got to."""
        if not self.common_noise:
            return self.crowd.noise(stream, start, count)
        furthest = start.reshape(self.replicas, self.members, -1).max(1)
        drawn = self.crowd.noise(stream, furthest, count)
        return np.concatenate([drawn] * self.members, axis=2)

    def actor(self) -> Actor:
        self.flat.data.copy_(self.ask().flatten(0, 1))
        act, apart = self.crowd.actor(), (self.replicas * self.members, -1)
        together = (self.replicas, -1)

        def act_together(observation: Tensor, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            rows = observation.reshape(*apart, *observation.shape[2:])
            action, outputs = act(rows, noise.reshape(*apart, noise.shape[2]))
            action = action.reshape(*together, *action.shape[2:])
            return action, outputs.reshape(*together, *outputs.shape[2:])

        return act_together

    def log_prob(self, outputs: Tensor, action: Tensor) -> Tensor:
        return self.crowd.log_prob(outputs, action)

    def entropy(self, outputs: Tensor) -> Tensor:
        return self.crowd.entropy(outputs)

    def score(
        self, outputs: Tensor, action: Tensor, weight: Tensor, entropy_weight: Tensor
    ) -> tuple[Tensor, Tensor]:
        return self.crowd.score(outputs, action, weight, entropy_weight)


class Common(Environment):
    """An environment whose members meet the same episodes, seen as R replicas with M·N slots.

    Within, it has R·M replicas: every seed M times. What an episode draws depends on seed, slot and
    counters, so two members that act alike live the same life. Counters of decisions differ once
    episodes have differed; a reset of every slot sets them to the furthest of the replica's.

    Args:
        inner: the environment with every seed M times, N slots each.
        members: M.
    """

    counters = ("decision",)  #: in a ``state_dict``, counters that move with decisions

    def __init__(self, inner: Environment, members: int) -> None:
        super().__init__(inner.seeds[::members], inner.slots * members)
        self.inner, self.members = inner, members
        self.spec, self.exact_resume = inner.spec, inner.exact_resume
        self._shape = (self.replicas, self.slots)
        self._apart = (inner.replicas, inner.slots)
        self._look()

    def _look(self) -> None:
        self.observation = self._joined(self.inner.observation)
        self.episode = self._joined(self.inner.episode)

    def _joined(self, array: np.ndarray) -> np.ndarray:
        """``[R·M, N, …]`` to ``[R, M·N, …]``."""
        return array.reshape(*self._shape, *array.shape[2:])

    def _split(self, array: np.ndarray) -> np.ndarray:
        """``[R, M·N, …]`` to ``[R·M, N, …]``."""
        return array.reshape(*self._apart, *array.shape[2:])

    def reset(self, mask: np.ndarray | None = None) -> None:
        some = np.ones(self._apart, dtype=bool) if mask is None else self._split(mask)
        self._align(torch.from_numpy(some))
        self.inner.reset(some)
        self._look()

    def _align(self, mask: Tensor) -> None:
        """Where ``mask``, every counter of decisions to the furthest of the replica's members."""
        state = self.inner.state_dict() if self.exact_resume else {}
        found = [name for name in self.counters if name in state]
        for name in found:
            apart = state[name].unflatten(0, (-1, self.members))
            furthest = apart.amax(1, keepdim=True).expand_as(apart).flatten(0, 1)
            state[name] = torch.where(mask, furthest, state[name])
        if found:
            self.inner.load_state_dict(state)

    def step(self, action: np.ndarray, active: np.ndarray | None = None) -> Transition:
        step = self.inner.step(self._split(action), None if active is None else self._split(active))
        self._look()
        return Transition(*(self._joined(field) for field in step))

    def objective(self, policy: Policy, discount: float) -> Tensor:
        return self.inner.objective(policy, discount)

    def camera(self, replica: int, slot: int) -> Callable[[], np.ndarray]:
        member, place = divmod(slot, self.inner.slots)
        return self.inner.camera(replica * self.members + member, place)

    def state_dict(self) -> dict[str, Any]:
        return {
            name: value.reshape(*self._shape, *value.shape[2:])
            if isinstance(value, Tensor)
            else value
            for name, value in self.inner.state_dict().items()
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.inner.load_state_dict(
            {
                name: value.reshape(*self._apart, *value.shape[2:])
                if isinstance(value, Tensor)
                else value
                for name, value in state.items()
            }
        )
        self._look()

    def close(self) -> None:
        self.inner.close()
