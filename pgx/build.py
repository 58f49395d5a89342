"""From a resolved config to the ingredients of an arm, checked against one another."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from pgx.baselines.base import BaselineModel
from pgx.baselines.none import NoBaseline
from pgx.crowd import crowd_of
from pgx.diagnostics import GradientDiagnostics
from pgx.environments.base import Environment
from pgx.errors import ConfigError, check_choice, check_flag, check_number, suggest
from pgx.estimators.behaviour_cloning import BehaviourCloning
from pgx.estimators.exact import Exact
from pgx.estimators.reinforce import Reinforce
from pgx.evaluation import Evaluation, Protocol, evaluation_seeds, slots_at_once
from pgx.expert import load_expert
from pgx.module import Ingredients
from pgx.normalization import Normalization
from pgx.optimizers.base import Learner
from pgx.policies.base import Policy
from pgx.tracking.account import check_tracker
from pgx.types import EnvSpec
from pgx.updates import check_updates, updates_of


def build(config: DictConfig, seeds: Sequence[int]) -> Ingredients:
    """Instantiate every ingredient for these seeds.

    Raises:
        ConfigError: one that does not exist, does not take its options, or does not fit the others.
    """
    env = _make(config, "environment", seeds=seeds)
    try:
        estimator, optimizer = _make(config, "estimator"), _make(config, "optimizer")
        _check_optimizer(optimizer, config)
        check_updates(updates_of(config), estimator, option(config, "estimator"))
        policy = _make(config, "policy", spec=env.spec, seeds=seeds)
        names = [option(config, group) for group in ("policy", "estimator", "optimizer")]
        crowd = crowd_of(config, names, estimator, optimizer, policy, seeds, _make)
        if crowd is not None:
            env.close()
            env, optimizer = crowd.env, crowd.optimizer
        baseline = _make(config, "baseline", spec=env.spec, seeds=seeds)
        if isinstance(baseline, BaselineModel):
            baseline.attach(policy)
        normalization = _normalization(config, env, estimator)
        acts = crowd.actor if crowd else _behaviour(config, env, estimator)
        found = _diagnostics(config, env, estimator)
        parts = Ingredients(env, policy, estimator, baseline, optimizer, normalization, acts, found)
        _check_fit(parts, config)
    except BaseException:
        env.close()
        raise
    return parts


def build_evaluation(config: DictConfig, parts: Ingredients, seeds: Sequence[int]) -> Evaluation:
    """What plays beside training, as ``evaluation`` says, with draws of its own."""
    spec = parts.env.spec
    protocol = Protocol.of(config.evaluation, spec)
    own, slots = evaluation_seeds(seeds, "training"), evaluation_slots(config, spec, protocol)
    env = build_environment(config, own, slots)
    return Evaluation(parts.policy, env, protocol, parts.normalization)


def evaluation_slots(config: DictConfig, spec: EnvSpec, protocol: Protocol) -> int:
    """How many episodes are played at once; no more worker processes than training has."""
    if config.environment.get("vectorization") == "async":
        return slots_at_once(spec, protocol.episodes, config.environment.slots)
    return slots_at_once(spec, protocol.episodes)


def build_environment(config: DictConfig, seeds: Sequence[int], slots: int) -> Environment:
    """The environment alone, with these slots instead of the config's."""
    made: Environment = _make(config, "environment", seeds=seeds, slots=slots)
    return made


def build_policy(config: DictConfig, spec: EnvSpec, seeds: Sequence[int]) -> Policy:
    """The policy alone, for an environment of this kind."""
    made: Policy = _make(config, "policy", spec=spec, seeds=seeds)
    return made


def option(config: DictConfig, group: str) -> str:
    """``group=name``, as the user would choose what is configured."""
    return f"{group}={str(config[group].get('_target_')).split('.')[-2]}"


def _make(config: DictConfig, group: str, **arguments: Any) -> Any:
    node = config[group]
    if not OmegaConf.is_dict(node) or "_target_" not in node:
        raise ConfigError(f"{group}: choose one, such as {group}=NAME; it has no _target_")
    plain = OmegaConf.to_container(node, resolve=True)
    assert isinstance(plain, dict)
    try:
        make = instantiate({**plain, "_partial_": True}, _convert_="all")
    except InstantiationException as error:
        line = " ".join(str(error).split())
        raise ConfigError(f"{group}._target_={node['_target_']}: {line}") from error
    if plain.get("_partial_"):
        return make
    try:
        return make(**arguments)
    except TypeError as error:
        raise ConfigError(_signature(group, error, node)) from error


