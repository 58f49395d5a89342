"""Every config: short, commented key by key, composable, and without a key that nothing reads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

import pgx.config  # noqa: F401 - its resolvers

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = sorted((ROOT / "conf").rglob("*.yaml"))

INGREDIENTS = ("environment", "policy", "estimator", "baseline", "optimizer")  #: of an arm
PRESETS = ("experiment", "study")  #: groups that only choose among ingredients
BESIDES = ("wandb", "evaluation", "diagnostics")  #: groups that say nothing of what is learned
OPTIONS = [(path.parent.name, path.stem) for path in CONFIGS if path.parent.name in INGREDIENTS]
EXPERIMENTS = sorted(path.stem for path in (ROOT / "conf" / "experiment").glob("*.yaml"))
SEEDS = (3, 5)

KEY = re.compile(r"^\s*[\w.@/-]+: *\S")  #: sets a key; a section's name alone says nothing


def uncommented(text: str) -> Iterator[str]:
    """The keys of a YAML text that have a comment neither on their line nor on the line above."""
    above = ""
    for line in text.splitlines():
        if KEY.match(line):
            comment_above = above.lstrip().startswith("#") and "@package" not in above
            if " #" not in line and not comment_above:
                yield line.strip()
        above = line


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_key_has_a_comment(path: Path) -> None:
    assert list(uncommented(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: str(path.relative_to(ROOT)))
def test_configs_stay_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) < 40


def test_a_key_without_a_comment_is_found() -> None:
    text = (
        "# @package _global_\na: 1\nb: 2  # two\n# three\nc:\n  d: 4\ndefaults:\n  - policy: mlp\n"
    )
    assert list(uncommented(text)) == ["a: 1", "d: 4"]


def composed(*overrides: str) -> DictConfig:
    """The configuration that ``pgx train`` composes from these overrides."""
    with initialize_config_dir(version_base="1.3", config_dir=str(ROOT / "conf")):
        return compose("train", overrides=list(overrides))


def build(config: DictConfig) -> dict[str, Any]:
    """Instantiate every ingredient of an arm, with the sizes the environment says."""
    environment = instantiate(config.environment, seeds=SEEDS)
    environment.close()
    sizes = {"spec": environment.spec, "seeds": SEEDS}
    policy = instantiate(config.policy, **sizes)
    return {
        "environment": environment,
        "policy": policy,
        "estimator": instantiate(config.estimator),
        "baseline": instantiate(config.baseline, **sizes),
        "optimizer": instantiate(config.optimizer)(policy.flat),
    }


def target(path: Path) -> str:
    """The class that an option names."""
    return str(OmegaConf.load(path)["_target_"]).rpartition(".")[2]


#: What an option needs beside it.
PENDULUM = ("environment=gymnasium", "environment.id=Pendulum-v1")
GAUSSIAN = ("policy=gaussian_mlp",)
EXPERT = ("baseline=none", "estimator.expert=outputs/adhoc/a2c/cartpole-v1/seeds-0-4")
BESIDE = {
    "gaussian_mlp": PENDULUM,
    "gaussian_shared": PENDULUM,
    "pendulum": GAUSSIAN,
    "regulator": GAUSSIAN,
    "gaussian_linear": PENDULUM,
    "clamp": ("environment=two_action",),
    "table": (f"environment.file={ROOT}/tests/environments/two_rooms.yaml",),
    "mountain_car_continuous": GAUSSIAN,
    "behaviour_cloning": EXPERT,  # the option and the preset
    "q_learning": ("policy=action_value", "baseline=none"),
    **dict.fromkeys(("utility", "finite_difference"), ("baseline=none",)),
    **dict.fromkeys(("cross_entropy", "genetic", "pattern_search"), ("baseline=none",)),
}


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_every_option_instantiates(group: str, option: str) -> None:
    built = build(composed(f"{group}={option}", *BESIDE.get(option, ())))[group]
    assert type(built).__name__ == target(ROOT / "conf" / group / f"{option}.yaml")


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_a_key_that_no_class_uses_fails(group: str, option: str) -> None:
    config = composed(f"{group}={option}", f"+{group}.unheard_of=1", *BESIDE.get(option, ()))
    with pytest.raises((InstantiationException, TypeError), match="unheard_of"):
        build(config)


@pytest.mark.parametrize("estimator", ["td", "n_step", "gae"])
def test_the_first_ablation_of_a2c_is_one_word(estimator: str) -> None:
    made = build(composed("experiment=a2c", f"estimator={estimator}"))
    assert made["estimator"].horizon == 32


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_experiment_composes(experiment: str) -> None:
    config = composed(f"experiment={experiment}", *BESIDE.get(experiment, ()))
    assert OmegaConf.to_container(config, resolve=True)
    assert set(build(config)) == set(INGREDIENTS)


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_key_of_an_experiment_takes_effect(experiment: str) -> None:
    preset = OmegaConf.load(ROOT / "conf" / "experiment" / f"{experiment}.yaml")
    assert isinstance(preset, DictConfig)
    del preset["defaults"]
    config = composed(f"experiment={experiment}", *BESIDE.get(experiment, ()))
    assert OmegaConf.merge(config, preset) == config


def test_struct_mode_refuses_a_misspelt_key() -> None:
    assert OmegaConf.is_struct(composed())


def test_every_group_is_an_ingredient_or_a_preset() -> None:
    groups = {path.parent.name for path in CONFIGS if path.parent != ROOT / "conf"}
    assert groups - {*INGREDIENTS, *PRESETS, *BESIDES} == set()


def test_every_top_level_key_is_read_somewhere() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "pgx").rglob("*.py"))
    keys = set(composed()) - set(INGREDIENTS)
    unread = [key for key in keys if not re.search(rf"""[.\["']{re.escape(str(key))}\b""", text)]
    assert unread == []
