"""``pgx eval``: the numbers of a checkpoint, the same every time, and every mistake in one line."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from pgx import cli
from pgx.build import build_environment
from pgx.errors import ConfigError
from pgx.evaluate import evaluate, interval, render
from pgx.evaluation import evaluation_seeds
from pgx.records import Part, read_part
from pgx.restore import choose_seeds, find_part, read_config, read_state, restore
from pgx.tracking.manifest import MANIFEST
from tests.test_film import decoded

BELOW = "outputs/adhoc/x/cartpole-v1/seeds-4-6"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which a part with running statistics was trained."""
    folder = tmp_path_factory.mktemp("trained")
    words = ["experiment=a2c", "seeds='4-6'", "arm=x", "decisions=4096", "threads=1"]
    words += ["normalization.observations=true", "normalization.rewards=true"]
    words += ["normalization.clip=2.5", f"output={folder / 'outputs'}"]
    assert cli.main(["train", *words]) == 0
    return folder


@pytest.fixture
def part(trained: Path) -> Part:
    return read_part(trained / BELOW)


@pytest.fixture
def copy(trained: Path, tmp_path: Path) -> Path:
    """A part that may be damaged."""
    return Path(shutil.copytree(trained / BELOW, tmp_path / "study/arm/environment/seeds-4-6"))


def test_the_interval_is_students(part: Part) -> None:
    # n = 4: mean 2.5, s² = 5/3, t at 97.5 % with 3 degrees of freedom is 3.182446
    found = interval(np.array([1.0, 2.0, 3.0, 4.0]))
    half = 3.182446 * (5 / 3) ** 0.5 / 2
    assert found["mean"] == 2.5
    assert (found["low"], found["high"]) == pytest.approx((2.5 - half, 2.5 + half), abs=1e-6)
    assert interval(np.array([7.0])) == {"mean": 7.0, "low": None, "high": None}
    assert interval(np.array([7.0, 7.0])) == {"mean": 7.0, "low": 7.0, "high": 7.0}


def test_a_slow_twin_finds_the_same_returns(part: Part) -> None:
    found = evaluate(part, episodes=3)
    config, state = read_config(part, ()), read_state(part)
    for row, index in zip(found["seeds"], range(3), strict=True):
        env = build_environment(config, evaluation_seeds([row["seed"]], "command"), 3)
        policy, normalization = restore(config, env.spec, part, state, [row["seed"]])
        np.testing.assert_array_equal(policy.flat[0].detach(), state["parameters"][0][index])
        assert normalization is not None
        view, act, lengths = normalization.view(), policy.actor(), np.zeros(3, dtype=int)
        assert view is not None
        active = np.ones((1, 3), dtype=bool)
        env.reset()
        while active.any():
            shown = torch.from_numpy(view(env.observation))
            action = act(shown, np.zeros((1, 3, 2), dtype=np.float32))[1].argmax(-1)
            step = env.step(action, active)
            lengths += active[0]
            active &= ~(step.terminated | step.truncated)
        assert row["lengths"] == lengths.tolist()
        assert row["returns"] == lengths.tolist()
        assert row["mean"] == lengths.mean()
    means = [row["mean"] for row in found["seeds"]]
    assert found["mean"] == {"runs": 3, **interval(np.array(means))}


def test_statistics_are_those_of_training_and_matter(part: Part) -> None:
    config, state = read_config(part, ()), read_state(part)
    env = build_environment(config, [0], 1)
    _, normalization = restore(config, env.spec, part, state, [6, 4])
    assert normalization is not None
    assert normalization.observations is not None
    assert normalization.clip == 2.5
    memory = state["memory"][-6:]  # count, mean and squares of observations, then of returns
    for own, saved in zip(normalization.tensors()[1:], memory, strict=True):
        np.testing.assert_array_equal(own, saved[[2, 0]])
    assert (normalization.observations.count > 4000).all()
    config.normalization.observations = False
    assert restore(config, env.spec, part, state, [6, 4])[1] is None


