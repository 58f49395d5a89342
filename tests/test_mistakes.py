"""A mistake of the user: one line with the key and what would work, exit 2, nothing on disk."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pgx.cli import main
from pgx.config import quoted
from tests.conftest import Train, environment

#: The words typed, the key that the line must name, and what it must say would work.
MISTAKES = {
    "unknown option": ("estimator=gea", "estimator=gea", "'gae'"),
    "unknown preset": ("experiment=a3c", "experiment=a3c", "'a2c'"),
    "misspelt key": ("estimator.discont=0.9", "estimator.discont", "'estimator.discount'"),
    "misspelt top-level key": ("sedes=3", "sedes", "'seeds'"),
    "misspelt group": ("estimater=gae", "estimater", "'estimator'"),
    "added key that nothing reads": ("+policy.hiden=[8]", "policy.hiden", "'hidden'"),
    "discount above one": ("estimator.discount=1.5", "estimator.discount=1.5", "at most 1"),
    "discount no number": ("estimator.discount=abc", "estimator.discount=abc", "a number"),
    "no seeds": ("seeds=0", "seeds=0", "such as 10"),
    "empty seeds": ("seeds=[]", "seeds=[]", "[0,3]"),
    "duplicate seeds": ("seeds=[1,2,1]", "seeds=[1, 2, 1]", "seed 1 is there twice"),
    "no such seeds": ("seeds=ten", "seeds=ten", "'0-9'"),
    "swept seeds": ("-m seeds=0,1", "seeds=0,1", "seeds=[0,1]"),
    "swept seeds without -m": ("seeds=0,1", "seeds=0,1", "seeds=[0,1]"),
    "a bad job of a multirun": ("-m estimator=gae,gea", "estimator=gea", "'gae'"),
    "no values to bootstrap": ("estimator=gae baseline=none", "baseline=none", "baseline=value"),
    "bootstrap without values": (
        "experiment=reinforce estimator.time_limit=bootstrap",
        "estimator.time_limit=bootstrap",
        "estimator.time_limit=end",
    ),
    "mean of one": (
        "estimator=reward_to_go baseline=batch_mean environment.slots=1",
        "environment.slots=1",
        "at least 2",
    ),
    "the truth about CartPole": (
        "estimator=exact environment=cartpole",
        "CartPole-v1 has no exact answer",
        "environment=corridor",
    ),
    "a process that is not there": (
        "environment=table environment.file=rooms.yaml",
        "environment.file=rooms.yaml",
        "there is no such file",
    ),
    "a process without a file": ("environment=table", "environment.file", "=VALUE"),
    "a map without a goal": (
        "environment=gridworld environment.map=['S..']",
        "environment.map",
        "at least one G",
    ),
    "three actions for a clamp": (
        "environment=bandit policy=clamp",
        "clamp needs two discrete actions",
        "environment=two_action",
    ),
    "a best constant of one rollout": (
        "estimator=reinforce baseline=optimal environment.slots=1",
        "environment.slots=1",
        "at least 2",
    ),
    "a best constant of a critic": (
        "estimator=gae baseline=optimal",
        "estimator=gae baseline=optimal",
        "estimator=reward_to_go",
    ),
    "no value output": ("baseline=shared_value", "shared_value", "policy=categorical_shared"),
    "outputs of a module": (
        "policy=lifted +policy.network.out_features=3",
        "policy.network: Linear gives [B, 3]",
        "give [B, 2]",
    ),
    "argument of a module": (
        "policy=lifted +policy.network.with=3",
        "policy.network.with",
        "in_features",
    ),
    "instance of a module": (
        "policy=lifted policy.network._partial_=false +policy.network.in_features=4 "
        "+policy.network.out_features=2",
        "policy.network._partial_",
        "true",
    ),
    "no expert": ("experiment=behaviour_cloning", "estimator.expert", "estimator.expert=VALUE"),
    "continuous actions": (
        "environment=gymnasium environment.id=Pendulum-v1",
        "policy",
        "environment=cartpole",
    ),
    "no such environment": (
        "environment=gymnasium environment.id=CartPol-v1",
        "environment.id",
        "'CartPole-v1'",
    ),
    "output below a file": ("output=/dev/null/runs", "output=/dev/null/runs", "another folder"),
    "no such device": ("device=cuda:99", "device=cuda:99", "choose cpu"),
    "no device": ("device=gpu", "device=gpu", "choose cpu"),
    "budget": ("decisions=0", "decisions=0", "at least 1"),
    "a budget beyond counting": (f"decisions={10**20}", "decisions=1", "at most"),
    "normalization as a whole": ("normalization=true", "normalization=True", "observations="),
    "inert key of normalization": ("+normalization.foo=1", "normalization.foo", "rewards"),
    "no clip": ("normalization.clip=0", "normalization.clip=0", "choose a number above 0"),
    "deleted key of wandb": ("~wandb.points", "wandb.points", "is needed"),
    "inert key of wandb": ("+wandb.point=3", "wandb.point", "'points'"),
    "a module that does not exist": (
        "policy=lifted policy.network._target_=torch.nn.Linaer",
        "policy.network._target_=torch.nn.Linaer",
        "cannot be imported",
    ),
    "a width too large": ("policy.hidden=[10000000]", "policy.hidden=10000000", "at most"),
    "widths": ("policy.hidden=[64,0]", "policy.hidden=0", "at least 1"),
    "activation": ("policy.activation=tan", "policy.activation=tan", "'tanh'"),
    "threads": ("threads=8", "threads=8", "1 or 2"),
    "tracker": ("tracker=file", "tracker=file", "'files'"),
    "foreign optimizer": (
        "optimizer._target_=torch.optim.LBFGS",
        "optimizer._target_=torch.optim.LBFGS",
        "optimizer=adam",
    ),
    "untrusted target": ("policy._target_=os.system", "policy._target_", "allow_targets=[os]"),
    "grammar": ("a-b: c", "a-b: c", "key=value"),
    "arm": ("arm=My/Arm", "arm=My/Arm", "lower case"),
    "no arm": ("arm=''", "arm=", "1 to 120"),
    "long arm": (f"arm={'x' * 300}", "arm=xxx", "1 to 120"),
    "no study": ("study.name=''", "study.name=", "1 to 120"),
    "inert key": ("+gamma=0.9", "gamma", "decisions"),
    "inert key of a study": ("+study.foo=1", "study", "name"),
    "key of another option": (
        "policy=categorical_linear policy.hidden=[3]",
        "policy.hidden",
        "policy.initial_logits",
    ),
    "a flag that is none": ("estimator.normalize_advantage=foo", "normalize_advantage", "true"),
    "a weighting that is none": (
        "estimator.discount_weighting=null",
        "discount_weighting",
        "true or false",
    ),
    "rate": ("optimizer.learning_rate=null", "optimizer.learning_rate", "a number"),
    "a clip that stops everything": ("max_grad_norm=0", "max_grad_norm=0", "above 0"),
    "resume and replace": ("resume=true replace=true", "resume=true", "choose one"),
    "true threads": ("threads=true", "threads=True", "1 or 2"),
    "targets": ("allow_targets=foo", "allow_targets=foo", "[my_module]"),
    "baseline's discount": ("baseline.discount=7", "baseline.discount=7", "at most 1"),
    "baseline's limit": ("baseline.time_limit=foo", "baseline.time_limit=foo", "bootstrap"),
    "episode length": ("environment.max_episode_steps=2.5", "max_episode_steps=2.5", "whole"),
    "slots": ("environment.slots=1000000000", "environment.slots", "at most"),
    "horizon": ("estimator.horizon=100000000000", "estimator.horizon", "at most"),
    "too many seeds": ("seeds=1000000000", "seeds", "10,000"),
    "a seed too large": ("seeds=[9223372036854775808]", "seeds", "2**63"),
    "logits": (
        "policy=categorical_linear policy.initial_logits=[nan,0]",
        "policy.initial_logits",
        "number",
    ),
    "no group": ("policy=null", "policy", "choose one"),
    "a preset's key of another baseline": (
        "experiment=pendulum policy=gaussian_shared baseline=shared_value",
        "baseline.activation is not a key",
        "taken out by ~baseline.activation",
    ),
    "what a preset follows": (
        "estimator=td baseline.target_trace_decay=${estimator.trace_decay}",
        "baseline.target_trace_decay follows estimator.trace_decay",
        "give it as baseline.target_trace_decay=VALUE",
    ),
    "a critic of a copy": (
        "estimator=behaviour_cloning estimator.expert=x",
        "baseline.discount follows",
        "choose baseline=none",
    ),
    "misspelt deletion": ("~baseline.hiden", "baseline.hiden", "'baseline.hidden'"),
    "deleted null": ("~evaluation.every", "evaluation.every", "is needed"),
    "deleted key": ("~decisions", "decisions", "is needed"),
    "no output": ("output=null", "output=None", "a folder"),
    "home": ("output='~/runs'", "output=~/runs", "without ~"),
    "environment's id": ("environment=gymnasium environment.id=5", "environment.id=5", "a name"),
    "flag": ("--bogus", "--bogus", "--cfg"),
    "config dir": ("--config-dir", "--config-dir", "a folder that exists"),
    "swept seeds by choice": ("-m seeds=choice(1,2)", "seeds=choice(1,2)", "seeds=[0,1]"),
    "two jobs in one place": ("-m arm=x policy.hidden=[8],[16]", "two jobs", "arm="),
    "smuggled code": (
        "environment=gymnasium "
        "+environment.kwargs.x=[{_target_:pathlib.Path.touch,_args_:[pwned]}]",
        "_target_=pathlib.Path.touch",
        "allow_targets=[pathlib]",
    ),
    "code by way of pgx": (
        "+policy.x={_target_:pgx.part.shutil.copy,_args_:[/etc/hostname,pwned]}",
        "policy.x._target_",
        "allow_targets",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line_and_leaves_nothing(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed, key, works = MISTAKES[name]
    monkeypatch.chdir(tmp_path)
    words = [typed] if name == "grammar" else typed.split()
    assert main(["train", *words]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = said.err.splitlines()
    assert line.startswith("error: ")
    assert key in line
    assert works in line
    assert len(line) < 250
    assert list(tmp_path.iterdir()) == []


def test_a_mistake_from_the_shell(train: Train, tmp_path: Path) -> None:
    done = train("estimator.discount=1.5", status=2)
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("folder", ["it's", "josé", "a,b", "x=(1)", "[x]", "with blank"])
def test_any_folder_will_do(train: Train, tmp_path: Path, folder: str) -> None:
    """Its own ./conf in a folder of any name, and an output of that name in it."""
    study = tmp_path / folder / "conf/study"
    study.mkdir(parents=True)
    (study / "mine.yaml").write_text("name: mine\n")
    words = ("study=mine", "arm=x", "decisions=200", f"output={quoted(folder)}")
    train(*words, cwd=tmp_path / folder)
    (manifest,) = (tmp_path / folder / folder / "mine").rglob("manifest.json")
    assert json.loads(manifest.read_text())["command"][-len(words) :] == list(words)


def test_a_config_of_the_users_may_not_take_a_shipped_name(train: Train, tmp_path: Path) -> None:
    (tmp_path / "conf/estimator").mkdir(parents=True)
    (tmp_path / "conf/estimator/gae.yaml").write_text("horizon: 4\n")
    said = train("decisions=200", status=2).stderr
    assert "gae.yaml" in said and "another name" in said


def test_a_diverged_run_is_shown_again(train: Train, tmp_path: Path) -> None:
    words = ("arm=x", "decisions=20000", "optimizer=sgd", "optimizer.learning_rate=1e38")
    first = train(*words, status=1)
    assert "diverged at iteration" in first.stdout
    again = train(*words, "resume=true", status=1)
    assert again.stdout.splitlines()[-4:] == first.stdout.splitlines()[-4:]


def test_a_reader_that_goes_does_not_end_the_run(train: Train, tmp_path: Path) -> None:
    command = f"{sys.executable} -m pgx train arm=x decisions=5000 | head -c 1"
    subprocess.run(command, shell=True, cwd=tmp_path, env=environment(), check=True)
    deadline = time.monotonic() + 60
    (path,) = (tmp_path / "outputs/adhoc/x").rglob("manifest.json")
    while json.loads(path.read_text())["status"] == "running" and time.monotonic() < deadline:
        time.sleep(0.1)
    assert json.loads(path.read_text())["status"] == "finished"


def test_a_finished_run_is_shown_and_a_changed_one_refused(train: Train, tmp_path: Path) -> None:
    words = ("arm=x", "decisions=1000", "seeds=2")
    first = train(*words)
    assert train(*words).stdout.splitlines()[-4:] == first.stdout.splitlines()[-4:]
    assert "discount: 0.9\n" in train(*words, "estimator.discount=0.9", "--cfg", "job").stdout
    refused = train(*words, "estimator.discount=0.9", status=2)
    assert "estimator.discount: 0.99 → 0.9" in refused.stderr
    assert "replace=true" in refused.stderr
    assert refused.stderr.count("\n") == 1
    train(*words, "estimator.discount=0.9", "replace=true")


def test_a_missing_class_is_one_line_in_the_shell(train: Train, tmp_path: Path) -> None:
    options = ("policy=lifted", "policy.network._target_=nowhere.Net", "allow_targets=[nowhere]")
    done = train(*options, status=2)
    (line,) = done.stderr.splitlines()
    assert "policy.network._target_=nowhere.Net cannot be imported: No module" in line
    assert list(tmp_path.iterdir()) == []
