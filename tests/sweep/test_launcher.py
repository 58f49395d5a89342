"""A process per job: how many, with what, in which order, and what each kind of death is called."""

from __future__ import annotations

import io
import os
import signal
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from rich.console import Console

from pgx.sweep import launcher
from pgx.sweep.job import Job, Outcome
from pgx.sweep.launcher import LocalLauncher, Processes, environment
from pgx.sweep.live import Watch
from pgx.sweep.work import Ended, Work, check_launcher, threads_of, with_threads
from pgx.tracking.manifest import Manifest
from tests.conftest import ROOT

#: Stands in for the worker: what it is told in its overrides is what it does, in no time.
WORKER = """
import os, signal, sys, time
words = dict(word.split("=", 1) for word in sys.argv[2:])
directory, does = words["arm"], words.get("does", "")
def note(line):
    with open(os.environ["NOTES"], "a") as file:
        file.write(f"{directory} {line}\\n")
def stop(number, frame):
    note(f"got {number}")
    time.sleep(0.3)
    sys.exit(128 + number)
if does == "wait":
    signal.signal(signal.SIGINT, stop), signal.signal(signal.SIGTERM, stop)
note("begins")
print("said", directory)
if does == "wait":
    time.sleep(30)
elif does == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    note("deaf")
    time.sleep(30)
elif does == "nap":
    time.sleep(0.4)
elif does == "show":
    note(" ".join(os.environ[f"{n}_NUM_THREADS"] for n in ("OMP", "MKL")))
    note(str("WANDB_SERVICE" in os.environ))
    note(words["threads"])
    note(str(int(sys.argv[1]) == os.getppid()))
    note(words.get("--config-dir", "none"))
elif does.startswith("kill"):
    os.kill(os.getpid(), int(does[4:]))
elif does.startswith("exit"):
    print("error: optimizer.learning_rate=-1: \\x1b[31mno", file=sys.stderr)
    sys.exit(int(does[4:]))
note("ends")
"""


@pytest.fixture(autouse=True)
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launcher, "COMMAND", (sys.executable, "-c", WORKER))
    monkeypatch.setattr(launcher, "POLL_S", 0.02)
    monkeypatch.setenv("NOTES", str(tmp_path / "notes"))


def job(root: Path, arm: str, does: str = "", *words: str, budget: int = 100) -> Job:
    directory = root / "s" / arm / "cartpole-v1" / "seeds-3-4"
    overrides = (f"arm={arm}", f"does={does}", *words)
    return Job(arm, "cartpole-v1", (3, 4), "train", overrides, directory, "hash", budget)


def notes(root: Path) -> list[str]:
    return (root / "notes").read_text().splitlines()


def run(work: Work, console: Console | None = None) -> tuple[list[Outcome], Processes]:
    with Watch(work, console or Console(file=io.StringIO())) as watch:
        processes = Processes(work, watch)
        return processes.run(work.jobs), processes


def work(root: Path, *jobs: Job, **named: object) -> Work:
    return Work("s", root, jobs, **named)  # type: ignore[arg-type]


def test_every_job_has_a_process_a_log_and_an_outcome(tmp_path: Path) -> None:
    jobs = (job(tmp_path, "a"), job(tmp_path, "b"))
    outcomes, processes = run(work(tmp_path, *jobs, parallel=1))
    assert [(one.arm, one.exit, one.error) for one in outcomes] == [("a", 0, None), ("b", 0, None)]
    assert outcomes[0].seeds == (3, 4)
    assert outcomes[0].directory == str(jobs[0].directory)
    assert 0 < outcomes[0].elapsed_s < 20
    assert (jobs[1].directory / "launch.log").read_text() == "said b\n"
    assert processes.received is None


@pytest.mark.parametrize(("parallel", "most"), [(1, 1), (2, 2), (9, 3)])
def test_so_many_run_at_a_time(tmp_path: Path, parallel: int, most: int) -> None:
    jobs = [job(tmp_path, arm, "nap") for arm in "abc"]
    run(work(tmp_path, *jobs, parallel=parallel))
    running = peak = 0
    for line in notes(tmp_path):
        running += {"begins": 1, "ends": -1}[line.split()[1]]
        peak = max(peak, running)
    assert peak == most


