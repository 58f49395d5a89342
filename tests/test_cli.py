"""The command line: exit statuses, verbatim arguments of train, and a help that answers at once."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from pgx import cli
from pgx.errors import ConfigError, RunFailed

ROOT = Path(__file__).resolve().parents[1]


def raising(error: BaseException) -> Callable[[], int]:
    def command() -> int:
        raise error

    return command


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PGX_TRACEBACK", raising=False)


@pytest.fixture(autouse=True)
def restore_sigterm() -> object:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def test_a_status_that_a_command_returns_is_kept() -> None:
    assert cli.guard(lambda: 0) == 0
    assert cli.guard(lambda: None) == 0
    assert cli.guard(lambda: 1) == 1


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (ConfigError("seeds=0: choose\nat least 1"), 2, "error: seeds=0: choose at least 1"),
        (RunFailed("seed 3 diverged at iteration 7"), 1, "failed: seed 3 diverged at iteration 7"),
        (KeyboardInterrupt(), 130, None),
        (SystemExit(143), 143, None),
        (SystemExit(None), 0, None),
    ],
)
def test_how_a_command_ends_is_its_exit_status(
    error: BaseException, status: int, line: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.guard(raising(error)) == status
    assert capsys.readouterr().err.splitlines() == ([] if line is None else [line])


def test_any_other_error_is_one_line_and_a_saved_traceback(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.guard(raising(ZeroDivisionError("by zero"))) == 1
    (line,) = capsys.readouterr().err.splitlines()
    match = re.fullmatch(r"error: ZeroDivisionError: by zero \(traceback in (\S+)\)", line)
    assert match is not None
    saved = Path(match[1])
    assert "raise error" in saved.read_text(encoding="utf-8")
    saved.unlink()


@pytest.mark.parametrize("error", [ConfigError("seeds=0"), ZeroDivisionError("by zero")])
def test_a_traceback_is_shown_on_request(
    error: Exception,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("PGX_TRACEBACK", "1")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    status = cli.guard(raising(error))
    assert status == (2 if isinstance(error, ConfigError) else 1)
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_an_error_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.guard(raising(ConfigError("arm=\x1b[2J\x9bred\n\u202eno: choose"))) == 2
    assert capsys.readouterr().err == "error: arm=?[2J?red ?no: choose\n"


def test_output_that_nobody_can_have_is_one_line_or_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    code = "from pgx.guard import guard; import rich; raise SystemExit(guard(lambda: {}('a' * 99)))"
    for printer, unbuffered in (("print", ""), ("rich.print", ""), ("print", "1")):
        monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
        words = [sys.executable, "-c", code.format(printer)]
        with open("/dev/full", "w") as full:
            done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True)
        line = "error: what this gives cannot be written (No space left on device)\n"
        assert (done.returncode, done.stderr) == (1, line), printer
        read, write = os.pipe()
        os.close(read)
        done = subprocess.run(words, stdout=write, stderr=subprocess.PIPE, text=True)
        os.close(write)
        assert (done.returncode, done.stderr) == (141, ""), printer


def test_sigterm_leaves_through_finally_with_143() -> None:
    left = []

    def command() -> int:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)
            return 0
        finally:
            left.append(True)

    assert cli.guard(command) == 143
    assert left == [True]


@pytest.mark.parametrize(
    "words", [["trian"], ["status", "--jsn"], ["export"], ["bench", "--repeats=x"]]
)
def test_a_misspelt_command_line_is_the_users_mistake(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(words) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith("error: ")


def stand_in(name: str, monkeypatch: pytest.MonkeyPatch, **members: object) -> None:
    """Put a module of these members in the place of ``name``."""
    module = ModuleType(name)
    vars(module).update(members)
    monkeypatch.setitem(sys.modules, name, module)


def test_train_passes_its_arguments_through_untouched(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    stand_in("pgx.train", monkeypatch, main=lambda words, check: seen.append(words) or 1)
    words = [
        "a=b",
        "-m",
        "+x=[1, 2]",
        "--",
        "~y",
        "--config-dir",
        "my conf",
        "--cfg",
        "job",
        "-mx",
        "",
    ]
    assert cli.main(["train", *words]) == 1
    assert seen == [words]


def test_train_help_is_written_by_hand(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["train", "seeds=1", "--help"]) == 0
    text = capsys.readouterr().out
    for word in ("seeds", "decisions", "resume", "experiment", "Hydra", "--config-dir"):
        assert word in text


def test_status_prints_rows_as_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[tuple[str | None, Path]] = []

    def status(study: str | None, root: Path) -> list[dict[str, object]]:
        seen.append((study, root))
        return [{"arm": "a2c", "path": root}]

    stand_in("pgx.status", monkeypatch, status=status, render=None)
    assert cli.main(["status", "lectures", "--json", "--output", "elsewhere"]) == 0
    assert seen == [("lectures", Path("elsewhere"))]
    assert json.loads(capsys.readouterr().out) == [{"arm": "a2c", "path": "elsewhere"}]


def test_export_says_where_it_wrote(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[tuple[object, ...]] = []

    def export(*arguments: object) -> Path:
        seen.append(arguments)
        return Path("rows.parquet")

    stand_in("pgx.export", monkeypatch, export=export)
    words = ["export", "lectures", "--format", "parquet", "--to", "there", "--output", "runs"]
    assert cli.main(words) == 0
    assert cli.main([*words, "--json"]) == 0
    assert seen == [("lectures", Path("runs"), "parquet", Path("there"))] * 2
    first, *rest = capsys.readouterr().out.splitlines()
    assert first == "rows.parquet"
    assert json.loads("".join(rest))["path"] == "rows.parquet"


def test_doctor_ends_with_1_only_if_something_is_bad(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for status, expected in (("missing", 0), ("bad", 1)):
        finding = SimpleNamespace(status=status, _asdict=lambda status=status: {"status": status})
        stand_in("pgx.doctor", monkeypatch, examine=lambda output, f=finding: [f], render=None)
        assert cli.main(["doctor", "--json"]) == expected
        assert json.loads(capsys.readouterr().out) == [{"status": status}]


def test_no_words_and_help_say_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    for words in ([], ["--help"]):
        assert cli.main(words) == 0
        text = capsys.readouterr().out
        for command in ("train", "status", "export", "bench", "doctor", "init"):
            assert command in text


def test_help_answers_within_half_a_second(tmp_path: Path) -> None:
    times = []
    for _ in range(5):
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "pgx_lab", "--help"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            check=True,
        )
        times.append(time.perf_counter() - start)
        assert b"train" in done.stdout
    assert min(times) < 0.5


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    heavy = (
        "torch",
        "numpy",
        "scipy",
        "polars",
        "hydra",
        "wandb",
        "gymnasium",
        "pytorch_lightning",
    )
    code = (
        "import sys, pgx.cli; status = pgx.cli.main(['--help']); "
        f"print([name for name in {heavy} if name in sys.modules]); sys.exit(status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[]"
