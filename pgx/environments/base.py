"""What an environment offers: N slots for each of R replicas, stepped together, reset by mask."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pgx.errors import ConfigError, check_number
from pgx.policies.base import Policy
from pgx.types import EnvSpec, Transition


class Environment(ABC):
    """R × N environment slots. Nothing here resets by itself: the collector asks for every reset.

    Episode k of slot n of a replica begins in a state that depends on (seed, n, k) alone, whenever
    and beside whomever it begins. A slot that is not ``active`` does not step, draw or reset. The
    first call is a `reset` of every slot, or `load_state_dict`.

    Args:
        seeds: one seed per replica; R is how many.
        slots: environments per replica, N.

    Attributes:
        spec: sizes and names.
        observation: float32 ``[R, N, *O]``, what each slot shows now; reused between steps.
        episode: int64 ``[R, N]``, how many episodes each slot has begun.
        exact_resume: whether ``state_dict`` restores a slot in the middle of an episode.
    """

    spec: EnvSpec
    observation: np.ndarray
    episode: np.ndarray
    exact_resume: bool = True

    def __init__(self, seeds: Sequence[int], slots: int) -> None:
        check_number("environment.slots", slots, least=1, most=10**6, whole=True)
        self.seeds = tuple(int(seed) for seed in seeds)
        self.replicas, self.slots = len(self.seeds), int(slots)
        self.episode = np.zeros((self.replicas, self.slots), dtype=np.int64)

    @abstractmethod
    def reset(self, mask: np.ndarray | None = None) -> None:
        """Begin the next episode in the slots of ``mask`` (bool ``[R, N]``), or in all of them."""

    @abstractmethod
    def step(self, action: np.ndarray, active: np.ndarray | None = None) -> Transition:
        """Step every slot, or only those of ``active`` (bool ``[R, N]``).

        Args:
            action: int64 ``[R, N]`` (discrete) or float32 ``[R, N, A]`` (continuous).
            active: slots to step; the others keep their state and observation.

        Returns:
            The transition. ``self.observation`` of a stepped slot equals ``next_observation`` until
            the slot is reset.
        """

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` continues from: copies, as tensors and plain Python values.

        A tensor's first axes are ``[R, N]``: states may be merged slot by slot.
        """

    @abstractmethod
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a ``state_dict`` of the same seeds and slots.

        Without ``exact_resume`` a slot continues at the beginning of the episode it was in, and the
        episode counters are what they were.
        """

    def objective(self, policy: Policy, discount: float) -> Tensor:
        """The expected discounted return of an episode, as it is and not as it was sampled.

            J(θ) = E_θ[Σ_t γᵗ r_t]

        What comes after a truncation counts for nothing (``time_limit: end``).

        Args:
            policy: R policies for this environment, which see observations as they are.
            discount: γ.

        Returns:
            float64 ``[R]``, with a graph that leads to ``policy.flat``.

        Raises:
            ConfigError: nobody knows; or only of another kind of policy.
        """
        raise ConfigError(
            f"environment: {self.spec.id} has no exact answer; choose a tabular one, such as "
            "environment=corridor"
        )

    def camera(self, replica: int, slot: int) -> Callable[[], np.ndarray]:
        """A way to look at one slot, to be asked for before the first reset.

        Returns:
            A function to the slot as it stands now, uint8 ``[H, W, 3]``. It changes nothing.

        Raises:
            ConfigError: there is no picture of this environment, or a package is missing.
        """
        raise ConfigError(f"{self.spec.id} cannot be drawn: it has no picture of itself")

    def close(self) -> None:
        """Release what the environment holds."""


def as_tensor(array: np.ndarray) -> Tensor:
    """A copy of a numpy array as a tensor, for ``state_dict``."""
    return torch.from_numpy(array.copy())
