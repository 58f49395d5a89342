"""Loading an expert: its parameters, its eyes, and every way in which there is none to load."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from pgx.build import build
from pgx.checkpoint import load_checkpoint, save_checkpoint
from pgx.cli import main
from pgx.config import compose_config
from pgx.errors import ConfigError
from pgx.expert import Expert
from pgx.module import PolicyGradient
from pgx.rollout import Collector
from pgx.streams import Streams
from pgx.tracking.files import FileTracker

PART = "outputs/adhoc/teacher/cartpole-v1/seeds-0_3"
CLONE = ("experiment=behaviour_cloning", f"estimator.expert={PART}", "estimator.horizon=7")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a short part of seeds 0 and 3, which normalised its observations."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        words = ("seeds=[0,3]", "decisions=3000", "arm=teacher", "threads=1", "policy.hidden=[7]")
        flags = ("normalization.observations=true", "normalization.rewards=true")
        assert main(["train", "experiment=a2c", *words, *flags]) == 0
    return folder


@pytest.fixture
def folder(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, to work in and to spoil."""
    shutil.copytree(trained / "outputs", tmp_path / "outputs")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def made(seeds: tuple[int, ...], *overrides: str):
    config = compose_config([*CLONE, "estimator.expert_seed=3", *overrides])
    return build(config, seeds)


def test_every_replica_gets_the_parameters_of_the_seed_that_is_named(folder: Path) -> None:
    state = load_checkpoint(folder / PART)
    assert state is not None
    parts = made((5, 6, 7))
    expert = parts.behaviour
    assert isinstance(expert, Expert)
    saved = state["module"]["parameters"][0]
    assert saved.shape == (2, expert.flat.shape[1]) and not torch.equal(saved[0], saved[1])
    assert torch.equal(expert.flat.detach(), saved[1].expand(3, -1))
    assert parts.policy.net.sizes == [4, 64, 64, 2] and expert.net.sizes == [4, 7, 2]
    parts.env.close()


def test_it_sees_through_the_statistics_it_was_trained_with(folder: Path) -> None:
    """count, mean and squares are the last seven of what is remembered, less those of returns."""
    state = load_checkpoint(folder / PART)
    assert state is not None
    count, mean, squares = (tensor[1] for tensor in state["module"]["memory"][-6:-3])
    assert mean.shape == (4,) and count.item() >= 3000
    expert = made((5, 6)).behaviour
    raw = np.random.default_rng(0).standard_normal((2, 9, 4)).astype(np.float32)
    wanted = (torch.from_numpy(raw) - mean) / (squares / count + 1e-8).sqrt()
    np.testing.assert_allclose(expert.view(raw), wanted.clamp(-10, 10), rtol=1e-4, atol=1e-4)
    noise = np.zeros((2, 9, 2), dtype=np.float32)
    with torch.inference_mode():
        _, outputs = expert.actor()(torch.from_numpy(raw), noise)
        plain = expert.policy.net.frozen()(torch.from_numpy(expert.view(raw)))
    assert np.array_equal(outputs, plain.numpy())


@pytest.mark.parametrize("normalised", ["true", "false"])
def test_the_expert_acts_and_only_the_learner_learns(folder: Path, normalised: str) -> None:
    """Rollouts are those of the expert alone, as the learner's normalisation shows them."""
    parts = made((5, 6, 7), f"normalization.observations={normalised}")
    twin = made((5, 6, 7))
    collect = Collector(twin.behaviour, twin.env, Streams((5, 6, 7), twin.env.slots), 7)
    tracker = FileTracker(folder, (5, 6, 7), parts.env.slots)
    module = PolicyGradient(parts, (5, 6, 7), 10**6, None, tracker)
    before = module.policy.flat.detach().clone(), parts.behaviour.flat.detach().clone()
    alive = np.ones(3, dtype=bool)
    for index in range(3):
        wanted = collect(alive)
        found = module.collect(alive, module.progress)
        assert torch.equal(found.action, wanted.action)
        assert torch.equal(found.log_prob, wanted.log_prob)
        same = torch.equal(found.observation, wanted.observation)
        assert same == (normalised == "false" or index == 0)  # nothing is known at first
        baseline = module.baseline(found)
        module.update(module.estimator(module.policy, found, baseline), baseline)
    assert not torch.equal(before[0], module.policy.flat)
    assert torch.equal(before[1], parts.behaviour.flat)


def spoil(folder: Path, kind: str) -> None:
    part = folder / PART
    if kind == "no checkpoint":
        shutil.rmtree(part / "checkpoints")
    elif kind == "damaged checkpoint":
        (part / "checkpoints/last.ckpt").write_bytes(b"nothing")
    elif kind == "another policy's checkpoint":
        state = load_checkpoint(part)
        assert state is not None
        state["module"]["parameters"][0] = torch.zeros(2, 64)
        save_checkpoint(part, state)
    elif kind in ("damaged config", "foreign config"):
        (part / "config.yaml").write_text("a: [" if kind == "damaged config" else "a: 1\n")
    elif kind == "smuggled code":
        config = OmegaConf.load(part / "config.yaml")
        config.policy._target_, config.allow_targets = "os.system", ["os"]
        OmegaConf.save(config, part / "config.yaml")


#: What is wrong, what is typed besides, and what the line must say.
MISTAKES = {
    "no expert": ("estimator.expert=???", "estimator.expert is needed"),
    "no such folder": ("estimator.expert=nowhere", "estimator.expert=nowhere: is no trained part"),
    "a folder above": ("estimator.expert=outputs/adhoc/teacher/cartpole-v1", f"choose {PART}"),
    "no such seed": ("estimator.expert_seed=1", "expert_seed=1: the part has the seeds 0, 3"),
    "no checkpoint": ("", "has no checkpoint yet"),
    "damaged checkpoint": ("", "its checkpoint cannot be read"),
    "another policy's checkpoint": ("", "not of the policy that its config names"),
    "damaged config": ("", "its config.yaml cannot be read"),
    "foreign config": ("", "its config.yaml is not one of a trained part's"),
    "smuggled code": ("", "policy._target_=os.system is not pgx's"),
    "another environment": ("environment=corridor", "was trained in CartPole-v1, not"),
    "continuous actions": (
        "environment=gymnasium environment.id=Pendulum-v1 policy=gaussian_mlp",
        "was trained in CartPole-v1, not Pendulum-v1",
    ),
    "a critic": ("baseline=value", "baseline=none"),
    "a mean": ("baseline=batch_mean baseline.discount=0.9", "use baseline=none"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line_and_leaves_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    spoil(folder, name)
    typed, said = MISTAKES[name]
    there = sorted(folder.rglob("*"))
    assert main(["train", *CLONE, *typed.split(), "arm=copy"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and said in line, line
    assert sorted(folder.rglob("*")) == there


def test_sizes_are_compared_where_the_name_is_the_same() -> None:
    from pgx.expert import _check_spec
    from pgx.types import EnvSpec

    here = EnvSpec("box", (4,), "discrete", 2)
    _check_spec("key", here, here)
    for other, said in (
        (EnvSpec("box", (5,), "discrete", 2), "observation shape"),
        (EnvSpec("box", (4,), "discrete", 3), "actions 3, this one 2"),
        (EnvSpec("box", (4,), "continuous", 2), "action kind continuous"),
    ):
        with pytest.raises(ConfigError, match=said):
            _check_spec("key", other, here)
