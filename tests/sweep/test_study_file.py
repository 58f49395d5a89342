"""What a study file means, and every mistake in it as one line that names the key."""

from __future__ import annotations

from typing import Any

import pytest

from pgx.errors import ConfigError
from pgx.sweep.generate import Arm
from pgx.sweep.study_file import LAST, Setting, read_file


def node(**changed: Any) -> dict[str, Any]:
    """The plain values of a small study, with some of them changed; None takes one out."""
    plain: dict[str, Any] = {
        "name": "ladder",
        "question": "Does  a\nbaseline help?",
        "prediction": "Yes.",
        "reference": "plain",
        "metric": "final",
        "last": 50,
        "seeds": "0-4",
        "decisions": 1000,
        "base": "threads=1",
        "arms": {
            "plain": "experiment=reinforce",
            "value": ["experiment=reinforce", "baseline=value"],
            "td": {"label": "one  step", "overrides": ["experiment=a2c", "estimator=td"]},
        },
        "environments": {
            "cartpole": {"low": 0, "high": 500},
            "acrobot": {"decisions": 2000, "overrides": ["environment.slots=4"]},
        },
    }
    return {key: value for key, value in {**plain, **changed}.items() if value is not None}


def test_a_study_is_read() -> None:
    file = read_file(node())
    assert (file.name, file.question, file.prediction) == (
        "ladder",
        "Does a baseline help?",
        "Yes.",
    )
    assert (file.reference, file.metric, file.last) == ("plain", "final", 50)
    assert (file.seeds, file.base) == ((0, 1, 2, 3, 4), ("threads=1",))
    assert file.arms == (
        Arm("plain", ("experiment=reinforce",)),
        Arm("value", ("experiment=reinforce", "baseline=value")),
        Arm("td", ("experiment=a2c", "estimator=td"), "one step"),
    )
    assert file.settings == (
        Setting("cartpole", 1000, 0.0, 500.0, ()),
        Setting("acrobot", 2000, None, None, ("environment.slots=4",)),
    )
    assert file.excluded == ()


def test_what_is_not_said_has_a_default() -> None:
    left_out = dict.fromkeys(("question", "prediction", "metric", "last", "seeds", "base"))
    file = read_file(node(**left_out, decisions=None, environments={"cartpole": None}))
    assert (file.question, file.prediction, file.base) == ("", "", ())
    assert (file.metric, file.last, file.seeds) == ("area", LAST, None)
    assert file.settings == (Setting("cartpole", None, None, None, ()),)


def test_generated_arms_follow_those_written_out() -> None:
    rule = {"one_at_a_time": {"from": "value", "values": {"estimator.discount": [0.9]}}}
    names = [arm.name for arm in read_file(node(generate=[rule])).arms]
    assert names == ["plain", "value", "td", "value_discount=0.9"]


EXCLUDED = {
    "an arm everywhere": (
        {"arm": "td"},
        {("td", "cartpole"), ("td", "acrobot")},
    ),
    "an arm somewhere": ({"arm": "t*", "environment": "acrobot"}, {("td", "acrobot")}),
    "what arms set": (
        {"baseline": "value"},
        {("value", "cartpole"), ("value", "acrobot")},
    ),
    "all of what is said": (
        {"experiment": "reinforce", "baseline": "value", "environment": "cartpole"},
        {("value", "cartpole")},
    ),
}


@pytest.mark.parametrize("name", EXCLUDED)
def test_combinations_are_left_out(name: str) -> None:
    entry, pairs = EXCLUDED[name]
    file = read_file(node(exclude=[entry]))
    assert {(arm, option) for arm, option, _ in file.excluded} == pairs
    everywhere = {arm for arm, _ in pairs if len([a for a, _ in pairs if a == arm]) == 2}
    assert {arm.name for arm in file.arms} == {"plain", "value", "td"} - everywhere


def test_an_exclusion_says_why() -> None:
    (plain,) = read_file(node(exclude=[{"arm": "td", "environment": "acrobot"}])).excluded
    assert plain == ("td", "acrobot", "arm=td, environment=acrobot")
    told = {"arm": "td", "environment": "acrobot", "why": "takes  too long"}
    (reason,) = read_file(node(exclude=[told])).excluded
    assert reason[2] == "takes too long"


def test_the_last_override_of_a_key_counts_for_an_exclusion() -> None:
    arms = {"plain": ["baseline=value", "baseline=none"], "td": "baseline=value"}
    file = read_file(node(arms=arms, exclude=[{"baseline": "value"}]))
    assert [arm.name for arm in file.arms] == ["plain"]


