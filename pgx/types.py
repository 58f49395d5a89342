"""The words the rest of pgx is written in, and the one time convention.

Axes
----
``T`` decisions in time, ``R`` replicas (seeds), ``N`` environment slots of a replica, ``P``
parameters of a replica. Every rollout tensor is ``[T, R, N, …]``, every parameter ``[R, …]``,
every per-replica scalar ``[R]``. A single run is R = 1 and takes the same path.

Time
----
Row ``t`` is decision ``t``. ``observation[t]`` is what the policy saw, ``action[t]`` what it chose,
``reward[t]`` what that brought (Sutton & Barto's R_{t+1}), ``next_observation[t]`` the true
successor *before* any reset. ``terminated[t]`` and ``truncated[t]`` stay two fields: a bootstrap
uses V(next_observation) at a truncation and 0 at a termination, and terminated wins if both are
set. No row is a reset. Rows where ``mask`` is false do not exist: they are padding, and weigh
exactly zero.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

import numpy as np
from torch import Tensor

TimeLimit = Literal["bootstrap", "end"]


@dataclass(frozen=True)
class EnvSpec:
    """What the rest of pgx may know about an environment: sizes come from here, never from YAML."""

    id: str  #: the environment's public name, such as ``CartPole-v1``
    observation_shape: tuple[int, ...]
    action_kind: Literal["discrete", "continuous"]
    actions: int  #: number of discrete actions, or dimensions of a continuous one
    time_limit: int | None = None  #: decisions after which an episode is truncated
    action_low: tuple[float, ...] | None = None  #: bounds per dimension, continuous actions only
    action_high: tuple[float, ...] | None = None


class Transition(NamedTuple):
    """What one environment step returns; every array is ``[R, N, …]``.

    Values of inactive slots are unspecified and must not be read. The arrays may be reused by the
    next step: copy what is to be kept.
    """

    reward: np.ndarray  #: float32 ``[R, N]``
    terminated: np.ndarray  #: bool ``[R, N]``
    truncated: np.ndarray  #: bool ``[R, N]``
    next_observation: np.ndarray  #: float32 ``[R, N, *O]``, before any reset


@dataclass(frozen=True)
class Rollout:
    """What one iteration collected. Time runs along axis 0, replicas along 1, slots along 2.

    ``complete`` rollouts hold one whole episode per slot, all begun at row 0. Otherwise each slot
    holds T consecutive decisions that may cross episode ends, and ``time`` says where in its
    episode a row is.
    """

    observation: Tensor  #: float32 ``[T, R, N, *O]``
    action: Tensor  #: int64 ``[T, R, N]`` or float32 ``[T, R, N, A]``
    reward: Tensor  #: float32 ``[T, R, N]``, what the learner sees (``return_train``)
    terminated: Tensor  #: bool ``[T, R, N]``
    truncated: Tensor  #: bool ``[T, R, N]``
    next_observation: Tensor  #: float32 ``[T, R, N, *O]``, the successor before any reset
    mask: Tensor  #: bool ``[T, R, N]``, rows that exist
    time: Tensor  #: int64 ``[T, R, N]``, decisions since the row's episode began, from 0
    log_prob: Tensor  #: float32 ``[T, R, N]``, log-probability under the behaviour policy
    complete: bool
    policy_state: Tensor | None = None  #: ``[T, R, N, …]``, for recurrent policies
    reward_raw: Tensor | None = None  #: ``[T, R, N]``, the environment's own where reward differs
    progress: Tensor | None = None  #: ``[R]``, used fraction of each replica's budget before it

    @property
    def ended(self) -> Tensor:
        """bool ``[T, R, N]``: the episode has no further row, for whatever reason."""
        return self.terminated | self.truncated

    @property
    def replicas(self) -> int:
        return self.mask.shape[1]


@dataclass(frozen=True)
class Baseline:
    """A baseline's answer to a rollout. All ``[T, R, N]`` tensors are free of gradient.

    What is subtracted from a return is ``value`` and, for the derivative by one parameter, that
    parameter's ``parameter_value``.
    """

    value: Tensor  #: ``[T, R, N]``, V(observation[t]); zeros without a baseline
    next_value: Tensor  #: ``[T, R, N]``, V(next_observation[t]) of the pre-reset successor
    gradient: Tensor | None = None  #: ``[R, P]``, of the loss of the baseline's own parameters
    loss: Tensor | None = None  #: ``[R]``
    diagnostics: dict[str, Tensor] = field(default_factory=dict)  #: ``[R]`` each
    parameter_value: Tensor | None = None  #: ``[R, N, P]``, one per trajectory and policy parameter


@dataclass(frozen=True)
class Estimate:
    """An estimator's answer: a direction of *ascent* on the return, one per replica."""

    gradient: Tensor  #: ``[R, P]``
    diagnostics: dict[str, Tensor] = field(default_factory=dict)  #: ``[R]`` each
    utility: Tensor | None = None  #: ``[R, M]``, of a population's members, in place of a gradient


class ScoreFunction(Protocol):
    """What an estimator may know of a policy; `pgx.policies.base.Policy` says more."""

    @property
    def flat(self) -> Tensor:
        """``[R, P]``, every parameter of every replica."""

    @property
    def free(self) -> Tensor:
        """bool ``[P]``, which entries of a row are parameters; the others stay zero."""

    def __call__(self, rows: Tensor) -> Tensor:
        """Observation rows ``[R, B, *O]`` to the outputs ``[R, B, K]``."""

    def log_prob(self, outputs: Tensor, action: Tensor) -> Tensor:
        """log π(a|s) ``[R, B]``."""

    def score(
        self, outputs: Tensor, action: Tensor, weight: Tensor, entropy_weight: Tensor
    ) -> tuple[Tensor, Tensor]:
        """∂/∂outputs Σ_b [weight log π(a|s) + entropy_weight H] ``[R, B, K]``, and H ``[R, B]``."""


class TrajectoryScores(Protocol):
    """What a per-parameter baseline may know of the estimator that subtracts it."""

    def best_constants(self, policy: ScoreFunction, rollout: Rollout) -> tuple[Tensor, Tensor]:
        """x and y ``[R, N, P]``, of which the best constants are E[x] / E[y]."""


class Solvable(Protocol):
    """What the exact gradient must know of an environment; `pgx.environments.base` says more."""

    def objective(self, policy: ScoreFunction, discount: float) -> Tensor:
        """J(θ), float64 ``[R]``, with a graph that leads to ``policy.flat``."""
