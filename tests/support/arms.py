"""Arms that train in this process, an iteration at a time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from pgx.build import build
from pgx.config import compose_config
from pgx.module import PolicyGradient
from pgx.tracking.files import FileTracker


def arm(directory: Path, overrides: Sequence[str], seeds: Sequence[int]) -> PolicyGradient:
    """What ``pgx train`` makes of these overrides; its tracker writes to ``directory``."""
    config = compose_config(list(overrides))
    parts = build(config, seeds)
    tracker = FileTracker(directory, seeds, parts.env.slots)
    limits = (int(config.decisions), config.max_grad_norm)
    return PolicyGradient(parts, seeds, *limits, tracker, config.rollouts_reused, config.updates)


def trained(module: PolicyGradient, iterations: int) -> PolicyGradient:
    """The same arm, so many iterations later."""
    for index in range(iterations):
        module.training_step(index, index)
    return module


def tensors(module: PolicyGradient, replica: int) -> list[torch.Tensor]:
    """All that a replica has learned or remembers."""
    every = [tensor for learner in module.learners for tensor in learner.tensors()]
    return [tensor[replica] for tensor in [*every, *module.memory()]]
