"""No baseline."""

from __future__ import annotations

import torch

from pgx.baselines.base import BaselineModel, constant
from pgx.types import Baseline, Rollout


class NoBaseline(BaselineModel):
    """b = 0: returns weigh the score as they are."""

    def forward(self, rollout: Rollout) -> Baseline:
        return constant(torch.zeros_like(rollout.reward))