def test_the_same_call_plays_the_same_and_a_seed_is_its_own(part: Part) -> None:
    for deterministic in (True, False):
        every = evaluate(part, 6, deterministic)
        assert evaluate(part, 6, deterministic) == every
        some = evaluate(part, 6, deterministic, "6,4")
        assert some["seeds"] == [every["seeds"][0], every["seeds"][2]]
        assert some["mean"]["runs"] == 2
    assert evaluate(part, 6, True)["seeds"] != every["seeds"]
    assert evaluate(part, 6)["protocol"]["deterministic"] is True  # as the config says


def test_a_film_shows_the_first_episode_and_changes_nothing(part: Part, tmp_path: Path) -> None:
    plain = evaluate(part, 3, seeds="5-6")
    found = evaluate(part, 3, seeds="5-6", video=tmp_path / "a.mp4")
    length = plain["seeds"][0]["lengths"][0]
    video = {"path": str(tmp_path / "a.mp4"), "seed": 5, "frames": length + 1}
    assert found == {**plain, "video": video}
    _, frames = decoded(tmp_path / "a.mp4")
    assert frames.shape == (length + 1, 400, 600, 3)
    assert len(np.unique(frames[0].reshape(-1, 3), axis=0)) > 2
    assert (frames[0] != frames[-1]).any()


def test_what_is_printed_names_the_protocol(part: Part, capsys: pytest.CaptureFixture[str]) -> None:
    found = evaluate(part, 4, False)
    render(found, Console())
    said = capsys.readouterr().out
    for words in (
        "CartPole-v1, time limit 500 decisions: 4 episodes a seed, actions sampled",
        "checkpoint after 4,096 decisions; rewards raw, observations normalised, statistics frozen",
        "95% Student t",
        "95% interval",
        "3 runs",
    ):
        assert words in said
    assert [line.split()[0] for line in said.splitlines()[3:]] == ["seed", "4", "5", "6", "mean"]


def test_a_diverged_seed_is_shown_as_such(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = json.loads((copy / MANIFEST).read_text())
    manifest["seed_status"]["5"] |= {"status": "failed", "reason": "diverged at iteration 7"}
    (copy / MANIFEST).write_text(json.dumps(manifest | {"error": "seed 5 diverged", "exit": 1}))
    render(evaluate(read_part(copy), 2), Console())
    assert "failed: diverged at iteration 7" in capsys.readouterr().out


def test_one_episode_is_no_plural_and_no_interval(
    part: Part, capsys: pytest.CaptureFixture[str]
) -> None:
    render(evaluate(part, 1, seeds="5"), Console())
    row = capsys.readouterr().out.splitlines()[-2]
    assert row.split()[-3:] == ["–", "1", "episode"]


def test_the_command_prints_json(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = str(trained / "outputs")
    words = ["eval", "adhoc/x", "--output", root, "--episodes", "2", "--stochastic", "--json"]
    assert cli.main(words) == 0
    said = json.loads(capsys.readouterr().out)
    assert said == json.loads(json.dumps(evaluate(read_part(trained / BELOW), 2, False)))
    assert said["run"] == str(trained / BELOW)


def test_a_run_is_found_from_above(trained: Path) -> None:
    here, root = (trained / BELOW).resolve(), trained / "outputs"
    for run in (trained / BELOW, *(trained / BELOW).parents[:3]):
        assert find_part(run, Path("nowhere")).path.resolve() == here
    assert find_part(Path("adhoc/x/cartpole-v1"), root).path.resolve() == here


def test_seeds_are_chosen_in_the_parts_order(part: Part) -> None:
    for text, seeds in ((None, [4, 5, 6]), ("6,4", [4, 6]), ("5-6", [5, 6]), (" 4 , 4-5", [4, 5])):
        assert choose_seeds(text, part) == seeds


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nothere"], "RUN=nothere: does not exist"),
        (["."], "holds no part"),
        (["{part}", "--episodes", "0"], "'--episodes'"),
        (["{part}", "--seeds", "7"], "the part has no seed 7; it has 4-6"),
        (["{part}", "--seeds", "6-4"], "6-4 is no range"),
        (["{part}", "--seeds", "all"], "give a range or a list"),
        (["{part}", "--video", "a.gif"], "does not end in .mp4"),
        (["{part}", "--video", "none/a.mp4"], "choose a folder that exists"),
    ],
)
def test_mistakes_are_one_line_and_write_nothing(
    copy: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    said: str,
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    assert cli.main(["eval", *(word.format(part=copy) for word in words)]) == 2
    printed = capsys.readouterr()
    assert said in printed.err
    assert printed.err.count("\n") == 1
    assert printed.out == ""
    assert list(Path().iterdir()) == []


def test_several_parts_ask_for_one(copy: Path, tmp_path: Path) -> None:
    shutil.copytree(copy, copy.parent / "seeds-7-9")
    with pytest.raises(ConfigError, match=r"holds 2 parts; choose one, such as .*seeds-4-6"):
        find_part(copy.parent, tmp_path)


def damage(path: Path, text: str | None) -> None:
    path.unlink()
    if text is not None:
        path.write_text(text)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("config.yaml", None, r"config\.yaml: cannot be read, it is gone or damaged"),
        ("config.yaml", "a: [", r"config\.yaml: cannot be read, it is gone or damaged"),
        ("config.yaml", "a: ${b}", r"config\.yaml: cannot be read, it is gone or damaged"),
        ("config.yaml", "a: 1", r"config\.yaml: is not the config of a trained part"),
        ("config.yaml", "- a", r"config\.yaml: is not the config of a trained part"),
        ("checkpoints/last.ckpt", None, r"last\.ckpt: there is no checkpoint yet"),
        ("checkpoints/last.ckpt", "x", r"last\.ckpt: cannot be read: .*; restore it"),
    ],
)
def test_damage_is_named(copy: Path, name: str, text: str | None, said: str) -> None:
    damage(copy / name, text)
    with pytest.raises(ConfigError, match=said):
        evaluate(read_part(copy), 2)


