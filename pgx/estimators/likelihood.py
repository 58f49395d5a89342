"""How likely a policy finds the actions of a rollout: what supervised estimators report."""

from __future__ import annotations

import torch
from torch import Tensor

from pgx.axes import join_time, replica_rows, time_blocks, time_rows
from pgx.types import Rollout, ScoreFunction


@torch.no_grad()
def log_likelihood(policy: ScoreFunction, rollout: Rollout) -> Tensor:
    """log π(a_t|s_t) of every row under the policy as it is now, ``[T, R, N]``.

    ``rollout.log_prob`` is that of whoever acted.
    """
    found = []
    for block in time_blocks(len(rollout.mask), rollout.complete):
        outputs = policy(replica_rows(rollout.observation[block]))
        rows = policy.log_prob(outputs, replica_rows(rollout.action[block]))
        found.append(time_rows(rows, *rollout.mask[block].shape[::2]))
    return join_time(found)
