"""The LightningModule: one training step is one iteration of every replica."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor

from pgx.axes import replica_sum
from pgx.baselines.base import BaselineModel
from pgx.environments.base import Environment
from pgx.estimators.reinforce import Reinforce
from pgx.freeze import LastGood
from pgx.optimizers.base import Optimizer
from pgx.policies.base import Policy
from pgx.rollout import Collector
from pgx.streams import Streams
from pgx.types import Baseline, Estimate, Rollout


class Tracker(Protocol):
    """Where the rows of an iteration go; `pgx.tracking.files.FileTracker` is the one always on."""

    def record(
        self,
        iteration: int,
        decisions: np.ndarray,
        rollout: Rollout,
        reward_raw: Tensor,
        diagnostics: dict[str, Tensor],
        alive: np.ndarray,
    ) -> None:
        """Take an iteration's rollout, diagnostics ``[R]`` and which replicas are alive."""


@dataclass(frozen=True)
class Ingredients:
    """What an arm is made of, built for its seeds."""

    env: Environment
    policy: Policy
    estimator: Reinforce
    baseline: BaselineModel
    optimizer: Callable[..., Optimizer]


class PolicyGradient(pl.LightningModule):
    """Trains the replicas of one arm, each until its budget of decisions is used up.

    Args:
        parts: the arm's ingredients.
        seeds: one per replica.
        budget: decisions per replica; it stops at the first iteration boundary at or past it.
        max_grad_norm: largest norm of a replica's gradient, policy and baseline together, or None.
        tracker: where rows go.

    Attributes:
        iteration: how many are done.
        decisions: int64 ``[R]``, taken so far.
        alive: bool ``[R]``, the replicas that still train.
        diverged: iteration in which a seed left the finite numbers.
    """

    def __init__(
        self,
        parts: Ingredients,
        seeds: Sequence[int],
        budget: int,
        max_grad_norm: float | None,
        tracker: Tracker,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.seeds, self.budget, self.max_grad_norm = tuple(seeds), budget, max_grad_norm
        self.env, self.policy, self.baseline = parts.env, parts.policy, parts.baseline
        self.estimator, self.tracker = parts.estimator, tracker
        streams = Streams(self.seeds, self.env.slots)
        self.collect = Collector(self.policy, self.env, streams, self.estimator.horizon)
        self.learners = [parts.optimizer(self.policy.flat.data)]
        if self.baseline.flat is not None:
            rate = self.baseline.learning_rate
            self.learners.append(parts.optimizer(self.baseline.flat.data, learning_rate=rate))
        self.iteration = 0
        self.decisions = np.zeros(len(self.seeds), dtype=np.int64)
        self.alive = np.ones(len(self.seeds), dtype=bool)
        self.diverged: dict[int, int] = {}
        tensors = [t for learner in self.learners for t in learner.tensors()]
        tensors += self.baseline.memory()
        self.good = LastGood(tensors, self.collect, self.env)

    def training_step(self, batch: int, batch_idx: int) -> None:
        """One iteration: collect, estimate, update, record."""
        rollout = self.collect(self.alive)  # [T, R, N, …]
        baseline = self.baseline(rollout)  # value, next_value [T, R, N]
        estimate = self.estimator(self.policy, rollout, baseline)  # gradient [R, P]
        norm = self.update(estimate, baseline)  # clip and step, per replica; [R]
        self.record(
            rollout, {**estimate.diagnostics, **baseline.diagnostics, "gradient_norm": norm}
        )

    @torch.no_grad()
    def update(self, estimate: Estimate, baseline: Baseline) -> Tensor:
        """Clip and step every live replica; freeze those that leave the finite numbers.

        Returns:
            The norm of each replica's gradient before clipping, policy and baseline together
            ``[R]``.
        """
        gradients = [-estimate.gradient]
        if baseline.gradient is not None:
            gradients.append(baseline.gradient)
        norm = torch.stack([replica_sum(g * g) for g in gradients]).sum(0).sqrt()
        if self.max_grad_norm is not None:
            factor = (self.max_grad_norm / (norm + 1e-6)).clamp(max=1.0).unsqueeze(1)
            gradients = [gradient * factor for gradient in gradients]
        progress = torch.from_numpy(self.decisions / self.budget).to(norm.device)
        for learner, gradient in zip(self.learners, gradients, strict=True):
            learner.step(gradient, progress)
        finite = norm.isfinite()
        for learner in self.learners:
            finite &= replica_sum(learner.parameter * 0.0).isfinite()
        self._freeze(finite.cpu().numpy())
        return norm

    def _freeze(self, finite: np.ndarray) -> None:
        """Take back what an iteration did to replicas that are frozen, or freeze now."""
        for index in np.flatnonzero(self.alive & ~finite):
            self.diverged[self.seeds[index]] = self.iteration
        self.alive = self.alive & finite
        if not self.alive.all():
            self.good.restore(torch.from_numpy(~self.alive).to(self.policy.flat.device))
        self.good.keep()

    def record(self, rollout: Rollout, diagnostics: dict[str, Tensor]) -> None:
        """Count the decisions, write the rows, and retire the replicas whose budget is used up."""
        taken = rollout.mask.sum(2).sum(0).cpu().numpy()
        self.decisions = self.decisions + taken * self.alive
        self.tracker.record(
            self.iteration, self.decisions, rollout, rollout.reward, diagnostics, self.alive
        )
        self.iteration += 1
        self.alive = self.alive & (self.decisions < self.budget)

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """None of Lightning's: the learners step per replica."""
        return []

    def state(self) -> dict[str, Any]:
        """Everything an iteration depends on, as tensors and plain values."""
        return {
            "iteration": self.iteration,
            "decisions": self.decisions.tolist(),
            "alive": self.alive.tolist(),
            "diverged": dict(self.diverged),
            "parameters": [learner.parameter.clone() for learner in self.learners],
            "learners": [learner.state_dict() for learner in self.learners],
            "memory": [tensor.clone() for tensor in self.baseline.memory()],
            "collector": self.collect.state_dict(),
            "environment": self.env.state_dict(),
        }

    @torch.no_grad()
    def load_state(self, state: dict[str, Any]) -> None:
        """Continue from a `state` of the same arm and seeds."""
        self.iteration = state["iteration"]
        self.decisions = np.array(state["decisions"], dtype=np.int64)
        self.diverged = dict(state["diverged"])
        self.alive = np.array(state["alive"]) & (self.decisions < self.budget)
        for learner, parameter, memory in zip(
            self.learners, state["parameters"], state["learners"], strict=True
        ):
            learner.parameter.copy_(parameter)
            learner.load_state_dict(memory)
        for tensor, value in zip(self.baseline.memory(), state["memory"], strict=True):
            tensor.copy_(value)
        self.collect.load_state_dict(state["collector"])
        self.env.load_state_dict(state["environment"])
        if not self.env.exact_resume:
            self.collect.forget_open_episodes()
        self.good.keep()