def change(copy: Path, old: str, new: str) -> None:
    text = (copy / "config.yaml").read_text()
    assert old in text
    (copy / "config.yaml").write_text(text.replace(old, new))


def test_a_config_is_not_believed_when_it_trusts_itself(copy: Path) -> None:
    change(copy, "allow_targets: []", "allow_targets: [subprocess]")
    change(copy, "_target_: pgx.environments.cartpole.CartPole", "_target_: subprocess.run")
    with pytest.raises(ConfigError, match=r"subprocess\.run is not pgx's .*--allow-targets NAME"):
        evaluate(read_part(copy), 2)


def test_a_checkpoint_of_another_policy_is_refused(copy: Path) -> None:
    change(copy, "categorical_mlp.CategoricalMLP", "categorical_linear.CategoricalLinear")
    with pytest.raises(ConfigError):
        evaluate(read_part(copy), 2)


def test_an_episode_that_may_not_end_is_refused(copy: Path) -> None:
    change(copy, "_target_: pgx.environments.cartpole.CartPole", "_target_: pgx.environments.x")
    change(copy, "pgx.environments.x", "pgx.environments.corridor.Corridor\n  max_steps: null")
    text = (copy / "config.yaml").read_text().replace("  max_episode_steps: 500\n", "")
    (copy / "config.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"corridor has no time limit .*; use --stochastic"):
        evaluate(read_part(copy), 2)


def test_classes_of_ones_own_are_found_once_they_are_trusted(
    copy: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    source = (
        "from pgx.environments.cartpole import CartPole\n\n\nclass Slope(CartPole):\n    pass\n"
    )
    (tmp_path / "my_slope_module.py").write_text(source)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*sys.path])
    plain = evaluate(read_part(copy), 2)
    change(copy, "_target_: pgx.environments.cartpole.CartPole", "_target_: my_slope_module.Slope")
    with pytest.raises(ConfigError, match="add --allow-targets NAME"):
        evaluate(read_part(copy), 2)
    assert evaluate(read_part(copy), 2, allowed=["my_slope_module"]) == plain
