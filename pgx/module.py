"""The LightningModule: one training step is one iteration of every replica."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor

from pgx.axes import replica_sum
from pgx.baselines.base import BaselineModel
from pgx.diagnostics import GradientDiagnostics
from pgx.environments.base import Environment
from pgx.estimators.finite_difference import FiniteDifference
from pgx.estimators.reinforce import Reinforce
from pgx.freeze import LastGood
from pgx.normalization import Normalization
from pgx.optimizers.search import Search
from pgx.policies.base import Policy
from pgx.population import Population
from pgx.rollout import Collector
from pgx.streams import Streams
from pgx.types import Baseline, Estimate, Rollout
from pgx.updates import Seen, SitOut, Updates, portions


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
    optimizer: Callable[..., Any]
    normalization: Normalization | None = None
    behaviour: Policy | None = None  #: who acts, if it is not the policy that learns
    diagnostics: GradientDiagnostics = field(default_factory=lambda: GradientDiagnostics(None))

    @property
    def networks(self) -> list[torch.nn.Module]:
        """All that has parameters."""
        return [net for net in (self.policy, self.baseline, self.behaviour) if net is not None]


class PolicyGradient(pl.LightningModule):
    """Trains the replicas of one arm, each until its budget of decisions is used up.

    Args:
        parts: the arm's ingredients.
        seeds: one per replica.
        budget: decisions per replica; it stops at the first iteration boundary at or past it.
        max_grad_norm: largest norm of a replica's gradient, policy and baseline together, or None.
        tracker: where rows go.
        rollouts_reused: k, gradient steps on every rollout. From the second on it is no longer the
            policy's own, and no importance weight corrects for that: 1 is on-policy.
        updates: ``rollout``: a gradient step is of all terms of a rollout; ``decision``: one step
            after another, each of one decision's terms.

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
        rollouts_reused: int = 1,
        updates: Updates = "rollout",
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.seeds, self.budget, self.max_grad_norm = tuple(seeds), budget, max_grad_norm
        self.env, self.policy, self.baseline = parts.env, parts.policy, parts.baseline
        self.estimator, self.tracker = parts.estimator, tracker
        self.normalization = parts.normalization
        self.rollouts_reused, self.updates = rollouts_reused, updates
        streams, horizon = Streams(self.seeds, self.env.slots), self.estimator.horizon
        actor, self.diagnostics = parts.behaviour or self.policy, parts.diagnostics
        self.collect = Collector(actor, self.env, streams, horizon, self.normalization)
        first = parts.optimizer(self.policy.flat.data)
        self.learners, self.search = [first], first if isinstance(first, Search) else None
        if self.baseline.flat is not None and self.baseline.flat is not self.policy.flat:
            rate = self.baseline.learning_rate
            self.learners.append(parts.optimizer(self.baseline.flat.data, learning_rate=rate))
        if isinstance(actor, Population):
            points = self.estimator if isinstance(self.estimator, FiniteDifference) else None
            actor.ask = partial(points.ask, self.policy) if points else first.ask
        self.iteration = 0
        self.decisions = np.zeros(len(self.seeds), dtype=np.int64)
        self.alive = np.ones(len(self.seeds), dtype=bool)
        self.diverged: dict[int, int] = {}
        self._finite = torch.ones(len(self.seeds), dtype=torch.bool, device=self.policy.flat.device)
        self.changing = [t for learner in self.learners for t in learner.tensors()] + self.memory()
        self.good = LastGood(self.changing, self.collect, self.env)

    def training_step(self, batch: int, batch_idx: int) -> None:
        """One iteration: collect, estimate, update, record."""
        rollout = self.collect(self.alive, self.progress)  # [T, R, N, …]
        baseline = self.baseline(rollout)  # value, next_value [T, R, N]
        seen = self.diagnostics(self.iteration, self.policy, rollout, self.estimator, baseline)
        for reuse in range(self.rollouts_reused):
            if reuse and self.baseline.flat is not None:
                baseline = self.baseline(rollout)
            if self.updates == "rollout":
                estimate = self.estimator(self.policy, rollout, baseline)  # gradient [R, P]
                norm = self.update(estimate, baseline)  # clip and step, per replica; [R]
                found = estimate.diagnostics | self.moved(norm)
            else:
                found = self.one_by_one(rollout, baseline)
        self.freeze()  # those that left the finite numbers
        self.record(rollout, found | baseline.diagnostics | seen)

    def one_by_one(self, rollout: Rollout, baseline: Baseline) -> dict[str, Tensor]:
        """Apply every decision's terms on their own, in order; means of what was seen, ``[R]``."""
        seen = Seen.none()
        for portion in portions(rollout):
            own = baseline if self.baseline.flat is None else self.baseline(portion)
            estimate = self.estimator(self.policy, portion, own)
            others = SitOut(portion, self.changing)
            norm = self.update(estimate, own)
            others.end()
            seen.add(estimate.diagnostics | self.moved(norm), portion)
        return seen.mean()

    @property
    def progress(self) -> Tensor:
        """float64 ``[R]``, used fraction of each replica's budget."""
        return torch.from_numpy(self.decisions / self.budget).to(self.policy.flat.device)

    @torch.no_grad()
    def update(self, estimate: Estimate, baseline: Baseline) -> Tensor:
        """Clip and step every replica.

        Returns:
            The norm of each replica's gradient before clipping, policy and baseline together
            ``[R]``; of a search, the length of its step.
        """
        if self.search is not None:
            assert estimate.utility is not None  # `pgx.crowd` sees to it
            moved = self.search.tell(estimate.utility, self.progress)
            self.policy.project()
            return moved
        gradients = [-estimate.gradient]
        if baseline.gradient is not None and self.baseline.flat is self.policy.flat:
            gradients[0] = gradients[0] + baseline.gradient  # a critic on the policy's trunk
        elif baseline.gradient is not None:
            gradients.append(baseline.gradient)
        norm = torch.stack([replica_sum(g * g) for g in gradients]).sum(0).sqrt()
        if self.max_grad_norm is not None:
            factor = (self.max_grad_norm / (norm + 1e-6)).clamp(max=1.0).unsqueeze(1)
            gradients = [gradient * factor for gradient in gradients]
        progress = self.progress
        for learner, gradient in zip(self.learners, gradients, strict=True):
            learner.step(gradient, progress)
        self.policy.project()
        self._finite &= norm.isfinite()
        return norm

    def moved(self, norm: Tensor) -> dict[str, Tensor]:
        """What `update` returned, and how far a search looks, ``[R]`` each."""
        if self.search is None:
            return {"gradient_norm": norm}
        return {"step_norm": norm, "search_spread": self.search.spread()}

    @torch.no_grad()
    def freeze(self) -> None:
        """Take back what an iteration did to replicas that are frozen, or freeze now."""
        for learner in self.learners:
            self._finite &= replica_sum(learner.parameter * 0.0).isfinite()
        finite = self._finite.cpu().numpy()
        self._finite = torch.ones_like(self._finite)
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
        raw = rollout.reward if rollout.reward_raw is None else rollout.reward_raw
        self.tracker.record(self.iteration, self.decisions, rollout, raw, diagnostics, self.alive)
        self.iteration += 1
        self.alive = self.alive & (self.decisions < self.budget)

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """None of Lightning's: the learners step per replica."""
        return []

    def memory(self) -> list[Tensor]:
        """What the baseline and the normalisation remember, ``[R, …]`` each."""
        statistics = self.normalization.tensors() if self.normalization else []
        return [*self.baseline.memory(), *statistics]

    def state(self) -> dict[str, Any]:
        """Everything an iteration depends on, as tensors and plain values."""
        return {
            "iteration": self.iteration,
            "decisions": self.decisions.tolist(),
            "alive": self.alive.tolist(),
            "diverged": dict(self.diverged),
            "parameters": [learner.parameter.clone() for learner in self.learners],
            "learners": [learner.state_dict() for learner in self.learners],
            "memory": [tensor.clone() for tensor in self.memory()],
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
        for tensor, value in zip(self.memory(), state["memory"], strict=True):
            tensor.copy_(value)
        self.collect.load_state_dict(state["collector"])
        self.env.load_state_dict(state["environment"])
        if not self.env.exact_resume:
            self.collect.forget_open_episodes()
        self.good.keep()
