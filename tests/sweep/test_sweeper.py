"""Through Hydra's multirun, below each launcher: the same rows, and every mistake an outcome."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import OmegaConf
from rich.console import Console

from pgx.errors import ConfigError, RunFailed
from pgx.records import episodes, read_part
from pgx.study import read_study
from pgx.sweep import sweeper, worker
from pgx.sweep.ending import conclude
from pgx.sweep.job import Job, Outcome
from pgx.sweep.sweeper import ArmsSweeper, sweep_through_hydra
from pgx.sweep.work import Ended, Work
from pgx.tracking.manifest import Manifest, PartLock
from tests.conftest import environment

BUDGET = 1500  #: two iterations: what they learned shows in the second


def job(root: Path, arm: str, *words: str, seeds: Sequence[int] = (3,)) -> Job:
    directory = root / "s" / arm / "corridor" / "seeds-3"
    keys = ("environment=corridor", f"arm={arm}", f"seeds={list(seeds)}", f"decisions={BUDGET}")
    overrides = ("study.name=s", *keys, f"output={root}", *words)
    return Job(arm, "corridor", tuple(seeds), "train", overrides, directory, "hash", BUDGET)


def quiet() -> Console:
    return Console(file=io.StringIO())


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory; its own configs and classes would be found."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("launcher", "arms"),
    [
        ("local", ("a", "broken")),
        ("joblib", ("a", "broken", "b")),
        ("submitit_local", ("a", "b")),
    ],
)
def test_a_sweep_below_every_launcher(here: Path, launcher: str, arms: Sequence[str]) -> None:
    """Arms that train, with the rows of ``pgx train``, beside one that cannot be built."""
    root, console, typed = here / "outputs", quiet(), list(sys.argv)
    rates = {"a": "0.001", "broken": "-1", "b": "0.003"}
    jobs = tuple(job(root, arm, f"optimizer.learning_rate={rates[arm]}") for arm in arms)
    given = Work("s", root, jobs, launcher=launcher, parallel=3)
    ended = sweep_through_hydra(given, console)
    assert sys.argv == typed
    assert sorted(outcome.arm for outcome in ended.outcomes) == sorted(arms)
    assert (ended.exit, ended.received) == (int("broken" in arms), None)
    by_arm = {one.arm: one for one in jobs}
    rows = []
    for outcome in ended.outcomes:
        one = by_arm[outcome.arm]
        assert (outcome.seeds, outcome.environment) == ((3,), "corridor")
        assert Path(outcome.directory) == one.directory
        if outcome.arm == "broken":
            line = "optimizer.learning_rate=-1: choose a number of at least 0"
            assert (outcome.exit, outcome.error) == (2, line)
            continue
        part = read_part(one.directory)
        assert (outcome.exit, outcome.error) == (0, None)
        assert outcome.elapsed_s > 0
        assert (part.status, part.manifest["threads"]) == ("finished", 1)
        assert part.manifest["command"][:2] == ["pgx", "train"]
        assert set(one.overrides) <= set(part.manifest["command"])
        assert "decisions" in (one.directory / "launch.log").read_text()
        rows.append(episodes(part).drop("wall_s"))
        assert rows[-1].equals(alone(here / "alone", one))
    assert len(rows) < 2 or not rows[0].equals(rows[1])
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert sum(line.startswith("done ") for line in lines) == len(rows)
    assert sum(line.startswith("failed ") for line in lines) == len(arms) - len(rows)


def alone(root: Path, one: Job) -> object:
    """The rows of the same part as ``pgx train`` makes it, in this process."""
    from pgx.callbacks import Terminal
    from pgx.config import compose_config
    from pgx.train import make_plan

    words = [*one.overrides, f"output={root}", "threads=1"]
    plan = make_plan(compose_config(words), words)
    assert worker.train(plan, ["pgx", "train"], Terminal(file=io.StringIO())) == 0
    return episodes(read_part(plan.directory)).drop("wall_s")


class Fake:
    """A launcher that calls nothing: it answers, or raises, what it was made with."""

    def __init__(self, *answers: Outcome | Exception) -> None:
        self.answers, self.asked = list(answers), []  # type: ignore[var-annotated]

    def launch(self, words: Sequence[Sequence[str]], first: int) -> list[JobReturn]:
        self.asked.append((first, [tuple(one) for one in words]))
        made = [self.answers.pop(0) for _ in words]
        failed = [isinstance(one, Exception) for one in made]
        return [
            JobReturn(status=JobStatus.FAILED if bad else JobStatus.COMPLETED, _return_value=one)
            for one, bad in zip(made, failed, strict=True)
        ]


def outcome(one: Job, exit: int = 0, error: str | None = None) -> Outcome:
    return Outcome(one.arm, one.environment, one.seeds, exit, str(one.directory), error, 2.0)


def swept(monkeypatch: pytest.MonkeyPatch, work: Work, fake: Fake) -> Callable[[], Ended]:
    """`sweep_through_hydra` with another launcher in Hydra's place."""
    made = ArmsSweeper()
    made.launcher = fake

    def main(path: str, name: str, version: str) -> object:
        return lambda task: lambda: made.sweep([])

    monkeypatch.setattr("hydra.main", main)
    return lambda: sweep_through_hydra(work, quiet())


