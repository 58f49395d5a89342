"""A number that is to be kept at zero: the simple regulator, with its exact utility."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pgx.environments.base import Environment, as_tensor
from pgx.errors import ConfigError, check_number
from pgx.policies.base import Policy
from pgx.policies.gaussian_linear import LEAST, GaussianLinear
from pgx.streams import Reserve, Stream
from pgx.types import EnvSpec, Transition

START, SPREAD = 0.3, 0.1  #: mean and standard deviation of the first state
NOISE = 0.1  #: standard deviation of what disturbs a step


class Regulator(Environment):
    """The state is moved by the action and by noise; its square is what a decision costs.

        s₀ ~ N(.3, .1²),   s' ~ N(s + a, .1²),   r = −s²,   for a given number of decisions

    The reward is that of the state decided in. Under ``policy=gaussian_linear``, a ~ N(θ₁s, σ²),
    the mean squares m_k = E[s_k²] follow a recurrence, and with them the exact utility and, by
    autograd, its gradient:

        U(θ) = −Σ_{k<K} γᵏ m_k,   m₀ = .3² + .1²,   m_{k+1} = (1 + θ₁)² m_k + σ² + .1²

    Kochenderfer, Wheeler & Wray (2022), "Algorithms for Decision Making", appendix F.5; with
    γ = .9 and ten decisions it is the example of chapters 10 and 11.

    Args:
        seeds: one seed per replica.
        slots: environments per replica, N.
        max_steps: K, decisions after which an episode is truncated.

    Raises:
        ConfigError: if ``max_steps`` is below 1.
    """

    def __init__(self, seeds: Sequence[int], slots: int, max_steps: int) -> None:
        super().__init__(seeds, slots)
        check_number("environment.max_steps", max_steps, least=1, whole=True)
        self._limit = max_steps
        bounds = (-math.inf,), (math.inf,)
        self.spec = EnvSpec("regulator", (1,), "continuous", 1, max_steps, *bounds)
        shape = self.episode.shape
        self.observation = np.zeros((*shape, 1), dtype=np.float32)
        self._state = self.observation[..., 0]
        self._elapsed, self._decision = np.zeros((2, *shape), dtype=np.int64)
        self._reward = np.zeros(shape, dtype=np.float32)
        self._terminated, self._truncated = np.zeros((2, *shape), dtype=bool)
        self._transition = Transition(
            self._reward, self._terminated, self._truncated, self.observation
        )
        self._every = np.arange(self.episode.size)
        resets, dynamics = Stream(self.seeds, "resets"), Stream(self.seeds, "dynamics")
        self._starts = Reserve(partial(resets.normal, width=1))
        self._disturbances = Reserve(partial(dynamics.normal, width=1))

    def reset(self, mask: np.ndarray | None = None) -> None:
        """Begin the next episode in the slots of ``mask``, or in all of them."""
        rows = self._every if mask is None else np.flatnonzero(mask)
        drawn = self._starts.take(rows, self.episode)[:, 0]
        self._state.reshape(-1)[rows] = np.float32(START) + np.float32(SPREAD) * drawn
        self._elapsed.reshape(-1)[rows] = 0
        self.episode.reshape(-1)[rows] += 1

    def step(self, action: np.ndarray, active: np.ndarray | None = None) -> Transition:
        """Move every slot, or those of ``active``, by float32 ``[R, N, 1]`` actions."""
        rows = self._every if active is None else np.flatnonzero(active)
        drawn = self._disturbances.take(rows, self._decision)[:, 0]
        state = self._state.reshape(-1)
        with np.errstate(
            over="ignore", invalid="ignore"
        ):  # a policy that diverges goes to infinity
            np.multiply(self._state, self._state, out=self._reward)
            np.negative(self._reward, out=self._reward)
            state[rows] += action.reshape(-1)[rows] + np.float32(NOISE) * drawn
        self._elapsed.reshape(-1)[rows] += 1
        self._decision.reshape(-1)[rows] += 1
        np.greater_equal(self._elapsed, self._limit, out=self._truncated)
        return self._transition

    def objective(self, policy: Policy, discount: float) -> Tensor:
        """U(θ) in closed form, of a policy that is linear in the state."""
        if not isinstance(policy, GaussianLinear):
            raise ConfigError(
                "policy: regulator has an exact answer only for a linear Gaussian; choose "
                "policy=gaussian_linear"
            )
        ((slope, deviation),) = policy.net.layers(policy.flat.to("cpu", torch.float64))
        keep, spread = (1.0 + slope[:, 0, 0]).square(), (deviation[:, 0, 0].abs() + LEAST).square()
        square = torch.full_like(keep, START**2 + SPREAD**2)
        utility = torch.zeros_like(keep)
        for step in range(self._limit):
            utility = utility - discount**step * square
            square = keep * square + spread + NOISE**2
        return utility

    def state_dict(self) -> dict[str, Any]:
        """States, decisions of the running episodes, and the counters of episodes and decisions."""
        return {
            "state": as_tensor(self._state),
            "elapsed": as_tensor(self._elapsed),
            "episode": as_tensor(self.episode),
            "decision": as_tensor(self._decision),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue exactly where `state_dict` was taken, in the middle of an episode or not."""
        self._state[...] = state["state"].numpy()
        self._elapsed[...] = state["elapsed"].numpy()
        self.episode[...] = state["episode"].numpy()
        self._decision[...] = state["decision"].numpy()
        self._starts.clear()
        self._disturbances.clear()
