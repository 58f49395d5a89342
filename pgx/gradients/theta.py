"""Where θ comes from: fresh parameters, a checkpoint, or points along a training run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from omegaconf import DictConfig
from torch import Tensor

from pgx.build import build, build_environment, build_policy, option
from pgx.errors import ConfigError, RunFailed
from pgx.gradients.asked import Asked
from pgx.module import PolicyGradient
from pgx.normalization import Normalization
from pgx.part import threads
from pgx.policies.base import Policy
from pgx.records import Part
from pgx.restore import choose_seeds, find_part, read_config, read_state, restore
from pgx.updates import updates_of


@dataclass(frozen=True)
class Theta:
    """The parameters of one seed's policy.

    Attributes:
        seed: whose.
        flat: ``[1, P]``.
        decisions: taken in training before.
        origin: in words.
        names: of its parameters ``[P]``; empty for what no parameter is.
        normalization: what it sees through, or None.
    """

    seed: int
    flat: Tensor
    decisions: int
    origin: str
    names: tuple[str, ...]
    normalization: Normalization | None = field(default=None, compare=False)


def fresh(config: DictConfig, seeds: Sequence[int]) -> list[Theta]:
    """Each seed's parameters as training would start with them."""
    env = build_environment(config, [seeds[0]], 1)
    env.close()
    found = []
    for seed in seeds:
        policy = check_likelihood(build_policy(config, env.spec, [seed]), config)
        flat = policy.flat.detach().clone()
        found.append(Theta(seed, flat, 0, "fresh parameters", parameter_names(policy)))
    return found


def from_run(asked: Asked) -> tuple[DictConfig, list[Theta]]:
    """The config of a part, and its seeds' parameters in its last checkpoint.

    Raises:
        ConfigError: there is none, or it does not fit.
    """
    assert asked.run is not None
    part = find_part(asked.run, Path("outputs"))
    chosen, config, state = (
        choose_seeds(asked.seeds, part),
        read_config(part, asked.allowed),
        read_state(part),
    )
    env = build_environment(config, chosen[:1], 1)
    env.close()
    found = []
    for seed in chosen:
        policy, seen = restore(config, env.spec, part, state, [seed])
        check_likelihood(policy, config)
        taken = int(state["decisions"][part.seeds.index(seed)])
        flat, names = policy.flat.detach().clone(), parameter_names(policy)
        found.append(Theta(seed, flat, taken, _origin(part, seed), names, seen))
    return config, found


def check_likelihood(policy: Policy, config: DictConfig) -> Policy:
    """The same policy, if it has scores that an estimate can be made of.

    Raises:
        ConfigError: it has none.
    """
    if not policy.likelihood:
        raise ConfigError(
            f"{option(config, 'policy')}: has no likelihood, so there is no gradient estimate to "
            "measure; choose a stochastic policy, such as policy=categorical_linear"
        )
    return policy


def _origin(part: Part, seed: int) -> str:
    status, reason = part.seed_status(seed)
    lost = f", the last finite parameters of a seed that {reason}" if status == "failed" else ""
    return f"checkpoint of {part.path}{lost}"


def along(config: DictConfig, seeds: Sequence[int], points: int) -> list[Theta]:
    """Train as ``pgx train`` would, and keep each seed's parameters at evenly spaced decisions.

    The first point is the start, the last the end of the budget; between them each seed is taken at
    the first iteration boundary at or past the point. Nothing is recorded.

    Args:
        config: of the arm that is trained.
        seeds: of its replicas.
        points: how many, at least 2.

    Raises:
        RunFailed: a seed diverged.
    """
    torch.set_num_threads(min(threads(config), len(seeds)))  # bits as in a part
    parts = build(config, seeds)
    module = PolicyGradient(
        parts,
        seeds,
        config.decisions,
        config.max_grad_norm,
        _Silent(),
        config.rollouts_reused,
        updates_of(config),
    )
    names = parameter_names(parts.policy)
    due = np.linspace(0.0, config.decisions, points)
    kept: dict[int, list[Theta]] = {seed: [] for seed in seeds}
    try:
        while True:
            for theta in _crossed(module, config, due, kept, names):
                kept[theta.seed].append(theta)
            if not module.alive.any():
                break
            module.training_step(0, 0)
            if module.diverged:
                raise RunFailed(f"seed {next(iter(module.diverged))} diverged in training")
    finally:
        parts.env.close()
        torch.set_num_threads(1)
    return [theta for seed in seeds for theta in kept[seed]]


def _crossed(
    module: PolicyGradient,
    config: DictConfig,
    due: np.ndarray,
    kept: dict[int, list[Theta]],
    names: tuple[str, ...],
) -> Iterator[Theta]:
    """The parameters of every seed that has reached its next point."""
    memory = module.memory()
    for row, seed in enumerate(module.seeds):
        taken, passed = int(module.decisions[row]), len(kept[seed])
        if passed < len(due) and taken >= due[passed]:
            keys = config.get("normalization") or {}
            seen = Normalization.recalled(module.env.spec, keys, memory, [row])
            flat = module.policy.flat.detach()[row : row + 1].cpu().clone()
            yield Theta(seed, flat, taken, f"after {taken:,} decisions", names, seen)


class _Silent:
    """A tracker that keeps nothing."""

    def record(self, *row: object) -> None:
        """Nothing is recorded."""


def parameter_names(policy: Policy) -> tuple[str, ...]:
    """A name for each place of ``policy.flat`` ``[P]``: ``W1[0,1]``, ``b1[1]``, ``θ[3]``; or ''.

    Padding has no name, if the network says where it lies.
    """
    flat = policy.flat
    layers = getattr(policy.net, "layers", None)
    width = flat.shape[1]
    if layers is None:
        return tuple(f"θ[{place}]" for place in range(width))
    names = [""] * width
    for depth, (weight, bias) in enumerate(layers(torch.arange(width).unsqueeze(0)), start=1):
        for row, column in np.ndindex(*weight.shape[1:]):
            names[int(weight[0, row, column])] = f"W{depth}[{row},{column}]"
        for row, column in np.ndindex(*bias.shape[1:]):
            names[int(bias[0, row, column])] = f"b{depth}[{column}]"
    return tuple(names)
