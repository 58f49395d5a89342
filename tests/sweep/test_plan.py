"""From a request to its plan: composed, checked and hashed as training would, nothing trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from pgx.config import compose_config
from pgx.errors import ConfigError
from pgx.names import config_hash
from pgx.study import Place, Study, read_study, write_study
from pgx.sweep.plan import Plan, make_plan
from pgx.sweep.request import SMOKE_SEEDS, Request
from pgx.tracking.manifest import Manifest

STUDY: dict[str, Any] = {
    "name": "ladder",
    "question": "Does a baseline help?",
    "prediction": "Yes.",
    "reference": "plain",
    "seeds": 3,
    "decisions": 1000,
    "base": "experiment=reinforce",
    "arms": {
        "plain": None,
        "value": {"label": "with a value", "overrides": "baseline=value"},
        "slow": ["optimizer.learning_rate=0.01"],
    },
    "environments": {"cartpole": {"low": 0, "high": 500}},
}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(name: str = "ladder", folder: str = "conf", **changed: Any) -> None:
    """A study file, some of whose keys are changed; None takes one out."""
    content = {key: v for key, v in {**STUDY, **changed}.items() if v is not None}
    path = Path(folder) / "study" / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(content, sort_keys=False))


def planned(*words: str, **flags: Any) -> Plan:
    return make_plan(Request(("study=ladder", *words), **flags))


def states(plan: Plan) -> dict[tuple[str, str], str]:
    return {(row.arm, row.environment): row.state for row in plan.rows}


def finish(job: Any, config_hash: str | None = None) -> None:
    """A part that finished, as far as its manifest says."""
    manifest = Manifest.begin(
        job.directory,
        study="ladder",
        arm=job.arm,
        environment=job.environment,
        seeds=job.seeds,
        budget=job.budget,
        config_hash=config_hash or job.config_hash,
        environment_class="CartPole",
    )
    manifest.end(exit=0)


def test_a_study_becomes_jobs_that_train_alone() -> None:
    write()
    plan = planned("output=runs")
    assert [job.arm for job in plan.jobs] == ["plain", "value", "slow"]
    job = plan.jobs[1]
    assert job.overrides == (
        "study=ladder",
        "experiment=reinforce",
        "baseline=value",
        "environment=cartpole",
        "output=runs",
        "decisions=1000",
        "arm=value",
        "seeds=[0,1,2]",
    )
    assert job.directory == Path("runs/ladder/value/cartpole-v1/seeds-0-2")
    assert (job.seeds, job.action, job.budget) == ((0, 1, 2), "train", 1000)
    assert job.config_hash == config_hash(compose_config(job.overrides))
    assert len({job.config_hash for job in plan.jobs}) == 3
    assert not Path("runs").exists()


def test_a_lone_run_may_belong_to_a_study_with_arms() -> None:
    write()
    assert compose_config(["study=ladder"]).study.prediction == "Yes."


def test_the_study_of_a_plan_says_what_was_asked_for() -> None:
    write()
    plan = planned()
    hashes = {job.arm: {"cartpole-v1": job.config_hash} for job in plan.jobs}
    assert len({own["cartpole-v1"] for own in hashes.values()}) == 3
    assert plan.study == Study(
        name="ladder",
        question="Does a baseline help?",
        prediction="Yes.",
        reference="plain",
        metric="area",
        last=100,
        seeds=(0, 1, 2),
        places={"cartpole-v1": Place("cartpole-v1", "cartpole", 1000, 0.0, 500.0)},
        arms={
            "plain": ("experiment=reinforce",),
            "value": ("experiment=reinforce", "baseline=value"),
            "slow": ("experiment=reinforce", "optimizer.learning_rate=0.01"),
        },
        labels={"value": "with a value"},
        hashes=hashes,
    )


def test_the_later_word_wins_arm_environment_command_line() -> None:
    key = "optimizer.learning_rate"
    acrobot = {"decisions": 50, "overrides": [f"{key}=3.0", "max_grad_norm=3.0"]}
    write(
        base=["experiment=reinforce", f"{key}=1.0"],
        arms={"plain": None, "slow": f"{key}=2.0"},
        environments={"cartpole": None, "acrobot": acrobot},
    )
    rates = {k: c.optimizer.learning_rate for k, c in planned().configs.items()}
    assert rates == {
        ("plain", "cartpole-v1"): 1.0,
        ("plain", "acrobot-v1"): 3.0,
        ("slow", "cartpole-v1"): 2.0,
        ("slow", "acrobot-v1"): 3.0,
    }
    typed = ("max_grad_norm=4.0", "decisions=70", "seeds=[5,2]")
    plan = planned(*typed, "environment=acrobot", "arm=slow")
    (config,) = plan.configs.values()
    assert (config.max_grad_norm, config.decisions) == (4.0, 70)
    (job,) = plan.jobs
    assert (job.arm, job.environment, job.seeds) == ("slow", "acrobot-v1", (2, 5))
    words = (f"{key}=3.0", "max_grad_norm=3.0", "max_grad_norm=4.0")
    assert plan.study.places["acrobot-v1"].overrides == words
    assert {place.decisions for place in plan.study.places.values()} == {70}


def test_a_budget_of_an_environment_is_its_own() -> None:
    write(arms={"plain": None}, environments={"cartpole": None, "acrobot": {"decisions": 50}})
    assert [job.budget for job in planned().jobs] == [1000, 50]


def test_what_is_finished_is_reused_and_the_rest_is_missing() -> None:
    write()
    first, second, _ = planned().jobs
    finish(first)
    finish(second)
    plan = planned("seeds=4")
    assert [(job.arm, job.seeds) for job in plan.jobs] == [
        ("plain", (3,)),
        ("value", (3,)),
        ("slow", (0, 1, 2, 3)),
    ]
    rows = [(row.seeds, row.state) for row in plan.rows if row.arm == "plain"]
    assert rows == [((0, 1, 2), "done"), ((3,), "to train")]


def test_what_is_there_decides_how_a_job_begins() -> None:
    write(arms={"plain": None})
    (job,) = planned().jobs
    Manifest.begin(
        job.directory,
        study="ladder",
        arm="plain",
        environment="cartpole-v1",
        seeds=(0, 1, 2),
        budget=1000,
        config_hash=job.config_hash,
        environment_class="CartPole",
    )
    (resumed,) = planned().jobs
    assert (resumed.action, resumed.overrides[-1]) == ("resume", "resume=true")
    finish(job, "0" * 16)
    plan = planned()
    assert plan.jobs == () and [row.state for row in plan.rows] == ["changed"]
    with pytest.raises(ConfigError, match=r"^plain on cartpole-v1, seeds 0-2: .*--replace$"):
        plan.check()
    (repeated,) = planned(replace=True).jobs
    assert (repeated.action, repeated.overrides[-1]) == ("repeat", "replace=true")


def test_arms_of_one_config_are_trained_once() -> None:
    grid = {"one_at_a_time": {"from": "plain", "values": {"optimizer.learning_rate": [0.1, 0.3]}}}
    write(generate=[grid])
    plan = planned()
    assert plan.study.duplicates == {"plain_learning_rate=0.1": "plain"}
    assert plan.study.trained == ("plain", "value", "slow", "plain_learning_rate=0.3")
    assert "plain_learning_rate=0.1" not in [job.arm for job in plan.jobs]
    assert plan.jobs[-1].overrides[-2] == "arm='plain_learning_rate=0.3'"
    (row,) = [row for row in plan.rows if row.state == "duplicate"]
    assert (row.arm, row.why) == ("plain_learning_rate=0.1", "of plain")


def test_arms_that_differ_somewhere_are_no_duplicates() -> None:
    write(
        arms={"plain": None, "same": "environment.slots=16", "part": "policy=categorical_linear"},
        environments={"cartpole": None, "acrobot": {"overrides": ["environment.slots=4"]}},
        exclude=[{"arm": "part", "environment": "cartpole"}],
    )
    plan = planned()
    assert plan.study.duplicates == {"same": "plain", "part": "plain"}
    excluded = [row for row in plan.rows if row.state == "excluded"]
    assert [(row.arm, row.environment) for row in excluded] == [("part", "cartpole-v1")]
    assert plan.study.excluded == (("part", "cartpole-v1", "arm=part, environment=cartpole"),)


def test_everything_that_does_not_fit_is_found_and_nothing_begins() -> None:
    write(
        arms={
            "plain": None,
            "gae": ["estimator=gae", "baseline=none"],
            "typo": "estimator.discont=1",
        }
    )
    plan = planned()
    assert states(plan) == {
        ("plain", "cartpole-v1"): "to train",
        ("gae", "cartpole-v1"): "invalid",
        ("typo", "cartpole-v1"): "invalid",
    }
    with pytest.raises(ConfigError) as caught:
        plan.check()
    line = str(caught.value)
    assert line.startswith("gae on cartpole-v1: estimator=gae baseline=none")
    assert line.endswith("(and 1 more; --dry-run lists them)")


def test_an_arm_that_turns_one_environment_into_another_does_not_fit() -> None:
    write(
        arms={"plain": None, "other": "environment.id=Acrobot-v1"},
        environments={"gymnasium": None},
    )
    assert "list it in the study's environments" in str(planned().rows[1].why)


def test_a_smoke_test_is_one_iteration_of_a_seed_or_two() -> None:
    write()
    plan = planned("output=elsewhere", "tracker=files", smoke=True)
    assert {job.seeds for job in plan.jobs} == {tuple(range(SMOKE_SEEDS))}
    assert {job.budget for job in plan.jobs} == {1}


def test_hydras_own_words_and_folders_travel_beside_the_jobs(tmp_path: Path) -> None:
    write(folder="mine/conf")
    words = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    plan = planned(*words, "output=runs", directories=(Path("mine/conf"),))
    assert plan.hydra == words
    assert plan.directories == (tmp_path / "mine" / "conf",)
    assert not [word for job in plan.jobs for word in job.overrides if "hydra" in word]


def test_a_request_adds_to_the_study_of_earlier_ones() -> None:
    write()
    plan = planned("seeds=[7]")
    write_study(plan.output, plan.study)
    assert planned("seeds=2").study.seeds == (0, 1, 7)


def test_a_damaged_study_json_is_named(tmp_path: Path) -> None:
    write()
    path = tmp_path / "outputs" / "ladder" / "study.json"
    path.parent.mkdir(parents=True)
    plan = planned()
    good = json.dumps(plan.study.as_json())
    harms = {
        "{": "cannot be read",
        "[]": "is no study",
        good.replace('"last": 100', '"last": "x"'): "last=x",
        good.replace('"reference": "plain"', '"reference": "plan"'): "reference=plan is no arm",
        good.replace('"decisions": 1000', '"decisions": "1000"'): "places.cartpole-v1",
        good.replace('"labels": {', '"labels": {"plain": 1, '): "labels",
    }
    for harm, said in harms.items():
        path.write_text(harm)
        with pytest.raises(ConfigError) as caught:
            planned()
        line = str(caught.value)
        assert line.startswith(str(path.relative_to(tmp_path))) and said in line
        assert line.endswith("remove it, and the same sweep writes it anew")
    path.unlink()
    assert planned().study == plan.study


def test_a_folder_that_cannot_be_written_to_is_the_users_to_mend(tmp_path: Path) -> None:
    write()
    study = planned().study
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"output=file: cannot be written to"):
        write_study(Path("file"), study)
    for folder in ("/proc/xx", "/sys/xx"):
        (row, *_) = planned(f"output={folder}").rows
        assert row.state == "invalid" and f"output={folder}" in str(row.why)


FILES = {
    b"": "holds no study",
    b"just a text": "holds no study",
    b"- a\n- b\n": "holds no study",
    b"name: x\nprediction: Yes: no\n": "in quotes, or on lines of its own after >-",
    b"name: x\nquestion: caf\xe9\n": "is not UTF-8",
}


@pytest.mark.parametrize("content", FILES)
def test_a_file_that_is_no_study_is_named(content: bytes) -> None:
    write()
    path = Path("conf/study/bad.yaml")
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        make_plan(Request(("study=bad",)))
    line = str(caught.value)
    assert str(path) in line and FILES[content] in line and "\n" not in line


def test_an_arm_gone_from_the_file_is_known_as_long_as_it_has_runs() -> None:
    write()
    plan = planned()
    write_study(plan.output, plan.study)
    finish(plan.jobs[1])
    write(arms={"plain": None, "new": "max_grad_norm=1.0"}, environments={"acrobot": None})
    after = planned().study
    assert list(after.arms) == ["plain", "new", "value"]
    assert after.labels == {"value": "with a value"}
    assert list(after.places) == ["acrobot-v1", "cartpole-v1"]
    left = {(arm, slug) for arm, slug, _ in after.excluded}
    assert left == {
        ("plain", "cartpole-v1"),
        ("new", "cartpole-v1"),
        ("value", "acrobot-v1"),
    }
    assert after.hashes["value"] == plan.study.hashes["value"]
    assert sorted(after.hashes["new"]) == ["acrobot-v1"]
    write_study(plan.output, after)
    assert read_study(plan.output, "ladder") == after


def test_the_hash_of_an_arm_that_is_not_asked_for_stays() -> None:
    write()
    before = planned().study
    write_study(Path("outputs"), before)
    after = planned("arm=slow", "max_grad_norm=3").study.hashes
    assert {arm: after[arm] for arm in ("plain", "value")} == {
        arm: before.hashes[arm] for arm in ("plain", "value")
    }
    assert after["slow"] != before.hashes["slow"]


def test_a_study_json_without_hashes_is_readable() -> None:
    write()
    plan = planned()
    path = write_study(plan.output, plan.study)
    assert read_study(plan.output, "ladder").hashes == plan.study.hashes
    fields = json.loads(path.read_text())
    del fields["hashes"]
    path.write_text(json.dumps(fields))
    assert read_study(plan.output, "ladder").hashes == {}
    assert planned().study.hashes == plan.study.hashes


def test_an_interpolation_is_the_arms_if_it_is_escaped() -> None:
    rate = "optimizer.learning_rate=${max_grad_norm}"
    write(arms={"plain": None, "tied": ["max_grad_norm=0.7", rate.replace("${", "\\${")]})
    assert planned().configs["tied", "cartpole-v1"].optimizer.learning_rate == 0.7
    write(arms={"plain": None, "tied": ["max_grad_norm=0.7", rate]})
    with pytest.raises(ConfigError, match=r"study\.arms\.tied: .*write it as"):
        planned()


MISTAKES = {
    "study without its key": (("ladder",), "ladder: ", "study=ladder?"),
    "no study": (("study.name=x",), "study is needed", "ladder"),
    "unknown study": (("study=lader",), "study=lader", "'ladder'"),
    "a sweep": (("study=ladder", "estimator=td,gae"), "estimator=td,gae", "generate"),
    "swept seeds": (("study=ladder", "seeds=0,1"), "seeds=0,1", "seeds=[0,1]"),
    "seeds": (("study=ladder", "seeds=x"), "seeds=x", "such as 10"),
    "decisions": (("study=ladder", "decisions=0"), "decisions=0", "at least 1"),
    "resume": (("study=ladder", "resume=true"), "resume=true", "resumed anyway"),
    "replace": (("study=ladder", "replace=true"), "replace=true", "--replace"),
    "unknown arm": (("study=ladder", "arm=plian"), "arm=plian", "'plain'"),
    "unknown environment": (
        ("study=ladder", "environment=acrobot"),
        "environment=acrobot",
        "cartpole",
    ),
    "grammar": (("study=ladder", "a b: c"), "'a b: c'", "key=value"),
    "key of the study": (("study=ladder", "+study.foo=1"), "study.foo", "name"),
    "lone run's study": (("study=adhoc",), "study=adhoc", "arms:"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_on_the_command_line_is_one_line(name: str) -> None:
    words, key, works = MISTAKES[name]
    write()
    with pytest.raises(ConfigError) as caught:
        make_plan(Request(words))
    line = str(caught.value)
    assert key in line and works in line and "\n" not in line


IN_THE_FILE: dict[str, tuple[dict[str, Any], str, str]] = {
    "no such environment": (
        {"environments": {"cartpol": None}},
        "study.environments.cartpol",
        "'cartpole'",
    ),
    "one environment twice": (
        {"environments": {"cartpole": None, "gymnasium": None}},
        "cartpole and gymnasium are both cartpole-v1",
        "keep one",
    ),
    "no seeds": ({"seeds": None}, "study.seeds is needed", "such as 10"),
    "no decisions": ({"decisions": None}, "study.decisions is needed", "budget"),
    "reference that is a duplicate": (
        {"arms": {"value": "baseline=none", "plain": None}},
        "study.reference=plain",
        "the arm value: name that one",
    ),
}


@pytest.mark.parametrize("name", IN_THE_FILE)
def test_a_mistake_in_the_file_is_one_line(name: str) -> None:
    changed, key, works = IN_THE_FILE[name]
    write(**changed)
    with pytest.raises(ConfigError) as caught:
        planned()
    line = str(caught.value)
    assert key in line and works in line and "\n" not in line
