"""``conf/study/NAME.yaml`` as what it means: a question, arms, environments; every mistake a line.

Nothing here composes a config: whether an arm's overrides fit, `pgx.sweep.plan` finds out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from pgx.errors import ConfigError, check_choice, check_number, suggest
from pgx.names import check_arm_name, check_name, parse_seeds
from pgx.study import KEYS, METRICS
from pgx.sweep.generate import Arm, generate
from pgx.sweep.overrides import listed, pairs

LAST = 100  #: episodes in a point of a learning curve, where the study says nothing
_PLACE_KEYS = ("decisions", "low", "high", "overrides")
_ARM_KEYS = ("label", "overrides")


@dataclass(frozen=True)
class Setting:
    """An environment as a study file gives it.

    Args:
        option: of the group ``environment``.
        decisions: budget of every replica; None: the study's.
        low: return that counts as 0 where environments are aggregated; None: none is given.
        high: return that counts as 1.
        overrides: of every arm here.
    """

    option: str
    decisions: int | None
    low: float | None
    high: float | None
    overrides: tuple[str, ...]


@dataclass(frozen=True)
class StudyFile:
    """What a study file says, generators carried out.

    Args:
        name: directory of the runs, below output.
        question: one sentence.
        prediction: what is expected.
        reference: the arm that the others are held against.
        metric: a key of `pgx.study.METRICS`.
        last: episodes in a point of a learning curve and in the final return.
        seeds: one per replica; None: the command line has to say.
        base: overrides of every arm.
        arms: in order, without those that are left out everywhere.
        settings: environments, in order.
        excluded: ``(arm, option, why)`` of the combinations left out, the arms above and others.
    """

    name: str
    question: str
    prediction: str
    reference: str
    metric: str
    last: int
    seeds: tuple[int, ...] | None
    base: tuple[str, ...]
    arms: tuple[Arm, ...]
    settings: tuple[Setting, ...]
    excluded: tuple[tuple[str, str, str], ...]


def read_file(node: Mapping[str, Any]) -> StudyFile:
    """What the plain values of a study's config node mean.

    Args:
        node: the group ``study``, resolved.

    Raises:
        ConfigError: a key that is unknown, missing, or does not hold together with the others.
    """
    for key in node:
        if key not in KEYS:
            raise ConfigError(f"study.{key} is not a key: {suggest(str(key), KEYS)}")
    name = check_name("study.name", node.get("name", ""))
    base = listed("study.base", node.get("base"))
    arms = generate(node.get("generate") or [], _arms(node.get("arms")))
    if not arms:
        raise ConfigError(f"study={name}: has no arms; give arms: {{NAME: [overrides]}}")
    settings = _settings(node)
    excluded = _excluded(node.get("exclude") or [], base, arms, settings)
    gone = {(arm, option) for arm, option, _ in excluded}
    left = [a for a in arms if any((a.name, s.option) not in gone for s in settings)]
    reference = str(_needed(node, "reference", "the arm that the others are held against"))
    if reference not in [arm.name for arm in left]:
        raise ConfigError(
            f"study.reference={reference} is no arm: {suggest(reference, [a.name for a in left])}"
        )
    metric, last = node.get("metric", "area"), node.get("last", LAST)
    check_choice("study.metric", metric, METRICS)
    check_number("study.last", last, least=1, most=1_000_000, whole=True)
    return StudyFile(
        name=name,
        question=_text(node, "question"),
        prediction=_text(node, "prediction"),
        reference=reference,
        metric=metric,
        last=last,
        seeds=_seeds(node.get("seeds")),
        base=base,
        arms=tuple(left),
        settings=settings,
        excluded=excluded,
    )


def _needed(node: Mapping[str, Any], key: str, what: str) -> Any:
    if node.get(key) is None:
        raise ConfigError(f"study.{key} is needed: {what}")
    return node[key]


def _text(node: Mapping[str, Any], key: str) -> str:
    text = node.get(key) or ""
    if not isinstance(text, str):
        raise ConfigError(f"study.{key}={text}: give a text, in quotes")
    return " ".join(text.split())


def _seeds(value: Any) -> tuple[int, ...] | None:
    if value is None:
        return None
    try:
        return parse_seeds(value)
    except ConfigError as error:
        raise ConfigError(f"study.{error}") from error


def _arms(node: Any) -> list[Arm]:
    """The arms that are written out: an override, a list, or a mapping with a label."""
    if not isinstance(node or {}, Mapping):
        raise ConfigError("study.arms: give a mapping, NAME: [overrides]")
    found = []
    for key, entry in (node or {}).items():
        where, label = f"study.arms.{key}", None
        check_arm_name("study.arms: the name", key)
        if isinstance(entry, Mapping):
            for inner in entry:
                if inner not in _ARM_KEYS:
                    raise ConfigError(f"{where}.{inner} is not a key: {suggest(inner, _ARM_KEYS)}")
            label, where = entry.get("label"), f"{where}.overrides"
            entry = entry.get("overrides")
            if label is not None and (not isinstance(label, str) or not label.strip()):
                raise ConfigError(f"study.arms.{key}.label={label}: give a text, in quotes")
        label = " ".join(label.split()) if label else None
        found.append(Arm(str(key), listed(where, entry), label))
    return found


def _settings(node: Mapping[str, Any]) -> tuple[Setting, ...]:
    """The study's environments."""
    entries = _needed(node, "environments", "name them, such as {cartpole: {}}")
    if not isinstance(entries, Mapping) or not entries:
        raise ConfigError("study.environments: give a mapping, such as {cartpole: {}}")
    return tuple(_setting(str(option), entry or {}, node) for option, entry in entries.items())