def _normalization(
    config: DictConfig, env: Environment, estimator: Reinforce
) -> Normalization | None:
    """The running statistics that the config asks for, or None if it asks for none."""
    keys = OmegaConf.to_container(config.normalization, resolve=True)
    assert isinstance(keys, dict)
    sizes = (env.spec, env.replicas, env.slots)
    discount = getattr(estimator, "discount", 1.0)
    made = Normalization(*sizes, discount, **{str(key): value for key, value in keys.items()})
    return made if made.observations or made.returns else None


def _diagnostics(config: DictConfig, env: Environment, estimator: Reinforce) -> GradientDiagnostics:
    """What is measured beside training."""
    keys = config.get("diagnostics") or {}  # which configs of earlier versions do not have
    made = GradientDiagnostics(keys.get("gradient_every"))
    asked = f"diagnostics.gradient_every={made.every}"
    if made.every is not None and not getattr(estimator, "scores", True):
        raise ConfigError(
            f"{asked}: {option(config, 'estimator')} has no estimate from single trajectories; "
            "choose null"
        )
    if made.every is not None and env.slots < 2:
        raise ConfigError(f"{asked}: a variance needs environment.slots of at least 2")
    return made


def _behaviour(config: DictConfig, env: Environment, estimator: Reinforce) -> Policy | None:
    """Who acts, if it is not the policy that learns: the expert that is to be copied."""
    if not isinstance(estimator, BehaviourCloning):
        return None
    return load_expert(estimator, env.spec, env.replicas, config.allow_targets, _make)


def _signature(group: str, error: TypeError, node: DictConfig) -> str:
    """A wrong argument of a constructor, as one line about a key."""
    text = " ".join(str(error).split())
    if found := re.search(r"unexpected keyword argument '(\w+)'", text):
        keys = [str(key) for key in node if key not in (found[1], "_target_", "_partial_")]
        works = suggest(found[1], keys or ["none"])
        if not works.startswith("did you mean"):
            works += f"; a preset's is taken out by ~{group}.{found[1]}"
        return f"{group}.{found[1]} is not a key: {works}"
    if found := re.search(r"missing .* argument[s]?: (.+)", text):
        return f"{group}: the key {found[1]} is missing; add it as +{group}.KEY=VALUE"
    return f"{group}: a value has the wrong type ({text}); see conf/{group}/"


def _check_fit(parts: Ingredients, config: DictConfig) -> None:
    estimator, baseline = parts.estimator, parts.baseline
    if not isinstance(estimator, Reinforce):
        raise ConfigError(f"{config.estimator._target_}: must be a subclass of Reinforce")
    estimator.attach(parts.policy, parts.env)
    mine, theirs = option(config, "estimator"), option(config, "baseline")
    if not estimator.scores and not isinstance(baseline, NoBaseline):
        raise ConfigError(f"{mine} {theirs}: no return weighs a score here; use baseline=none")
    if baseline.per_parameter:
        _check_per_parameter(parts, mine, theirs)
        baseline.serve(parts.policy, estimator)
    if estimator.needs_value and not baseline.predicts:
        raise ConfigError(f"{mine} {theirs}: it needs a baseline that predicts; use baseline=value")
    if parts.normalization is not None and isinstance(estimator, Exact):
        raise ConfigError(f"normalization: {mine} knows the environment as it is; leave it out")
    if parts.behaviour is not None and not isinstance(baseline, NoBaseline):
        raise ConfigError(f"{mine} {theirs}: a copy weighs every row alike; use baseline=none")
    if estimator.time_limit == "bootstrap" and not baseline.predicts and estimator.scores:
        raise ConfigError(
            f"estimator.time_limit=bootstrap needs baseline=value, not {theirs}: "
            "choose estimator.time_limit=end"
        )
    if baseline.needs_episodes and estimator.horizon is not None:
        raise ConfigError(
            f"{theirs} compares complete episodes, {mine} collects {estimator.horizon} decisions: "
            "choose estimator.horizon=null, or estimator=reward_to_go"
        )
    if parts.env.slots < baseline.least_slots:
        raise ConfigError(
            f"environment.slots={parts.env.slots}: {theirs} needs at least {baseline.least_slots}"
        )