def test_the_longest_is_begun_first_where_every_length_is_known(tmp_path: Path) -> None:
    jobs = [job(tmp_path, arm) for arm in "abc"]
    expected = {one.directory: seconds for one, seconds in zip(jobs, (2.0, 9.0, 5.0), strict=True)}
    run(work(tmp_path, *jobs, parallel=1, expected=expected))
    assert [line[0] for line in notes(tmp_path) if "begins" in line] == ["b", "c", "a"]
    (tmp_path / "notes").unlink()
    run(work(tmp_path, *jobs, parallel=1, expected={jobs[1].directory: 9.0}))
    assert [line[0] for line in notes(tmp_path) if "begins" in line] == ["a", "b", "c"]


def test_a_process_is_told_its_threads_its_parent_and_nothing_of_a_wandb_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_SERVICE", "2-1-tcp-localhost-1")
    jobs = (job(tmp_path, "a", "show"), job(tmp_path, "b", "show", "threads=2"))
    run(work(tmp_path, *jobs, directories=(tmp_path / "own",)))
    said = sorted(notes(tmp_path))
    assert [line for line in said if line.startswith("a ")] == sorted(
        ["a begins", "a 1 1", "a False", "a 1", "a True", f"a {tmp_path / 'own'}", "a ends"]
    )
    assert "b 2 2" in said


@pytest.mark.parametrize(
    ("does", "exit", "error"),
    [
        (f"kill{signal.SIGSEGV.value}", 139, "killed by SIGSEGV; it last said: said x"),
        (f"kill{signal.SIGKILL.value}", 137, "killed by SIGKILL; it last said: said x"),
        (f"kill{signal.SIGTERM.value}", 143, "interrupted by SIGTERM"),
        ("exit1", 1, "optimizer.learning_rate=-1: no"),
        ("exit2", 2, "optimizer.learning_rate=-1: no"),
    ],
)
def test_a_crash_takes_one_part_with_it_and_is_named(
    tmp_path: Path, does: str, exit: int, error: str
) -> None:
    outcomes, _ = run(work(tmp_path, job(tmp_path, "x", does), job(tmp_path, "y"), parallel=1))
    assert [(one.arm, one.exit) for one in outcomes] == [("x", exit), ("y", 0)]
    assert outcomes[0].error == error
    assert Ended(tuple(outcomes)).exit == 1


def test_the_last_line_is_of_this_attempt(tmp_path: Path) -> None:
    one = job(tmp_path, "x", "exit2")
    one.directory.mkdir(parents=True)
    (one.directory / "launch.log").write_text("of an earlier attempt\n")
    launcher.COMMAND = (sys.executable, "-c", "import sys; sys.exit(3)")
    outcomes, _ = run(work(tmp_path, one))
    assert outcomes[0].error == "ended with status 3 and said nothing"
    assert (one.directory / "launch.log").read_text() == "of an earlier attempt\n"


def test_what_the_manifest_of_this_process_says_is_believed(tmp_path: Path) -> None:
    one = job(tmp_path, "x")
    facts = {
        "study": "s",
        "arm": "x",
        "environment": "cartpole-v1",
        "seeds": (3, 4),
        "budget": 100,
        "config_hash": "hash",
        "environment_class": "C",
    }
    Manifest.begin(one.directory, **facts).end(exit=1, error="seed 4 diverged")  # type: ignore
    launcher.COMMAND = (sys.executable, "-c", "import sys; print('other'); sys.exit(1)")
    outcomes, _ = run(work(tmp_path, one))
    assert outcomes[0].error == "other"  # the manifest is of another process
    path = one.directory / "manifest.json"
    rewrite = f"import os, sys; p = {str(path)!r}; t = open(p).read()\n" + textwrap.dedent(
        f"""
        open(p, "w").write(t.replace('"pid": {os.getpid()}', f'"pid": {{os.getpid()}}'))
        print("a table")
        sys.exit(1)
        """
    )
    launcher.COMMAND = (sys.executable, "-c", rewrite)
    outcomes, _ = run(work(tmp_path, one))
    assert outcomes[0].error == "seed 4 diverged"


def test_a_directory_that_cannot_be_made_is_one_failure_among_others(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "x").write_text("in the way")
    outcomes, _ = run(work(tmp_path, job(tmp_path, "x"), job(tmp_path, "y"), parallel=1))
    assert [(one.arm, one.exit) for one in outcomes] == [("x", 2), ("y", 0)]
    assert "cannot be written (Not a directory)" in str(outcomes[0].error)