def _setting(option: str, entry: Any, node: Mapping[str, Any]) -> Setting:
    where = f"study.environments.{option}"
    if not isinstance(entry, Mapping):
        raise ConfigError(f"{where}={entry}: give its keys, such as {{low: 0, high: 500}}")
    for key in entry:
        if key not in _PLACE_KEYS:
            raise ConfigError(f"{where}.{key} is not a key: {suggest(str(key), _PLACE_KEYS)}")
    low, high = entry.get("low"), entry.get("high")
    if (low is None) != (high is None):
        given, other = ("low", "high") if high is None else ("high", "low")
        raise ConfigError(f"{where}: gives {given}, so {other} is needed as well")
    if low is not None:
        check_number(f"{where}.low", low)
        check_number(f"{where}.high", high, above=low)
    key = f"{where}.decisions" if entry.get("decisions") is not None else "study.decisions"
    decisions = entry.get("decisions") if key.startswith(where) else node.get("decisions")
    if decisions is not None:
        check_number(key, decisions, least=1, whole=True)
    overrides = listed(f"{where}.overrides", entry.get("overrides"))
    if low is None or high is None:
        return Setting(option, decisions, None, None, overrides)
    return Setting(option, decisions, float(low), float(high), overrides)


def _excluded(
    entries: Any, base: Sequence[str], arms: Sequence[Arm], settings: Sequence[Setting]
) -> tuple[tuple[str, str, str], ...]:
    """The combinations that some entry of ``exclude`` speaks of, each with the first such entry."""
    if not isinstance(entries, list) or not all(isinstance(e, Mapping) and e for e in entries):
        raise ConfigError("study.exclude: give a list of mappings, such as - {arm: NAME}")
    sets = {arm.name: pairs([*base, *arm.overrides]) for arm in arms}
    matched: dict[tuple[str, str], str] = {}
    for place, entry in enumerate(entries):
        options = [s.option for s in settings if _fits(entry.get("environment"), s.option)]
        names = [a.name for a in arms if _fits(entry.get("arm"), a.name)]
        keys = {key: v for key, v in entry.items() if key not in ("arm", "environment", "why")}
        names = [name for name in names if all(_set(sets[name], k, v) for k, v in keys.items())]
        if not names or not options:
            shown = ", ".join(f"{key}: {value}" for key, value in entry.items())
            what = "environment" if names else "arm"
            choices = [s.option for s in settings] if names else [a.name for a in arms]
            word = str(entry.get(what, ""))
            raise ConfigError(
                f"study.exclude[{place}] ({shown}) fits no {what}: {suggest(word, choices)}"
            )
        why = entry.get("why") or ", ".join(f"{key}={value}" for key, value in entry.items())
        for name in names:
            for option in options:
                matched.setdefault((name, option), " ".join(str(why).split()))
    return tuple((name, option, why) for (name, option), why in matched.items())


def _fits(pattern: Any, name: str) -> bool:
    """Whether a name is meant: no pattern means every name."""
    return pattern is None or fnmatchcase(name, re.sub(r"\[", "[[]", str(pattern)))


def _set(pairs_of_arm: Mapping[str, Any], key: str, value: Any) -> bool:
    return key in pairs_of_arm and bool(pairs_of_arm[key] == value)
