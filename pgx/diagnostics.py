"""How much an iteration's own gradient estimate varies, measured now and then while training."""

from __future__ import annotations

from collections.abc import Container
from typing import Protocol

import torch
from torch import Tensor

from pgx.axes import replica_sum
from pgx.errors import check_number
from pgx.tracking.episodes import SPARSE
from pgx.types import Baseline, Rollout, ScoreFunction

COLUMNS = SPARSE  #: of the rows of metrics, if there are any


class Trajectories(Protocol):
    """What is needed of an estimator."""

    def trajectories(self, policy: ScoreFunction, rollout: Rollout, baseline: Baseline) -> Tensor:
        """The estimate from every single trajectory, ``[R, N, P]``."""


class GradientDiagnostics:
    """Variance and signal-to-noise ratio of the one-trajectory estimate, every k iterations.

        variance = tr Ĉ = 1/(N − 1) Σ_n ‖g_n − ḡ‖²,   snr = (‖ḡ‖² − tr Ĉ / N) / tr Ĉ

    from the N estimates g_n of an iteration's own trajectories at the parameters that collected
    them, without an entropy bonus. Subtracting tr Ĉ / N makes the numerator unbiased for ‖E g‖²; it
    may come out negative. The iteration's own gradient is a mean over N: its variance is that of
    one trajectory over N. A baseline made of the trajectories themselves couples them, and a slot
    of a T-step rollout, the trajectory there, goes on from the iteration before: both are then not
    quite N independent draws. With ``rollouts_reused`` above 1 the first step is measured.

    It takes no part in training, and draws nothing.

    Args:
        every: k, in iterations; None: never, and the rows have no such columns.

    Attributes:
        recorded: whether rows have the columns; NaN in iterations that are not measured.

    Raises:
        ConfigError: k below 1.
    """

    def __init__(self, every: int | None) -> None:
        if every is not None:
            check_number("diagnostics.gradient_every", every, least=1, whole=True)
        self.every, self.recorded = every, every is not None

    def __call__(
        self,
        iteration: int,
        policy: ScoreFunction,
        rollout: Rollout,
        estimator: Trajectories,
        baseline: Baseline,
    ) -> dict[str, Tensor]:
        """The columns ``[R]`` of this iteration, of squared units of the gradient, and of none."""
        if not self.recorded:
            return {}
        if self.every is None or iteration % self.every:
            nothing = torch.full((rollout.replicas,), torch.nan, device=rollout.reward.device)
            return dict.fromkeys(COLUMNS, nothing)
        return spread(estimator.trajectories(policy, rollout, baseline))

    def continued(self, columns: Container[str] | None) -> str | None:
        """Go on in rows with these columns: the run may have begun with another k, or none.

        Args:
            columns: of the rows so far; None if there are none yet.

        Returns:
            What is to be said if k asks for columns that the run's rows do not have.
        """
        if columns is None:
            return None
        self.recorded = COLUMNS[0] in columns
        if self.every is None or self.recorded:
            return None
        return "diagnostics.gradient_every: the run began without; nothing is measured"


@torch.no_grad()
def spread(estimates: Tensor) -> dict[str, Tensor]:
    """Variance and signal-to-noise ratio ``[R]`` of estimates ``[R, N, P]``; NaN if N = 1."""
    count = estimates.shape[1]
    mean = estimates.mean(1, keepdim=True)
    variance = replica_sum((estimates - mean).square().flatten(1)) / (count - 1)
    signal = replica_sum(mean.square().flatten(1)) - variance / count
    return dict(zip(COLUMNS, (variance, signal / variance), strict=True))
