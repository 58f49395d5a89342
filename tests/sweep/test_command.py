"""``pgx sweep``: its words, what it prints, what it writes and with which status it ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from pgx.cli import main
from pgx.config import compose_config
from pgx.errors import ConfigError
from pgx.study import read_study
from pgx.sweep import estimate, smoke, sweeper
from pgx.sweep.asked import Asked, parse, work_of
from pgx.sweep.estimate import Estimate
from pgx.sweep.job import Outcome
from pgx.sweep.plan import Plan, make_plan
from pgx.sweep.work import Ended, Work
from pgx.tracking.manifest import Manifest
from tests.support.rows import record

STUDY = """
name: ladder
reference: plain
seeds: 3
decisions: 1000
base: experiment=reinforce
arms:
  plain: []
  value: baseline=value
  same: max_grad_norm=null
environments: {cartpole: }
exclude:
  - {arm: value, environment: cartpole, why: "[bold]not now[/bold]"}
"""
OPEN = STUDY[: STUDY.index("exclude")]


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the study ``ladder``, which is the working directory."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "conf/study/ladder.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(OPEN)
    return path


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[Work]:
    """What was handed over to be trained; every job of it finishes at once."""
    handed: list[Work] = []

    def fake(work: Work, console: Any) -> Ended:
        handed.append(work)
        return Ended(tuple(finish(job) for job in work.jobs))

    def finish(job: Any) -> Outcome:
        if job.arm == "value" and "max_grad_norm=7" in job.overrides:
            return Outcome(job.arm, job.environment, job.seeds, 1, str(job.directory), "boom", 1.0)
        manifest = Manifest.begin(
            job.directory,
            study="ladder",
            arm=job.arm,
            environment=job.environment,
            seeds=job.seeds,
            budget=job.budget,
            config_hash=job.config_hash,
            environment_class="CartPole",
        )
        manifest.progress(dict.fromkeys(job.seeds, job.budget))
        record(job.directory, dict.fromkeys(job.seeds, job.budget))
        manifest.end(exit=0)
        return Outcome(job.arm, job.environment, job.seeds, 0, str(job.directory), None, 1.0)

    monkeypatch.setattr(sweeper, "sweep_through_hydra", fake)
    monkeypatch.setattr(smoke, "sweep_through_hydra", fake)
    return handed


@pytest.fixture(autouse=True)
def _unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    def fake(plan: Plan, work: Work, say: Any, planned_s: float) -> Estimate:
        assert planned_s > 0
        return Estimate(90.0, 2e6, ("measured: 5 decisions/s",), {})

    monkeypatch.setattr(estimate, "estimate", fake)


def test_flags_are_found_wherever_they_stand(tmp_path: Path) -> None:
    words = ["--jobs", "3", "study=a", "--retry-failed", f"--config-dir={tmp_path}", "seeds=2"]
    asked = parse([*words, "--launcher=joblib", "-cd", str(tmp_path), "--json"])
    assert asked == Asked(
        ("study=a", "seeds=2"),
        frozenset({"--retry-failed", "--json"}),
        (tmp_path, tmp_path),
        3,
        "joblib",
    )
    assert asked.request.retry_failed and not asked.request.replace


MISTAKES = {
    "unknown flag": (["--dryrun"], "--dryrun", "'--dry-run'"),
    "value of a flag": (["--dry-run=yes"], "--dry-run", "--dry-run"),
    "jobs": (["--jobs", "0"], "--jobs=0", "from 1"),
    "no jobs": (["--jobs"], "--jobs=", "from 1"),
    "folder": (["--config-dir=nowhere"], "--config-dir=nowhere", "exists"),
    "two ways to try": (["--smoke", "--dry-run"], "--smoke --dry-run", "choose one"),
    "launcher": (["--launcher=slurm"], "--launcher=slurm", "local"),
    "two launchers": (
        ["hydra/launcher=joblib", "--launcher=local"],
        "hydra/launcher=joblib",
        "choose one",
    ),
    "no study": ([], "study is needed", "ladder"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line_and_writes_nothing(
    name: str, study: Path, trained: list[Work], capsys: pytest.CaptureFixture[str]
) -> None:
    words, key, works = MISTAKES[name]
    given = [] if name == "no study" else ["study=ladder"]
    assert main(["sweep", *given, *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and key in line and works in line
    assert trained == [] and not Path("outputs").exists()


def test_help_shows_the_grammar(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", "--help"]) == 0
    text = capsys.readouterr().out
    for word in ("--dry-run", "--smoke", "--retry-failed", "--replace", "--jobs", "--launcher"):
        assert word in text


def test_a_dry_run_shows_everything_and_writes_nothing(
    study: Path, trained: list[Work], capsys: pytest.CaptureFixture[str]
) -> None:
    study.write_text(STUDY)
    assert main(["sweep", "study=ladder", "--dry-run"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ["arm", "environment", "seeds", "state"]
    assert lines[1] == ["plain", "cartpole-v1", "0-2", "to", "train"]
    assert lines[2] == ["same", "cartpole-v1", "0-2", "duplicate", "of", "plain"]
    assert lines[3] == ["value", "cartpole-v1", "excluded:", "[bold]not", "now[/bold]"]
    assert " ".join(lines[4]) == "ladder: 1 arm × 1 environment × 3 seeds: 1 part to train"
    assert " ".join(lines[5]) == "estimate: about 1m30s and 2.0 MB, 1 part at a time"
    assert " ".join(lines[6]) == "basis: measured: 5 decisions/s"
    assert trained == [] and not Path("outputs").exists()


def test_a_dry_run_is_json_too(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", "study=ladder", "--dry-run", "--json", "output=runs"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["study"], found["output"]) == ("ladder", "runs")
    assert found["rows"][2] == {
        "arm": "same",
        "environment": "cartpole-v1",
        "seeds": [0, 1, 2],
        "state": "duplicate",
        "why": "of plain",
        "changes": [],
    }
    assert found["jobs"][0]["directory"] == "runs/ladder/plain/cartpole-v1/seeds-0-2"
    assert found["estimate"]["seconds"] == 90.0


@pytest.mark.parametrize("flag", [["--dry-run"], []])
def test_what_does_not_fit_stops_a_sweep_and_is_shown_by_a_dry_run(
    flag: list[str], study: Path, trained: list[Work], capsys: pytest.CaptureFixture[str]
) -> None:
    study.write_text(OPEN.replace("baseline=value", "[baseline=batch_mean, environment.slots=1]"))
    assert main(["sweep", "study=ladder", *flag]) == 2
    said = capsys.readouterr()
    assert said.err.startswith("error: value on cartpole-v1: environment.slots=1")
    assert ("invalid: environment.slots=1" in said.out) == bool(flag)
    assert trained == [] and not Path("outputs").exists()


def test_a_sweep_trains_what_is_missing_and_says_what_is_next(
    study: Path, trained: list[Work], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sweep", "study=ladder", "--jobs=2", "arm=plain"]) == 0
    text = capsys.readouterr().out
    assert "1 part to train" in text and "pgx compare ladder" in text
    ((plain,),) = [work.jobs for work in trained]
    assert (plain.arm, trained[0].parallel, trained[0].launcher) == ("plain", 2, "local")
    assert read_study(Path("outputs"), "ladder").seeds == (0, 1, 2)
    assert main(["sweep", "study=ladder", "seeds=4"]) == 0
    assert [(job.arm, job.seeds) for job in trained[1].jobs] == [
        ("plain", (3,)),
        ("value", (0, 1, 2, 3)),
    ]
    assert trained[1].expected == {}
    assert main(["sweep", "study=ladder", "seeds=8"]) == 0
    known = {path.parts[2:]: round(s) for path, s in trained[2].expected.items()}
    assert known.keys() == {("value", "cartpole-v1", "seeds-4-7")}  # four seeds, as before
    capsys.readouterr()
    assert main(["sweep", "study=ladder", "seeds=8"]) == 0
    assert "nothing is missing" in capsys.readouterr().out
    assert len(trained) == 3


def test_what_a_changed_arm_changes_is_a_line_per_key_below_the_table(
    study: Path, trained: list[Work], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sweep", "study=ladder", "arm=plain"]) == 0
    (job,) = trained[0].jobs
    OmegaConf.save(compose_config(job.overrides), job.directory / "config.yaml")
    study.write_text(OPEN.replace("plain: []", "plain: [estimator.discount=0.5, max_grad_norm=3]"))
    capsys.readouterr()
    assert main(["sweep", "study=ladder", "--dry-run"]) == 2
    said = capsys.readouterr()
    lines = [line.rstrip() for line in said.out.splitlines()]
    row = next(line for line in lines if line.startswith("plain"))
    assert row.split() == ["plain", "cartpole-v1", "0-2", "changed"]
    at = lines.index("plain on cartpole-v1, seeds 0-2:")
    assert lines[at + 1] == "  estimator.discount: 0.99 → 0.5"
    assert lines[at + 2] == "  max_grad_norm: None → 3"
    assert "estimator.discount: 0.99 → 0.5, max_grad_norm: None → 3; rename" in said.err


def test_json_goes_to_standard_output_alone(
    study: Path, trained: list[Work], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sweep", "study=ladder", "--json", "arm=plain"]) == 0
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert [one["arm"] for one in found["outcomes"]] == ["plain"]
    assert found["study"] == "outputs/ladder/study.json"
    assert "1 part to train" in said.err


def test_a_failure_ends_with_status_1_then_and_as_long_as_it_is_left(
    study: Path, trained: list[Work], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sweep", "study=ladder", "max_grad_norm=7"]) == 1
    assert "boom" in capsys.readouterr().out
    Manifest.begin(
        trained[0].jobs[1].directory,
        study="ladder",
        arm="value",
        environment="cartpole-v1",
        seeds=(0, 1, 2),
        budget=1000,
        config_hash=trained[0].jobs[1].config_hash,
        environment_class="CartPole",
    ).end("failed", exit=1, error="boom")
    assert main(["sweep", "study=ladder", "max_grad_norm=7"]) == 1
    assert "3 runs failed before; --retry-failed repeats them" in capsys.readouterr().out
    assert len(trained) == 1


def test_what_diverged_is_a_result_that_no_sweep_is_needed_for(
    study: Path, trained: list[Work], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sweep", "study=ladder", "arm=plain"]) == 0
    path = trained[0].jobs[0].directory / "manifest.json"
    fields = json.loads(path.read_text())
    fields["seed_status"]["1"] |= {"status": "failed", "reason": "diverged at iteration 7"}
    path.write_text(json.dumps({**fields, "status": "failed", "exit": 1}))
    capsys.readouterr()
    assert main(["sweep", "study=ladder", "arm=plain"]) == 0
    text = capsys.readouterr().out
    assert "nothing is missing" in text
    assert "1 run diverged before; --retry-failed repeats it" in text
    assert main(["sweep", "study=ladder", "arm=plain", "--dry-run"]) == 0
    assert "diverged: at iteration 7" in capsys.readouterr().out
    assert main(["sweep", "study=ladder", "arm=plain", "--retry-failed"]) == 0
    assert [job.seeds for job in trained[1].jobs] == [(1,)]


def test_the_summary_counts_what_was_asked_for(
    study: Path, trained: list[Work], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sweep", "study=ladder", "seeds=5"]) == 0
    words = ["study=ladder", "arm=value", "seeds=2", "max_grad_norm=3", "--replace", "--dry-run"]
    capsys.readouterr()
    assert main(["sweep", *words]) == 0
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines[1].split() == ["value", "cartpole-v1", "0-4", "to", "repeat"]
    assert "ladder: 1 arm × 1 environment × 2 seeds: 1 part to repeat" in lines


def test_a_smoke_test_says_what_every_arm_did(
    study: Path, trained: list[Work], capsys: pytest.CaptureFixture[str]
) -> None:
    arms = "  value: baseline=value\n  bad: estimator.discount=3\n"
    study.write_text(OPEN.replace("  value: baseline=value\n", arms))
    assert main(["sweep", "study=ladder", "--smoke", "max_grad_norm=7"]) == 1
    text = capsys.readouterr().out
    lines = {line.split()[0]: line for line in text.splitlines() if "cartpole" in line}
    assert lines["plain"].split()[2:] == ["ok"]
    assert lines["value"].split()[2:] == ["failed:", "boom"]
    assert "estimator.discount=3" in lines["bad"]
    assert not Path("outputs").exists()
    (work,) = trained
    assert {job.budget for job in work.jobs} == {1}
    assert not work.output.exists()


def test_launcher_and_folders_reach_the_work(study: Path, tmp_path: Path) -> None:
    words = ["study=ladder", "hydra/launcher=joblib", "hydra.launcher.n_jobs=3", "-cd", "conf"]
    asked = parse(words)
    work = work_of(make_plan(asked.request), asked)
    assert (work.launcher, work.hydra) == ("joblib", ("hydra.launcher.n_jobs=3",))
    assert work.directories == (tmp_path / "conf",)
    with pytest.raises(ConfigError, match="--launcher=ray"):
        asked = parse(["study=ladder", "hydra/launcher=ray"])
        work_of(make_plan(asked.request), asked)