def test_a_job_that_raised_in_another_launchers_process_is_an_outcome(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = tuple(job(tmp_path, arm) for arm in "abc")
    answers = (outcome(jobs[0]), ConfigError("arm=b:\nno"), ZeroDivisionError("by\n zero"))
    ended = swept(monkeypatch, Work("s", tmp_path, jobs, launcher="joblib"), Fake(*answers))()
    assert [(one.arm, one.exit, one.error) for one in ended.outcomes] == [
        ("a", 0, None),
        ("b", 2, "arm=b: no"),
        ("c", 1, "ZeroDivisionError: by zero"),
    ]


def test_submitit_gets_no_more_jobs_at_once_than_may_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = tuple(job(tmp_path, arm) for arm in "abcde")
    for launcher, batches in (("submitit_local", [0, 2, 4]), ("joblib", [0])):
        fake = Fake(*map(outcome, jobs))
        work = Work("s", tmp_path, jobs, launcher=launcher, parallel=2)
        assert len(swept(monkeypatch, work, fake)().outcomes) == 5
        assert [first for first, _ in fake.asked] == batches
        words = [one for _, batch in fake.asked for one in batch]
        assert words == [(*one.overrides, "threads=1") for one in jobs]


def test_what_another_launcher_left_at_work_is_ended_with_the_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = job(tmp_path, "a"), job(tmp_path, "b")
    hold = (
        "import sys, time; from pathlib import Path; from pgx.tracking.manifest import PartLock\n"
        "with PartLock(Path(sys.argv[1])):\n    print('held', flush=True)\n    time.sleep(60)"
    )
    words = [sys.executable, "-c", hold, str(one.directory)]
    held = subprocess.Popen(words, env=environment(), stdout=subprocess.PIPE, text=True)

    class Stopped(Fake):
        def launch(self, words: Sequence[Sequence[str]], first: int) -> list[JobReturn]:
            assert held.stdout is not None and held.stdout.readline() == "held\n"
            raise KeyboardInterrupt

    try:
        with pytest.raises(KeyboardInterrupt):
            swept(monkeypatch, Work("s", tmp_path, (one, two), launcher="joblib"), Stopped())()
        assert held.wait(20) == -signal.SIGTERM
    finally:
        held.kill()
        held.communicate()


def test_what_a_launcher_raises_leaves_hydra_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(Fake):
        def launch(self, words: Sequence[Sequence[str]], first: int) -> list[JobReturn]:
            raise RunFailed("its server is gone")

    work = Work("s", tmp_path, (job(tmp_path, "a"),), launcher="joblib")
    with pytest.raises(RunFailed, match="its server is gone"):
        swept(monkeypatch, work, Broken())()


STUDY = """
name: mine
question: Which rate?
prediction: The higher one.
reference: slow
metric: final
seeds: 1
decisions: 300
arms: {slow: optimizer.learning_rate=0.0001, fast: optimizer.learning_rate=0.01}
environments: {corridor: {}}
"""


@pytest.mark.parametrize("good", [True, False])
def test_below_any_other_program_the_sweeper_makes_the_plan_itself(
    here: Path, good: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "own" / "study").mkdir(parents=True)
    (here / "own" / "study" / "mine.yaml").write_text(STUDY)
    slow, fast = (
        Outcome(arm, "corridor", (0,), exit, f"outputs/mine/{arm}", None, 1.0)
        for arm, exit in (("slow", 0), ("fast", 0 if good else 1))
    )
    made = ArmsSweeper()
    made.launcher = fake = Fake(slow, fast)
    hydra = {
        "searchpath": [f"file://{here / 'own'}", "pkg://elsewhere"],
        "runtime": {"choices": {"hydra/launcher": "joblib"}},
    }
    made.config = OmegaConf.create({"hydra": hydra})
    if good:
        ended = made.sweep(["study=mine"])
        assert ended is not None
        assert ended.outcomes == (slow, fast)
        assert "next: pgx compare mine" in capsys.readouterr().out
    else:
        with pytest.raises(RunFailed, match="not every part of study mine"):
            made.sweep(["study=mine"])
        assert "1 of 2 parts done" in capsys.readouterr().out
    ((_, words),) = fake.asked
    assert ["arm=slow" in one for one in words] == [True, False]
    assert read_study(here / "outputs", "mine").trained == ("slow", "fast")


def test_a_launcher_that_is_not_installed_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    work = Work("s", tmp_path, (job(tmp_path, "a"),), launcher="joblib")
    with pytest.raises(ConfigError, match=r"pip install 'pgx-lab\[joblib\]'"):
        sweep_through_hydra(work, quiet())


def test_hydras_own_keys_have_the_last_word(here: Path) -> None:
    jobs = (job(here, "a"), job(here, "b"), job(here, "c"))
    own = ("hydra.launcher.n_jobs=1", "+hydra.launcher.extra=3")
    words = sweeper._words(Work("s", here / "it's", jobs, (), "joblib", 2, {}, own))
    assert [word for word in words if "n_jobs" in word] == ["hydra.launcher.n_jobs=1"]
    assert "hydra/launcher=joblib" in words
    assert "+hydra.launcher.extra=3" in words
    assert words[-1] == "--multirun"
    words = sweeper._words(Work("s", here, jobs, (), "joblib", 2))
    assert [word for word in words if "n_jobs" in word] == ["hydra.launcher.n_jobs=2"]


# The worker's own side.


def test_what_an_earlier_process_left_is_continued_unless_it_is_replaced() -> None:
    assert worker.resumable(["arm=a"]) == ["arm=a", "resume=true"]
    assert worker.resumable(["arm=a", "replace=true"]) == ["arm=a", "replace=true"]
    assert worker.resumable(["++resume=false"]) == ["++resume=false"]


def plan_of(root: Path, *words: str) -> object:
    from pgx.config import compose_config
    from pgx.train import make_plan

    every = [*job(root, "a").overrides, "resume=true", *words]
    return make_plan(compose_config(every), every)


def test_a_part_is_waited_for_while_its_last_process_ends(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, held = plan_of(here), PartLock(job(here, "a").directory)
    held.__enter__()
    slept = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            held.__exit__(None, None, None)

    monkeypatch.setattr(worker, "time", SimpleNamespace(monotonic=lambda: 0.0, sleep=sleep))
    assert worker.train(plan, ["pgx"], quiet()) == 0  # type: ignore[arg-type]
    assert slept == [worker.LOOK_S] * 3


def test_patience_ends(here: Path) -> None:
    plan = plan_of(here)
    facts = {
        "study": "s",
        "arm": "a",
        "environment": "corridor",
        "seeds": (3,),
        "budget": BUDGET,
        "config_hash": "x",
        "environment_class": "C",
    }
    with PartLock(job(here, "a").directory):
        Manifest.begin(job(here, "a").directory, **facts)  # type: ignore[arg-type]
        with pytest.raises(ConfigError, match="being trained by another process"):
            worker.train(plan, ["pgx"], quiet(), patience_s=0.1)  # type: ignore[arg-type]


def test_a_part_that_another_process_finished_meanwhile_is_not_trained_again(here: Path) -> None:
    plan = plan_of(here)
    assert worker.train(plan, ["pgx", "one"], quiet()) == 0  # type: ignore[arg-type]
    assert worker.train(plan, ["pgx", "two"], quiet()) == 0  # type: ignore[arg-type]
    assert read_part(job(here, "a").directory).manifest["command"] == ["pgx", "one"]


# What is said at the end.


def concluded(root: Path, ended: Ended, output: Path = Path("outputs")) -> tuple[int, list[str]]:
    console = quiet()
    jobs = tuple(job(root, arm) for arm in "abc")
    code = conclude(Work("s", output, jobs), ended, console)
    return code, console.file.getvalue().splitlines()  # type: ignore[attr-defined]


def test_a_sweep_without_failures_names_the_next_command(tmp_path: Path) -> None:
    good = Ended(tuple(outcome(job(tmp_path, arm)) for arm in "abc"))
    assert concluded(tmp_path, good) == (
        0,
        ["3 of 3 parts done", "next: pgx compare s", "      pgx report s"],
    )
    _, lines = concluded(tmp_path, good, Path("else where"))
    assert lines[1:] == [
        "next: pgx compare s --output 'else where'",
        "      pgx report s --output 'else where'",
    ]


def test_a_log_is_named_in_one_way_however_a_launcher_spells_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for root in (tmp_path, Path(".")):
        _, lines = concluded(tmp_path, Ended((outcome(job(root, "b"), 1, "boom"),)))
        assert lines[2].startswith("log of b on corridor: ")
        assert not Path(lines[2].rpartition(" ")[2]).is_absolute()


def test_failures_end_in_a_table_with_where_their_logs_are(tmp_path: Path) -> None:
    a, b, c = (job(tmp_path, arm) for arm in "abc")
    ended = Ended(
        (
            outcome(a),
            outcome(b, 1, "seed 3 [bold]diverged[/] \x1b[31mat\niteration 7"),
            outcome(c, 137, "killed by SIGKILL"),
        )
    )
    code, lines = concluded(tmp_path, ended)
    assert code == 1
    assert lines[0].split() == ["arm", "environment", "seeds", "status", "what", "happened"]
    assert lines[1].rstrip().split(maxsplit=4) == [
        *("b", "corridor", "3", "failed", "seed 3 [bold]diverged[/] at iteration 7")
    ]
    assert lines[2].rstrip().split(maxsplit=4) == [
        "c",
        "corridor",
        "3",
        "interrupted",
        "killed by SIGKILL",
    ]
    assert lines[3] == f"log of b on corridor: {b.directory}/launch.log"
    assert lines[5:] == [
        "1 of 3 parts done",
        "the same command continues what was interrupted",
        "the same command with --retry-failed repeats what failed",
    ]


def test_a_signal_is_the_exit_status(tmp_path: Path) -> None:
    one = outcome(job(tmp_path, "a"), 130, "interrupted by SIGINT")
    code, lines = concluded(tmp_path, Ended((one,), signal.SIGINT))
    assert code == 130
    assert lines == ["0 of 3 parts done", "interrupted by SIGINT: the same command continues"]
    two = outcome(job(tmp_path, "b"), 1, "seed 3 diverged")
    code, lines = concluded(tmp_path, Ended((one, two), signal.SIGINT))
    assert code == 130
    assert "seed 3 diverged" in lines[1]


def test_an_outcome_is_plain_values(tmp_path: Path) -> None:
    from dataclasses import asdict

    made = asdict(outcome(job(tmp_path, "a")))
    assert json.loads(json.dumps(made))["seeds"] == [3]
