"""The expert that behaviour cloning learns from: a policy out of a trained part's directory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from torch import Tensor
from yaml import YAMLError

from pgx.checkpoint import load_checkpoint
from pgx.config import check_targets
from pgx.errors import ConfigError, RunFailed
from pgx.estimators.behaviour_cloning import BehaviourCloning
from pgx.names import parse_seeds
from pgx.normalization import Normalization, View
from pgx.policies.base import Actor, Policy
from pgx.streams import Stream
from pgx.types import EnvSpec

CONFIG = "config.yaml"  #: of a part, in its directory
Make = Callable[..., Any]  #: (config, group, **arguments) to an ingredient; see `pgx.build`


class Expert(Policy):
    """A policy as it was trained: it looks at raw observations, by its own statistics if any.

    Args:
        policy: whose parameters are the expert's, for every replica.
        view: what its normalisation makes of observations, or None.
    """

    sees_raw = True

    def __init__(self, policy: Policy, view: View | None) -> None:
        super().__init__(policy.spec, range(policy.replicas))
        self.policy, self.net, self.view = policy, policy.net, view
        self.outputs, self.noise_words = policy.outputs, policy.noise_words

    def noise(self, stream: Stream, start: np.ndarray, count: int) -> np.ndarray:
        return self.policy.noise(stream, start, count)

    def actor(self) -> Actor:
        act, view = self.policy.actor(), self.view
        if view is None:
            return act
        return lambda observation, noise: act(torch.from_numpy(view(observation.numpy())), noise)

    def log_prob(self, outputs: Tensor, action: Tensor) -> Tensor:
        return self.policy.log_prob(outputs, action)

    def entropy(self, outputs: Tensor) -> Tensor:
        return self.policy.entropy(outputs)

    def score(
        self, outputs: Tensor, action: Tensor, weight: Tensor, entropy_weight: Tensor
    ) -> tuple[Tensor, Tensor]:
        return self.policy.score(outputs, action, weight, entropy_weight)


def load_expert(
    estimator: BehaviourCloning, spec: EnvSpec, replicas: int, allowed: Sequence[str], make: Make
) -> Expert:
    """The expert that the estimator names, R times.

    Args:
        estimator: names the part and the seed.
        spec: of the environment it is to act in.
        replicas: R.
        allowed: ``allow_targets`` of the run at hand: what the part's config says of that is not
            believed.
        make: `pgx.build`'s way from a config to an ingredient.

    Raises:
        ConfigError: nothing to load is there, or it was trained for something else.
    """
    key, directory = f"estimator.expert={estimator.expert}", Path(estimator.expert)
    config = _config(key, directory, allowed)
    seeds, seed = parse_seeds(config.seeds), estimator.expert_seed
    if seed not in seeds:
        choices = ", ".join(map(str, seeds[:12]))
        raise ConfigError(f"estimator.expert_seed={seed}: the part has the seeds {choices}")
    _check_spec(key, _trained_in(config, seed, make), spec)
    try:
        policy: Policy = make(config, "policy", spec=spec, seeds=[seed] * replicas)
    except ConfigError as error:
        raise ConfigError(f"{key}: {error}") from error
    state = _state(key, directory)
    row = state["parameters"][0][seeds.index(seed)]
    if row.shape != policy.flat.shape[1:]:
        raise ConfigError(f"{key}: its checkpoint is not of the policy that its config names")
    policy.flat.data.copy_(row)
    for parameter in policy.parameters():
        parameter.requires_grad_(False)
    keys = config.get("normalization") or {}
    seen = Normalization.recalled(spec, keys, state["memory"], [seeds.index(seed)] * replicas)
    return Expert(policy, seen.view() if seen else None)


def _config(key: str, directory: Path, allowed: Sequence[str]) -> DictConfig:
    if not (directory / CONFIG).is_file():
        inside = sorted(path.parent.name for path in directory.glob(f"*/{CONFIG}"))
        there = f"choose {directory / inside[0]}" if inside else "give one such as …/seeds-0-4"
        raise ConfigError(f"{key}: is no trained part's directory; {there}")
    try:
        config = OmegaConf.load(directory / CONFIG)
    except (OSError, YAMLError, OmegaConfBaseException) as error:
        raise ConfigError(f"{key}: its {CONFIG} cannot be read") from error
    wanted = {"environment", "policy", "seeds", "allow_targets"}
    if not isinstance(config, DictConfig) or not wanted <= set(config):
        raise ConfigError(f"{key}: its {CONFIG} is not one of a trained part's")
    try:
        check_targets(OmegaConf.merge(config, {"allow_targets": list(allowed)}))
    except ConfigError as error:
        raise ConfigError(f"{key}: {error}") from error
    return config


def _trained_in(config: DictConfig, seed: int, make: Make) -> EnvSpec:
    """What the expert's environment is like: one slot of it is made and closed."""
    if "slots" in config.environment:
        config.environment.slots = 1
    env = make(config, "environment", seeds=[seed])
    env.close()
    return env.spec


def _check_spec(key: str, trained: EnvSpec, here: EnvSpec) -> None:
    if trained.id != here.id:
        raise ConfigError(f"{key}: was trained in {trained.id}, not {here.id}; choose that one")
    for name in ("observation_shape", "action_kind", "actions"):
        theirs, mine = getattr(trained, name), getattr(here, name)
        if theirs != mine:
            words = name.replace("_", " ")
            raise ConfigError(f"{key}: its {trained.id} has {words} {theirs}, this one {mine}")


def _state(key: str, directory: Path) -> dict[str, Any]:
    try:
        state = load_checkpoint(directory)
    except RunFailed as error:
        raise ConfigError(f"{key}: its checkpoint cannot be read") from error
    if state is None:
        raise ConfigError(f"{key}: has no checkpoint yet; train it first")
    return state["module"]