def interrupted(
    work: Work, after: Callable[[], bool], *numbers: signal.Signals
) -> tuple[list[Outcome], Processes, str]:
    """Run the work, and send this very process signals after the moment that ``after`` awaits."""

    def send() -> None:
        for number in numbers:
            while not after():
                time.sleep(0.01)
            os.kill(os.getpid(), number)
            time.sleep(0.2)

    out = io.StringIO()
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    sender = threading.Thread(target=send)
    sender.start()
    outcomes, processes = run(work, Console(file=out))
    sender.join()
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    return outcomes, processes, out.getvalue()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_is_passed_on_once_and_waited_for(
    tmp_path: Path, number: signal.Signals, status: int
) -> None:
    jobs = [job(tmp_path, arm, "wait") for arm in "abc"]
    begun = lambda: (tmp_path / "notes").exists() and len(notes(tmp_path)) >= 2  # noqa: E731
    outcomes, processes, said = interrupted(work(tmp_path, *jobs, parallel=2), begun, number)
    assert sorted(one.arm for one in outcomes) == ["a", "b"]  # nothing new is begun
    assert [one.exit for one in outcomes] == [status, status]
    assert sorted(notes(tmp_path)[2:]) == [f"a got {number.value}", f"b got {number.value}"]
    assert processes.received == number
    assert Ended(tuple(outcomes), processes.received).exit == status
    assert f"{number.name}: 2 parts will stop" in said


def test_a_second_signal_kills(tmp_path: Path) -> None:
    begun = lambda: (tmp_path / "notes").exists() and "x deaf" in notes(tmp_path)  # noqa: E731
    twice = (signal.SIGTERM, signal.SIGTERM)
    outcomes, processes, _ = interrupted(work(tmp_path, job(tmp_path, "x", "deaf")), begun, *twice)
    assert outcomes[0].exit == 137
    assert Ended(tuple(outcomes), processes.received).exit == 143


def test_the_processes_find_this_pgx(tmp_path: Path) -> None:
    made = environment({"PYTHONPATH": "/elsewhere", "WANDB_SERVICE": "x", "HOME": "/h"}, 2)
    assert made["PYTHONPATH"].split(os.pathsep) == [str(ROOT), "/elsewhere"]
    assert made["OMP_NUM_THREADS"] == made["MKL_NUM_THREADS"] == "2"
    assert "WANDB_SERVICE" not in made
    assert made["HOME"] == "/h"


@pytest.mark.parametrize(
    ("overrides", "threads"),
    [
        (("a=1",), 1),
        (("threads=2",), 2),
        (("++threads=2", "a=1"), 2),
        (("threads=1", "threads=2"), 2),
        (("threads=null",), 1),
    ],
)
def test_a_job_computes_with_one_thread_unless_it_says_more(
    overrides: Sequence[str], threads: int
) -> None:
    assert threads_of(overrides) == threads
    assert threads_of(with_threads(overrides)) == threads
    assert with_threads(with_threads(overrides)) == with_threads(overrides)


def test_there_are_as_many_at_a_time_as_the_cores_have_room_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)))
    plain = [job(tmp_path, f"a{i}") for i in range(11)]
    assert work(tmp_path, *plain).at_a_time == 8
    assert work(tmp_path, *plain[:5]).at_a_time == 5
    assert work(tmp_path, *plain, parallel=3).at_a_time == 3
    two = [job(tmp_path, f"b{i}", "", "threads=2") for i in range(11)]
    assert work(tmp_path, *two).at_a_time == 4
    assert work(tmp_path, *plain, job(tmp_path, "c", "", "device=cuda:0")).at_a_time == 1


def test_the_launcher_works_below_its_own_sweeper_alone() -> None:
    with pytest.raises(launcher.ConfigError, match="use pgx sweep"):
        LocalLauncher().launch([["a=1"]], 0)


def test_a_launcher_is_known_and_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    check_launcher("local")
    check_launcher("joblib")
    with pytest.raises(launcher.ConfigError, match=r"--launcher=slurm.*did you mean|choose one"):
        check_launcher("slurm")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(launcher.ConfigError, match=r"pip install 'pgx-lab\[slurm\]'"):
        check_launcher("submitit_local")
    check_launcher("local")
