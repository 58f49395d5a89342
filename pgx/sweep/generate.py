"""Arms by rule: grids, zipped values, leave one out, one at a time; pure, names included.

A generated arm is called ``key=value`` of every key that its rule varies, joined by ``_`` and
preceded by the arm that it starts from: ``a2c_entropy_coefficient=0.01``. Of a key its shortest
tail is used that no other key varied by the study's rules ends with: ``learning_rate``, but
``optimizer.learning_rate`` where ``baseline.learning_rate`` is varied as well. What a leave-one-out
makes is called ``<from>_no_<part>``.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pgx.errors import ConfigError, suggest
from pgx.names import check_arm_name, slug
from pgx.sweep.overrides import listed, spelt

RULES = ("grid", "zip", "leave_one_out", "one_at_a_time")
MOST_ARMS = 1000  #: of a study


@dataclass(frozen=True)
class Arm:
    """An arm of a study file.

    Args:
        name: slug.
        overrides: that make it, without the study's base.
        label: how it is written for people; None: as its name.
    """

    name: str
    overrides: tuple[str, ...]
    label: str | None = None


@dataclass(frozen=True)
class Rule:
    """An entry of ``generate``, checked but not yet carried out.

    Args:
        where: it stands, for messages.
        kind: of `RULES`.
        origin: the arm that it starts from; None: the study's base.
        values: key to values, of all kinds but leave_one_out.
        parts: name to overrides, of leave_one_out.
    """

    where: str
    kind: str
    origin: str | None
    values: Mapping[str, Sequence[Any]]
    parts: Mapping[str, tuple[str, ...]]


def generate(entries: Any, arms: Sequence[Arm]) -> list[Arm]:
    """The arms of a study: those written out, then those of every rule, in order.

    Args:
        entries: what stands under ``generate``.
        arms: those written out.

    Raises:
        ConfigError: a rule that does not hold together, an arm it starts from that is not there,
            or two arms of one name.
    """
    if not isinstance(entries, list):
        raise ConfigError("study.generate: give a list of rules, such as - grid: {KEY: [1, 2]}")
    rules = [_rule(f"study.generate[{place}]", entry) for place, entry in enumerate(entries)]
    short = tails([key for rule in rules for key in rule.values])
    known = {arm.name: arm for arm in arms}
    for rule in rules:
        if rule.origin is not None and rule.origin not in known:
            raise ConfigError(
                f"{rule.where}.{rule.kind}: from={rule.origin} is no arm before it: "
                f"{suggest(rule.origin, known)}"
            )
        start = known[rule.origin].overrides if rule.origin is not None else ()
        for words, overrides in _carried_out(rule, short):
            name = "_".join([*([rule.origin] if rule.origin is not None else []), *words])
            check_arm_name(f"{rule.where}: an arm", name)
            if name in known:
                raise ConfigError(f"{rule.where}: there are two arms {name}; take one out")
            known[name] = Arm(name, (*start, *overrides))
            if len(known) > MOST_ARMS:
                raise ConfigError(f"{rule.where}: a study has at most {MOST_ARMS:,} arms")
    return list(known.values())


def tails(keys: Sequence[str]) -> dict[str, str]:
    """Every key's shortest tail that no other one ends with.

    Args:
        keys: dotted, such as ``estimator.discount``.
    """
    found = {}
    for key in keys:
        words, others = key.split("."), {other for other in keys if other != key}
        lengths = range(1, len(words) + 1)
        ends = (".".join(words[-n:]) for n in lengths)
        free = (end for end in ends if not any(f".{o}".endswith(f".{end}") for o in others))
        found[key] = next(free, key)
    return found


def _carried_out(
    rule: Rule, short: Mapping[str, str]
) -> Iterator[tuple[list[str], tuple[str, ...]]]:
    """The words of each arm's name, and the overrides that it adds."""
    if rule.kind == "leave_one_out":
        for name, overrides in rule.parts.items():
            yield [f"no_{name}"], overrides
        return
    keys = list(rule.values)
    if rule.kind == "one_at_a_time":
        for key in keys:
            for value in rule.values[key]:
                yield [_word(short[key], value)], (f"{key}={spelt(value)}",)
        return
    columns = [rule.values[key] for key in keys]
    rows = itertools.product(*columns) if rule.kind == "grid" else zip(*columns, strict=True)
    for row in rows:
        chosen = list(zip(keys, row, strict=True))
        yield (
            [_word(short[key], value) for key, value in chosen],
            tuple(f"{key}={spelt(value)}" for key, value in chosen),
        )


def _word(tail: str, value: Any) -> str:
    return f"{slug(tail.lstrip('+'))}={slug(spelt(value).replace(',', '-'))}"


def _rule(where: str, entry: Any) -> Rule:
    """An entry of ``generate``: one rule, which may say the arm that it starts from."""
    kind = _kind(where, entry)
    where_in, body = f"{where}.{kind}", {"from": entry.get("from"), **entry[kind]}
    origin = body.pop("from")
    values: Any = body
    wanted = {"leave_one_out": "parts", "one_at_a_time": "values"}.get(kind)
    if wanted is not None:
        for key in body:
            if key != wanted:
                raise ConfigError(f"{where_in}.{key} is not a key: choose one of: from, {wanted}")
        where_in, values = f"{where_in}.{wanted}", body.get(wanted)
    if not isinstance(values, Mapping) or not values:
        raise ConfigError(f"{where_in}: give at least one key")
    origin = None if origin is None else str(origin)
    if kind == "leave_one_out":
        if origin is None:
            raise ConfigError(f"{where}.{kind}: from is needed: the arm that has every part")
        parts = {str(n): listed(f"{where_in}.{n}", value) for n, value in values.items()}
        return Rule(where, kind, origin, {}, parts)
    columns = {str(key): _values(f"{where_in}.{key}", str(key), v) for key, v in values.items()}
    if kind == "zip" and len({len(column) for column in columns.values()}) > 1:
        counted = ", ".join(f"{key} has {len(column)}" for key, column in columns.items())
        raise ConfigError(f"{where_in}: every key needs as many values as the others; {counted}")
    return Rule(where, kind, origin, columns, {})


def _kind(where: str, entry: Any) -> str:
    """Which rule an entry is."""
    if not isinstance(entry, Mapping) or not entry:
        raise ConfigError(f"{where}: give a rule, such as grid: {{KEY: [1, 2]}}")
    for key in entry:
        if key not in (*RULES, "from"):
            raise ConfigError(f"{where}.{key} is not a rule: {suggest(str(key), RULES)}")
    kinds = [str(key) for key in entry if key in RULES]
    if len(kinds) != 1:
        raise ConfigError(f"{where}: give one of {', '.join(RULES)}, each in an entry of its own")
    if not isinstance(entry[kinds[0]], Mapping):
        raise ConfigError(f"{where}.{kinds[0]}: give its keys, such as {{KEY: [1, 2]}}")
    return kinds[0]


def _values(where: str, key: str, values: Any) -> list[Any]:
    """The values of a key, each of which makes an override that an arm may have."""
    if not isinstance(values, list) or not values:
        raise ConfigError(f"{where}: give a list of values, such as [0.9, 0.99]")
    for value in values:
        listed(where, f"{key}={spelt(value)}")
    return values
