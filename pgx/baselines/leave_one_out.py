"""The mean return of the other trajectories as a baseline."""

from __future__ import annotations

from torch import Tensor

from pgx.baselines.batch_mean import BatchMean


class LeaveOneOut(BatchMean):
    """The mean over a replica's N − 1 other trajectories.

        scope time:        b_t,n = 1/(N−1) Σ_{m≠n} G_t,m
        scope trajectory:  b_n = 1/(N−1) Σ_{m≠n} G_0,m

    An ended trajectory counts as 0. As b_n does not depend on trajectory n, the gradient stays
    unbiased; with a constant baseline it is N/(N−1) times the one `BatchMean` gives.

    Source: Kool, van Hoof & Welling 2019, "Buy 4 REINFORCE samples, get a baseline for free!".
    """

    def average(self, to_go: Tensor) -> Tensor:
        return (to_go.sum(-1, keepdim=True) - to_go) / (to_go.shape[-1] - 1)
