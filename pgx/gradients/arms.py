"""Which estimator with which baseline: every combination built, set to estimate ∇J, and checked."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf, open_dict

from pgx.baselines.base import BaselineModel
from pgx.build import build, option
from pgx.config import check_targets, compose_config
from pgx.errors import ConfigError, check_number, suggest
from pgx.estimators.reinforce import Reinforce
from pgx.gradients.asked import Asked, Choice
from pgx.gradients.yardsticks import YARDSTICKS, yardstick
from pgx.module import Ingredients
from pgx.optimizers.search import Search
from pgx.paths import config_directory
from pgx.policies.base import Policy

#: Keys that decide what an estimate is an estimate of; so set, it is of ∇J.
OF_THE_OBJECTIVE: dict[str, Any] = {
    "horizon": None,
    "time_limit": "end",
    "discount_weighting": True,
    "entropy_coefficient": 0.0,
    "normalize_advantage": False,
}
ESTIMATORS = ("reinforce", "reward_to_go", "td", "gae")  #: without ``--estimators``
BASELINES = ("none", "leave_one_out", "value")  #: without ``--baselines``; and exact_value


Kind = tuple[str, float, str, str | None]


@dataclass
class Arm:
    """An estimator with a baseline, at one θ.

    Attributes:
        estimator_label: as the user would name it.
        baseline_label: as the user would name it.
        estimator: what weighs the scores.
        baseline: what it subtracts.
        policy: R = 1, at θ; the one that the baseline was built beside.
        parts: everything that was built, for the optimizer of a baseline that learns.
        unit: trajectories of one draw: 1, or the batch N where trajectories are compared.
    """

    estimator_label: str
    baseline_label: str
    estimator: Reinforce
    baseline: BaselineModel
    policy: Policy
    parts: Ingredients
    unit: int

    @property
    def label(self) -> str:
        return f"{self.estimator_label} × {self.baseline_label}"

    @property
    def kind(self) -> Kind:
        """Arms that agree in it have baselines that learn and answer alike."""
        serves = self.estimator_label if self.baseline.per_parameter else None
        return self.baseline_label, self.estimator.discount, self.estimator.time_limit, serves


def combine(
    config: DictConfig, asked: Asked, seed: int, tabular: bool
) -> tuple[list[Arm], list[str]]:
    """Every combination that fits, built for one seed.

    Args:
        config: of the environment, the policy, γ, and the options' own keys.
        asked: which options, with which changes.
        seed: whose policy.
        tabular: whether V is known.

    Returns:
        The arms, and a line about each combination that does not fit.

    Raises:
        ConfigError: an option that does not exist or cannot be measured, or nothing fits.
    """
    batch = int(config.environment.slots)
    estimators = asked.estimators or tuple(map(Choice, ESTIMATORS))
    names = [name for name in BASELINES if batch > 1 or name != "leave_one_out"]
    named = tuple(map(Choice, [*names, *(["exact_value"] if tabular else [])]))
    baselines = asked.baselines or named
    first = [(one, _estimator(config, asked, one)) for one in estimators]
    second = [(one, _baseline(config, asked, one)) for one in baselines]
    arms, notes = [], []
    for mine, estimator in first:
        for theirs, baseline in second:
            if reason := _misfit(estimator, baseline, theirs):
                notes.append(f"{mine.label} × {theirs.label} is left out: {reason}")
            else:
                arms.append(_arm(config, seed, (mine, estimator), (theirs, baseline)))
    if not arms:
        raise ConfigError(f"--baselines: nothing fits; {notes[0]}")
    return arms, notes if asked.baselines or asked.estimators else []


def _estimator(config: DictConfig, asked: Asked, choice: Choice) -> DictConfig:
    """The option's keys: of the file or the config, set to ∇J, then as the user wants them."""
    node = _node(config, asked, "estimator", choice.name)
    kind = get_object(str(node["_target_"]))
    if not getattr(kind, "scores", False) or kind.__call__ is not Reinforce.__call__:
        raise ConfigError(
            f"--estimators={choice.name}: its mean is no ∇J, or no mean over trajectories; choose "
            "reinforce, reward_to_go, td, n_step, gae, or one of your own that changes advantage()"
        )
    for key, value in {**OF_THE_OBJECTIVE, "discount": discount_of(config)}.items():
        if key in node:
            node[key] = value
    typed = [pair for pair in _typed(asked, "estimator") if not _of_training(asked, pair[0])]
    for key, value in [*typed, *choice.changes]:
        if key in node or (key, value) in choice.changes:
            _set(node, "--estimators", choice, key, value)
    if node.get("horizon") is not None:
        raise ConfigError(
            f"estimator.horizon={node.horizon}: gradients are measured on complete episodes; "
            "leave it out"
        )
    if node.get("entropy_coefficient", 0.0) != 0.0:
        raise ConfigError("estimator.entropy_coefficient: the bonus is no part of ∇J; leave it out")
    return node


def _baseline(config: DictConfig, asked: Asked, choice: Choice) -> DictConfig | None:
    """The option's keys, or None for a yardstick."""
    if choice.name in YARDSTICKS:
        return None
    node = _node(config, asked, "baseline", choice.name)
    for key, value in [*_typed(asked, "baseline"), *choice.changes]:
        if key in node or (key, value) in choice.changes:
            _set(node, "--baselines", choice, key, value)
    return node


