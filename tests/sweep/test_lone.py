"""A lone ``pgx train`` under the name of an arm that its study's file has."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgx.config import compose_config
from pgx.errors import ConfigError
from pgx.study import write_study
from pgx.sweep.lone import check_arm
from pgx.sweep.plan import make_plan as plan_sweep
from pgx.sweep.request import Request
from pgx.train import main, make_plan

STUDY = """
name: ladder
reference: plain
seeds: 3
decisions: 1000
base: experiment=reinforce
arms: {plain: [], value: baseline=value}
generate: [{grid: {estimator.discount: [0.9]}}]
environments: {cartpole: {}, acrobot: {decisions: 2000, overrides: estimator.discount=0.95}}
"""


@pytest.fixture(autouse=True)
def _study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "conf/study/ladder.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(STUDY)


def checked(*words: str) -> None:
    overrides = ["study=ladder", *words]
    check_arm(make_plan(compose_config(overrides), overrides), ())


VALUE = ("experiment=reinforce", "baseline=value", "decisions=1000")
ACROBOT = ("environment=acrobot", "estimator.discount=0.95")


@pytest.mark.parametrize(
    "words",
    [
        (*VALUE, "arm=value"),
        (*VALUE, "arm=value", "seeds=[7]", "threads=1", "output=elsewhere"),
        (*VALUE, "arm=value", "decisions=2000", *ACROBOT),
        (*VALUE, "arm=mine", "optimizer.learning_rate=0.3"),
        (*VALUE, "arm=value", "environment=mountain_car", "optimizer.learning_rate=0.3"),
        ("experiment=reinforce", "estimator.discount=0.9", "decisions=1000", "arm='discount=0.9'"),
    ],
)
def test_the_arms_own_config_and_any_other_name_are_fine(words: tuple[str, ...]) -> None:
    checked(*words)


@pytest.mark.parametrize(
    ("words", "changed"),
    [
        (("arm=value", "optimizer.learning_rate=0.3"), "optimizer.learning_rate: "),
        (("arm=value", "decisions=999"), "decisions: 1000 → 999"),
        (("arm=value", "environment=acrobot", "decisions=2000"), "discount: 0.95 → "),
        (("arm='discount=0.9'",), "baseline._target_: "),
    ],
)
def test_another_config_is_refused_with_what_differs(words: tuple[str, ...], changed: str) -> None:
    with pytest.raises(ConfigError) as caught:
        checked(*VALUE, *words)
    line = str(caught.value)
    arm = words[0].replace("'", "")
    assert changed in line and f"pgx sweep study=ladder {arm} trains it" in line
    assert "another arm=NAME" in line and "\n" not in line


def test_what_the_last_sweep_made_of_the_arm_is_its_config_too() -> None:
    words = ("optimizer.learning_rate=0.3", "arm=value")
    with pytest.raises(ConfigError):
        checked(*VALUE, *words)
    plan = plan_sweep(Request(("study=ladder", "optimizer.learning_rate=0.3")))
    write_study(plan.output, plan.study)
    checked(*VALUE, *words)


def test_the_command_refuses_before_anything_is_written() -> None:
    words = ["study=ladder", *VALUE, "arm=value", "decisions=64"]
    with pytest.raises(ConfigError, match="is an arm of study ladder with another config"):
        main(words, check_arm)
    assert not Path("outputs").exists()
