"""A mistake of the user: one line with the key and what would work, exit 2, nothing on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgx.cli import main
from tests.conftest import Train

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


def test_a_finished_run_is_shown_and_a_changed_one_refused(train: Train, tmp_path: Path) -> None:
    words = ("arm=x", "decisions=1000", "seeds=2")
    first = train(*words)
    assert train(*words).stdout.splitlines()[-4:] == first.stdout.splitlines()[-4:]
    refused = train(*words, "estimator.discount=0.9", status=2)
    assert "estimator.discount: 0.99 → 0.9" in refused.stderr
    assert "replace=true" in refused.stderr
    assert refused.stderr.count("\n") == 1
    train(*words, "estimator.discount=0.9", "replace=true")