def _node(config: DictConfig, asked: Asked, group: str, name: str) -> DictConfig:
    """A copy of the config's own option if it is this one, else of the option's file."""
    node = config[group] if option(config, group) == f"{group}={name}" else None
    if node is None:
        node = _plain_file(asked, group, name)
    if node is None:
        try:
            node = compose_config([f"{group}={name}"], asked.directories)[group]
        except ConfigError as error:
            known = f"; or {', '.join(YARDSTICKS)}" if group == "baseline" else ""
            raise ConfigError(f"--{group}s: {error}{known}") from error
    node = copy.deepcopy(node)
    OmegaConf.set_struct(node, False)
    named = {"_target_": node.get("_target_")}  # without interpolations, which have no root here
    check_targets(OmegaConf.create({"allow_targets": config.allow_targets, group: named}))
    return node


def _plain_file(asked: Asked, group: str, name: str) -> DictConfig | None:
    """The option's file, if it is one of pgx's: there is nothing in it to compose."""
    path = config_directory() / group / f"{name}.yaml"
    if not re.fullmatch(r"\w+", name) or not path.is_file():
        return None
    node = OmegaConf.load(path)
    return node if isinstance(node, DictConfig) else None


def _typed(asked: Asked, group: str) -> Iterator[tuple[str, Any]]:
    """``group.KEY=VALUE`` of the command line."""
    for one in OverridesParser.create().parse_overrides(list(asked.overrides)):
        key = str(one.key_or_group)
        if key.startswith(f"{group}.") and not one.is_delete():
            yield key.removeprefix(f"{group}."), one.value()


def _of_training(asked: Asked, key: str) -> bool:
    """Whether a typed key says how to train on the way, not what to measure."""
    return asked.along is not None and key.split(".")[0] in ("horizon", "entropy_coefficient")


def _set(node: DictConfig, flag: str, choice: Choice, key: str, value: Any) -> None:
    if key.split(".")[0] not in node:
        keys = [str(one) for one in node if one != "_target_"]
        raise ConfigError(f"{flag}={choice.label}: {key} is not a key: {suggest(key, keys)}")
    OmegaConf.update(node, key, value)


def _misfit(estimator: DictConfig, baseline: DictConfig | None, choice: Choice) -> str | None:
    """Why the two do not go together, or None if they do."""
    needs = get_object(str(estimator["_target_"]))
    gives = YARDSTICKS[choice.name] if baseline is None else get_object(str(baseline["_target_"]))
    if needs.needs_value and not gives.predicts:
        return "it needs a baseline that predicts"
    if gives.per_parameter and not needs.per_parameter:
        return "only reinforce and reward_to_go take a baseline per parameter"
    return None


def _arm(
    config: DictConfig,
    seed: int,
    estimator: tuple[Choice, DictConfig],
    baseline: tuple[Choice, DictConfig | None],
) -> Arm:
    (mine, first), (theirs, second) = estimator, baseline
    whole = copy.deepcopy(config)
    with open_dict(whole):
        whole.estimator = first
        whole.baseline = _placeholder(first) if second is None else second
        if issubclass(get_object(str(whole.optimizer["_target_"])), Search):
            whole.optimizer = _file("optimizer", "adam")  # a search cannot fit a baseline
        whole.updates = "rollout"
        for key in ("discount", "time_limit"):
            if key in whole.baseline and key in first:
                whole.baseline[key] = first[key]
    parts = build(whole, [seed])
    parts.env.close()
    made = parts.baseline
    if second is None:
        made = yardstick(theirs, parts, float(first.get("discount", 1.0)))
    batch = int(config.environment.slots)
    compares = made.least_slots > 1 and getattr(made, "source", None) != "held_out"
    unit = batch if compares or parts.estimator.normalize_advantage else 1
    return Arm(mine.label, theirs.label, parts.estimator, made, parts.policy, parts, unit)


def _placeholder(estimator: DictConfig) -> DictConfig:
    """What a yardstick is built in the place of."""
    needs = get_object(str(estimator["_target_"])).needs_value
    return _file("baseline", "value" if needs else "none")


def _file(group: str, name: str) -> DictConfig:
    """An option of pgx's own, as its file has it."""
    node = OmegaConf.load(config_directory() / group / f"{name}.yaml")
    assert isinstance(node, DictConfig)
    return node


def discount_of(config: DictConfig) -> float:
    """γ of ∇J, the config's estimator's.

    Raises:
        ConfigError: it has none.
    """
    if "discount" not in config.estimator:
        known = "choose one that has, such as estimator=reward_to_go"
        raise ConfigError(f"{option(config, 'estimator')} has no discount: {known}")
    check_number("estimator.discount", config.estimator.discount, least=0.0, most=1.0)
    return float(config.estimator.discount)


@torch.no_grad()
def move(arms: Sequence[Arm], theta: torch.Tensor) -> None:
    """Set every arm's policy to θ ``[1, P]``."""
    for arm in arms:
        arm.policy.flat.copy_(theta)