MISTAKES: dict[str, tuple[dict[str, Any], str, str]] = {
    "unknown key": ({"refrence": "a"}, "study.refrence", "'reference'"),
    "no name": ({"name": None}, "study.name", "lower case"),
    "a name that is none": ({"name": "My Study"}, "study.name=My Study", "lower case"),
    "no arms": ({"arms": None}, "study=ladder", "arms: {NAME"),
    "arms as a list": ({"arms": ["a"]}, "study.arms", "NAME: [overrides]"),
    "no reference": ({"reference": None}, "study.reference", "is needed"),
    "reference that is no arm": ({"reference": "plian"}, "study.reference=plian", "'plain'"),
    "reference that is left out": (
        {"exclude": [{"arm": "plain"}]},
        "study.reference=plain",
        "choose one of: td, value",
    ),
    "metric": ({"metric": "aera"}, "study.metric=aera", "'area'"),
    "last": ({"last": 0}, "study.last=0", "at least 1"),
    "seeds": ({"seeds": "ten"}, "study.seeds=ten", "'0-9'"),
    "decisions": ({"decisions": 0}, "study.decisions=0", "at least 1"),
    "decisions that are text": ({"decisions": "1e6"}, "study.decisions=1e6", "whole number"),
    "question": ({"question": ["a"]}, "study.question", "in quotes"),
    "prediction": ({"prediction": 3}, "study.prediction=3", "in quotes"),
    "name of an arm": ({"arms": {"A b": []}}, "study.arms: the name=A b", "lower case"),
    "an arm like a file": ({"arms": {"study.json": []}}, "the name=study.json", "anew"),
    "an arm like a folder": ({"arms": {"report": []}}, "the name=report", "anew"),
    "an arm with a dot": ({"arms": {".wandb": []}}, "the name=.wandb", "lower case"),
    "an arm of signs": ({"arms": {"=": []}}, "the name==", "a letter or a digit"),
    "key of an arm": (
        {"arms": {"a": {"lable": "x"}}},
        "study.arms.a.lable",
        "'label'",
    ),
    "label": ({"arms": {"a": {"label": 3}}}, "study.arms.a.label=3", "in quotes"),
    "overrides": ({"arms": {"a": 3}}, "study.arms.a", "baseline=none"),
    "overrides in one string": (
        {"arms": {"a": "experiment=a2c estimator='td"}},
        "study.arms.a",
        "or a list of them",
    ),
    "sweep in an arm": ({"arms": {"a": "baseline=none,value"}}, "study.arms.a", "generate: grid"),
    "seeds of an arm": ({"arms": {"a": "seeds=3"}}, "study.arms.a: seeds=3", "of the study"),
    "study of an arm": ({"arms": {"a": "study.name=b"}}, "study.arms.a", "of its file"),
    "arm of an arm": ({"arms": {"a": "arm=b"}}, "study.arms.a: arm=b", "its name in arms"),
    "output of an arm": ({"arms": {"a": "output=b"}}, "study.arms.a: output=b", "command line"),
    "budget of an arm": ({"arms": {"a": "decisions=9"}}, "study.arms.a", "share their budget"),
    "resume": ({"arms": {"a": "resume=true"}}, "study.arms.a", "interrupted"),
    "environment of an arm": (
        {"arms": {"a": "environment=acrobot"}},
        "study.arms.a",
        "in environments",
    ),
    "seeds of the base": ({"base": ["seeds=3"]}, "study.base: seeds=3", "of the study"),
    "no environments": ({"environments": None}, "study.environments", "{cartpole: {}}"),
    "environments as a list": (
        {"environments": ["cartpole"]},
        "study.environments",
        "{cartpole: {}}",
    ),
    "environment without keys": (
        {"environments": {"cartpole": 500}},
        "study.environments.cartpole=500",
        "low: 0",
    ),
    "key of an environment": (
        {"environments": {"cartpole": {"hihg": 3}}},
        "study.environments.cartpole.hihg",
        "'high'",
    ),
    "low without high": (
        {"environments": {"cartpole": {"low": 3}}},
        "study.environments.cartpole: gives low",
        "high is needed",
    ),
    "low above high": (
        {"environments": {"cartpole": {"low": 500, "high": 0}}},
        "study.environments.cartpole.high=0",
        "above 500",
    ),
    "bounds": (
        {"environments": {"cartpole": {"low": "a", "high": 0}}},
        "study.environments.cartpole.low=a",
        "number",
    ),
    "budget of an environment": (
        {"environments": {"cartpole": {"decisions": -1}}},
        "study.environments.cartpole.decisions=-1",
        "at least 1",
    ),
    "exclude": ({"exclude": {"arm": "td"}}, "study.exclude", "a list of mappings"),
    "excluded arm": ({"exclude": [{"arm": "tdd"}]}, "study.exclude[0] (arm: tdd)", "'td'"),
    "excluded environment": (
        {"exclude": [{"arm": "td", "environment": "acrobat"}]},
        "study.exclude[0]",
        "'acrobot'",
    ),
    "excluded value": ({"exclude": [{"baseline": "none"}]}, "study.exclude[0]", "fits no arm"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_names_the_key_and_what_would_work(name: str) -> None:
    changed, key, works = MISTAKES[name]
    if "arms" in changed and "reference" not in changed and isinstance(changed["arms"], dict):
        changed = {**changed, "reference": next(iter(changed["arms"]))}
    with pytest.raises(ConfigError) as caught:
        read_file(node(**changed))
    line = str(caught.value)
    assert key in line and works in line and "\n" not in line