def _check_per_parameter(parts: Ingredients, mine: str, theirs: str) -> None:
    """What takes another baseline for each parameter: scores that are weighted one by one."""
    if not parts.estimator.per_parameter:
        raise ConfigError(
            f"{mine} {theirs}: only the scores of whole trajectories take a baseline per "
            "parameter; use estimator=reinforce or estimator=reward_to_go"
        )
    if parts.estimator.normalize_advantage:
        raise ConfigError(
            f"estimator.normalize_advantage=true: {theirs} is subtracted after it; choose false"
        )


def _check_optimizer(optimizer: Any, config: DictConfig) -> None:
    """Try the optimizer on a scrap: refuse one that may mix replicas, or takes other options."""
    group = "optimizer"
    if not config.optimizer.get("_partial_"):
        raise ConfigError(f"{group}._partial_: must be true, the parameters come from the policy")
    target = config[group]["_target_"]
    try:
        trial = optimizer(torch.zeros(1, 64))
    except TypeError as error:
        if str(target).startswith("torch.optim."):
            raise ConfigError(_foreign(target)) from error
        raise ConfigError(_signature(group, error, config[group])) from error
    except ValueError as error:
        raise error if isinstance(error, ConfigError) else ConfigError(_foreign(target)) from error
    acts = getattr(trial, "acts", None)
    if not isinstance(trial, Learner) or acts not in ("elementwise", "per_replica"):
        raise ConfigError(_foreign(target))


def _foreign(target: str) -> str:
    return (
        f"optimizer._target_={target} does not say that it keeps replicas apart: use "
        "optimizer=adam or optimizer=sgd, or a subclass of pgx.optimizers.base.Optimizer"
    )


def check_machine(config: DictConfig) -> None:
    """Check the keys that speak of this machine and of the run as a whole.

    Raises:
        ConfigError: with what would work.
    """
    check_number("decisions", config.decisions, least=1, whole=True)
    check_number("rollouts_reused", config.rollouts_reused, least=1, most=1000, whole=True)
    check_choice("updates", updates_of(config), ("rollout", "decision"))
    if config.max_grad_norm is not None:
        check_number("max_grad_norm", config.max_grad_norm, above=0.0)
    check_number("checkpoint_every", config.checkpoint_every, least=0.0)
    check_tracker(config)
    check_choice("allocator", config.allocator, ("tuned", "default"))
    if config.threads is not None and (
        type(config.threads) is not int or config.threads not in (1, 2)
    ):
        raise ConfigError(
            f"threads={config.threads}: choose 1 or 2; a part gains little from more, so split "
            "its seeds over processes instead"
        )
    for key in ("resume", "replace"):
        check_flag(key, config[key])
    if config.resume and config.replace:
        raise ConfigError("resume=true and replace=true: choose one")
    _check_device(str(config.device))
    if not isinstance(config.output, str) or not config.output or config.output.startswith("~"):
        raise ConfigError(f"output={config.output}: give a folder, without ~")
    _check_output(Path(config.output))


def _check_device(name: str) -> None:
    match = re.fullmatch(r"cpu|cuda(?::(\d+))?", name)
    count = torch.cuda.device_count()
    here = f"this machine has {count} CUDA device{'' if count == 1 else 's'}"
    works = "choose cpu" + (f", or cuda:0 to cuda:{count - 1}" if count else "")
    if match is None or (name != "cpu" and int(match[1] or 0) >= count):
        raise ConfigError(f"device={name}: {here}; {works}")


def _check_output(path: Path) -> None:
    existing = path
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    kernel = Path("/proc"), Path("/sys")  # no files, whatever their permissions say
    inside = any(existing.resolve().is_relative_to(place) for place in kernel)
    if inside or not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise ConfigError(f"output={path}: {existing} cannot be written to; choose another folder")
