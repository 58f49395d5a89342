"""Collecting what one iteration learns from: T decisions of every slot, or one episode in each."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from pgx.axes import BLOCK, padded, replica_rows, time_rows
from pgx.environments.base import Environment
from pgx.errors import RunFailed
from pgx.normalization import Normalization, View
from pgx.policies.base import Actor, Policy
from pgx.streams import Streams
from pgx.types import Rollout, Transition

LONGEST_EPISODE = 200_000  #: rows of a complete episode, which are all kept until it ends
FIELDS = (
    "observation",
    "action",
    "reward",
    "terminated",
    "truncated",
    "next_observation",
    "outputs",
)


class Storage:
    """Buffers laid out ``[R, C, N, …]``, written in place and reused by every iteration.

    Args:
        policy: for the width of its outputs.
        env: for the sizes of observations and actions.
        capacity: C, rows in time.
    """

    def __init__(self, policy: Policy, env: Environment, capacity: int) -> None:
        self.capacity = capacity
        spec, shape = env.spec, (env.replicas, capacity, env.slots)
        discrete = spec.action_kind == "discrete"
        self.observation = np.zeros((*shape, *spec.observation_shape), dtype=np.float32)
        self.next_observation = np.zeros_like(self.observation)
        self.action = np.zeros(
            shape if discrete else (*shape, spec.actions),
            dtype=np.int64 if discrete else np.float32,
        )
        self.outputs = np.zeros((*shape, policy.outputs), dtype=np.float32)
        self.reward = np.zeros(shape, dtype=np.float32)
        self.terminated = np.zeros(shape, dtype=bool)
        self.truncated = np.zeros(shape, dtype=bool)

    def write(
        self, row: int, observation: np.ndarray, action: np.ndarray, outputs: np.ndarray
    ) -> None:
        """Row ``row`` as the policy saw and decided it."""
        self.observation[:, row] = observation
        self.action[:, row] = action
        self.outputs[:, row] = outputs

    def complete(self, row: int, step: Transition) -> None:
        """What the decision of row ``row`` brought."""
        self.reward[:, row] = step.reward
        self.terminated[:, row] = step.terminated
        self.truncated[:, row] = step.truncated
        self.next_observation[:, row] = step.next_observation

    def grow(self) -> None:
        """Double the capacity; what is there stays, the new rows are zero."""
        for name in FIELDS:
            old = getattr(self, name)
            setattr(self, name, np.concatenate([old, np.zeros_like(old)], axis=1))
        self.capacity *= 2

    def tensor(self, name: str, rows: int) -> Tensor:
        """A view ``[T, R, N, …]`` of the first ``rows`` rows."""
        return torch.from_numpy(getattr(self, name)[:, :rows]).transpose(0, 1)


@dataclass
class Collector:
    """Collects on-policy rollouts and keeps the buffers they live in.

    Args:
        policy: who decides.
        env: where.
        streams: the replicas' randomness; ``streams.decisions`` moves with every decision.
        horizon: T, or None for one complete episode per slot.
        normalization: of observations and rewards, or None.
        learn: whether the statistics move and rewards are scaled; false for an evaluation.
        deterministic: whether the policy's noise is zero: the likeliest action, or the mean.
    """

    policy: Policy
    env: Environment
    streams: Streams
    horizon: int | None
    normalization: Normalization | None = None
    learn: bool = True
    deterministic: bool = False

    def __post_init__(self) -> None:
        self._storage = Storage(self.policy, self.env, self.horizon or BLOCK)
        self._age = np.zeros((self.env.replicas, self.env.slots), dtype=np.int64)
        self._begun = False
        self._view: View | None = None

    def __call__(self, alive: np.ndarray, progress: Tensor | None = None) -> Rollout:
        """One rollout of the replicas that are ``alive`` (bool ``[R]``).

        The rollout's tensors are views of buffers that the next call overwrites. ``progress`` is
        handed on with it.
        """
        self._view = self.normalization.view() if self.normalization else None
        if self.horizon is None:
            rollout = self._episodes(alive)
        else:
            rollout = self._steps(alive, self.horizon)
        return replace(rollout, progress=progress)

    def state_dict(self) -> dict[str, Tensor | bool]:
        """Where the slots stand in their episodes, and the counters of their noise."""
        return {
            "age": torch.from_numpy(self._age.copy()),
            "decisions": torch.from_numpy(self.streams.decisions.copy()),
            "begun": self._begun,
        }

    def load_state_dict(self, state: dict[str, Tensor | bool]) -> None:
        """Continue from a ``state_dict``."""
        self._age[...] = torch.as_tensor(state["age"]).numpy()
        self.streams.decisions[...] = torch.as_tensor(state["decisions"]).numpy()
        self._begun = bool(state["begun"])

    def forget_open_episodes(self) -> None:
        """Every slot begins its episode anew."""
        self._age[...] = 0
        if self.normalization:
            self.normalization.forget_open_episodes()

    def _steps(self, alive: np.ndarray, horizon: int) -> Rollout:
        """``horizon`` decisions of every slot; episodes that end are followed by the next."""
        env = self.env
        active = None if alive.all() else np.repeat(alive[:, None], env.slots, axis=1)
        if not self._begun:
            env.reset()
            self._begun = True
        noise = self._noise(self.streams.decisions, horizon)
        with torch.inference_mode():
            act = self.policy.actor()
            for row in range(horizon):
                ended = self._decide(act, noise[:, row], row, active)
                if ended.any():
                    env.reset(ended)
        mask = np.zeros(self._storage.reward.shape, dtype=bool)
        mask[alive] = True
        time = self._advance(alive, horizon)
        return self._rollout(horizon, mask, time, complete=False)

    def _episodes(self, alive: np.ndarray) -> Rollout:
        """One episode in every slot, all begun here; a slot that is done waits for the others."""
        active = np.repeat(alive[:, None], self.env.slots, axis=1)
        self.env.reset(active)
        masks = []
        with torch.inference_mode():
            act = self.policy.actor()
            while active.any():
                row = len(masks)
                if row == LONGEST_EPISODE:
                    raise RunFailed(
                        f"{self.env.spec.id}: an episode has gone on for {row:,} decisions; set "
                        "environment.max_steps or environment.max_episode_steps"
                    )
                if row == self._storage.capacity:
                    self._storage.grow()
                if row % BLOCK == 0:
                    start = self.streams.decisions + row
                    noise = self._noise(start, BLOCK)
                masks.append(active)
                active = active & ~self._decide(act, noise[:, row % BLOCK], row, active)
        rows = padded(max(len(masks), 1), BLOCK)
        mask = np.zeros((self.env.replicas, rows, self.env.slots), dtype=bool)
        mask[:, : len(masks)] = (
            np.array(masks, dtype=bool).reshape(-1, *active.shape).swapaxes(0, 1)
        )
        self._blank(len(masks), mask)
        self.streams.decisions += mask.sum(1)
        time = np.broadcast_to(np.arange(rows)[:, None], mask.shape)
        return self._rollout(rows, mask, time, complete=True)

    def _noise(self, start: np.ndarray, count: int) -> np.ndarray:
        noise = self.policy.noise(self.streams.noise, start, count)
        return np.zeros_like(noise) if self.deterministic else noise

    def _decide(
        self, act: Actor, noise: np.ndarray, row: int, active: np.ndarray | None
    ) -> np.ndarray:
        """One decision of every active slot, written to ``row``; bool ``[R, N]``, which ended."""
        env, storage = self.env, self._storage
        raw = self._view is None or self.policy.sees_raw
        shown = env.observation if raw else self._view(env.observation)
        action, outputs = act(torch.from_numpy(shown), noise)
        storage.write(row, env.observation, action, outputs)
        step = env.step(action, active)
        storage.complete(row, step)
        ended = step.terminated | step.truncated
        return ended if active is None else ended & active

    def _blank(self, used: int, mask: np.ndarray) -> None:
        """Zero what earlier rollouts and finished slots left in the rows that do not exist."""
        storage, rows = self._storage, mask.shape[1]
        for name in FIELDS:
            getattr(storage, name)[:, used:rows] = 0
        for name in ("observation", "outputs", "reward", "terminated", "truncated"):
            getattr(storage, name)[:, :rows][~mask] = 0

    def _advance(self, alive: np.ndarray, horizon: int) -> np.ndarray:
        """Decisions since each row's episode began, int64 ``[R, T, N]``; moves the counters."""
        ended = self._storage.terminated | self._storage.truncated
        rows = np.arange(horizon + 1)[:, None]
        begun = np.zeros((len(alive), horizon + 1, self.env.slots), dtype=np.int64)
        np.multiply(ended, rows[1:], out=begun[:, 1:])
        np.maximum.accumulate(begun, axis=1, out=begun)
        time = rows - begun + (begun == 0) * self._age[:, None]
        self._age[alive] = time[alive, -1]
        self.streams.decisions[alive] += horizon
        return time[:, :-1]

    @torch.no_grad()
    def _rollout(self, rows: int, mask: np.ndarray, time: np.ndarray, complete: bool) -> Rollout:
        device = self.policy.flat.device
        fields = {name: self._storage.tensor(name, rows) for name in FIELDS}
        exists = torch.from_numpy(mask).transpose(0, 1)
        fields |= self._normalised(fields, exists, complete)
        fields = {name: field.to(device) for name, field in fields.items()}
        outputs = fields.pop("outputs")
        log_prob = self.policy.log_prob(replica_rows(outputs), replica_rows(fields["action"]))
        return Rollout(
            **fields,
            mask=exists.to(device),
            time=torch.from_numpy(np.array(time, order="C")).transpose(0, 1).to(device),
            log_prob=time_rows(log_prob, rows, self.env.slots),
            complete=complete,
        )

    def _normalised(
        self, fields: dict[str, Tensor], mask: Tensor, complete: bool
    ) -> dict[str, Tensor]:
        """The fields that normalisation changes, as the policy saw them; moves the statistics."""
        if self.normalization is None:
            return {}
        changed = {}
        for name in ("observation", "next_observation"):
            if self._view is not None:
                seen = self._view(fields[name].transpose(0, 1).numpy())
                changed[name] = torch.from_numpy(seen).transpose(0, 1)
        if self.learn:
            self.normalization.learn(fields["observation"], mask, complete)
            raw, ended = fields["reward"], fields["terminated"] | fields["truncated"]
            scaled = self.normalization.scaled(raw, ended, mask, complete)
            if scaled is not raw:
                changed |= {"reward": scaled, "reward_raw": raw}
        return changed
