"""What a zeroth-order method needs beside an arm: a population, and an environment with room."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from omegaconf import DictConfig

from pgx.environments.base import Environment
from pgx.errors import ConfigError
from pgx.estimators.finite_difference import FiniteDifference
from pgx.estimators.reinforce import Reinforce
from pgx.estimators.utility import Utility
from pgx.names import parse_seeds
from pgx.optimizers.base import Learner
from pgx.optimizers.search import Search
from pgx.policies.base import Policy
from pgx.population import Common, Population

Make = Callable[..., Any]  #: (config, group, **arguments) to an ingredient; see `pgx.build`

MOST_NUMBERS = 2**28  #: parameters of all members of all replicas: 1 GiB
SEARCHES = "optimizer=cross_entropy, genetic, evolution_strategies or pattern_search"
INSTEAD = "estimator=finite_difference, or estimator=utility with optimizer=cross_entropy"


@dataclass(frozen=True)
class Crowd:
    """What takes the place of an arm's own.

    Args:
        actor: the population.
        env: with room for every member.
        optimizer: that knows the seeds, and what of ``[R, P]`` is to be searched.
    """

    actor: Population
    env: Environment
    optimizer: Callable[..., Learner]


def crowd_of(
    config: DictConfig,
    names: Sequence[str],
    estimator: Reinforce,
    optimizer: Callable[..., Learner],
    policy: Policy,
    seeds: Sequence[int],
    make: Make,
) -> Crowd | None:
    """The population that an arm measures; None for estimators that have a likelihood to go by.

    Args:
        config: resolved.
        names: ``policy=…``, ``estimator=…``, ``optimizer=…``, as the user would choose them.
        estimator: the arm's.
        optimizer: makes it from ``[R, P]``.
        policy: the arm's, at its start.
        seeds: one per replica.
        make: `pgx.build`'s way from a config to an ingredient.

    Raises:
        ConfigError: what the arm is made of does not fit together, or is too large.
    """
    flat, (acts, mine, theirs) = policy.flat.data, names
    if not policy.likelihood and getattr(estimator, "likelihood", True):
        works = "estimator=q_learning" if policy.action_values else INSTEAD
        raise ConfigError(f"{acts} {mine}: it has no likelihood; use {works}")
    searches = isinstance(optimizer(flat.new_zeros(1, 64)), Search)
    if searches:
        optimizer = partial(optimizer, seeds=tuple(seeds), free=policy.free)
    _check_pair(estimator, searches, mine, theirs)
    if not isinstance(estimator, Utility):
        return None
    method: Any = estimator if isinstance(estimator, FiniteDifference) else optimizer(flat.clone())
    _check_keys(config, mine, theirs, searches)
    members = estimator.members = (
        method.population(policy) if isinstance(estimator, FiniteDifference) else method.members
    )
    every = max(len(seeds), len(parse_seeds(config.seeds)))  # a check may be made with one of them
    _check_size(members, every, flat.shape[1], f"{mine} {theirs}")
    crowd = make(config, "policy", spec=policy.spec, seeds=[0] * (len(seeds) * members))
    actor = Population(crowd, len(seeds), method.common_noise)
    if method.common_noise:
        several = [seed for seed in seeds for _ in range(members)]
        env: Environment = Common(make(config, "environment", seeds=several), members)
    else:
        slots = config.environment.get("slots", 1) * members
        env = make(config, "environment", seeds=seeds, slots=slots)
    return Crowd(actor, env, optimizer)


def _check_pair(estimator: Reinforce, searches: bool, mine: str, theirs: str) -> None:
    plain = isinstance(estimator, Utility) and not isinstance(estimator, FiniteDifference)
    if searches and not plain:
        raise ConfigError(f"{mine} {theirs}: a search knows utilities only; use estimator=utility")
    if plain and not searches:
        raise ConfigError(
            f"{mine} {theirs}: utilities have no gradient; use {SEARCHES}, or "
            "estimator=finite_difference"
        )


def _check_keys(config: DictConfig, mine: str, theirs: str, searches: bool) -> None:
    if config.rollouts_reused != 1:
        raise ConfigError(
            f"rollouts_reused={config.rollouts_reused}: {mine} measures points anew in every "
            "iteration; choose 1"
        )
    if searches and config.max_grad_norm is not None:
        raise ConfigError(
            f"max_grad_norm={config.max_grad_norm}: {theirs} takes no gradient; choose null"
        )


def _check_size(members: int, replicas: int, width: int, who: str) -> None:
    if members * replicas * width > MOST_NUMBERS:
        raise ConfigError(
            f"{who}: {replicas} x {members:,} members of {width:,} parameters are over "
            f"{MOST_NUMBERS:,} numbers; choose a smaller policy, such as "
            "policy=categorical_linear, or fewer members or seeds"
        )
