"""``pgx report`` as a user calls it: what is written and printed, and mistakes in one line."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from pgx.cli import main
from pgx.report.shipped import read_shipped
from pgx.report.write import write_report
from tests.conftest import environment
from tests.report.fabricated import evidence
from tests.report.test_write import files


@pytest.fixture(autouse=True)
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder, where a study is on disk as far as reports look: gathered, and quick."""
    monkeypatch.chdir(tmp_path)
    made = evidence(("total_return", "gae"), 3, ("cartpole-v1",))
    monkeypatch.setattr("pgx.analysis.gather.gather", lambda root, name: made)
    quick = partial(write_report, resamples=50)
    monkeypatch.setattr("pgx.report.write.write_report", quick)


def test_a_report_lies_beside_the_runs_and_verifies(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "001_made_up"]) == 0
    headline, path = capsys.readouterr().out.splitlines()
    assert "GAE" in headline
    assert path == "outputs/001_made_up/report/report.html"
    assert main(["verify", path]) == 0


def test_json_names_every_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "001_made_up", "--json", "--to", "mine", "--against", "gae"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made.keys() == {"study", "report", "headline", "changed", "files"}
    assert {str(Path("mine") / name) for name in files(Path("mine"))} == set(made["files"])
    assert read_shipped(Path("mine")).against == "gae"


def test_a_report_is_drawn_anew_from_what_it_ships(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "001_made_up", "--to", "mine"]) == 0
    before = files(Path("mine"))
    assert main(["report", "mine"]) == 0
    assert files(Path("mine")) == before
    assert main(["report", "mine/report.html", "--against", "gae", "--to", "other"]) == 0
    assert files(Path("mine")) == before
    assert read_shipped(Path("other")).against == "gae"
    rows = Path("mine/runs.json")
    rows.write_text(rows.read_text().replace('"sha256": "', '"sha256": "0', 1))
    capsys.readouterr()
    assert main(["report", "mine"]) == 2
    assert "an episode is not the one that was shipped" in capsys.readouterr().err


def test_anonymous_is_an_option() -> None:
    assert main(["report", "001_made_up", "--to", "mine", "--anonymous"]) == 0
    page = Path("mine/report.html").read_text()
    assert "withheld" in page
    assert "mallory" not in page


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["report", "001_made_up", "--against", "gea"], "--against=gea: did you mean 'gae'?"),
        (["report", "001_made_up", "--to", "here.txt"], "--to: here.txt is no directory"),
        (["report"], "Missing argument 'STUDY'."),
        (["verify", "none"], "none: there is no such report; pgx report STUDY makes one"),
        (["verify", "here.txt"], "report.html: is missing"),
    ],
)
def test_a_mistake_is_one_line(
    words: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("here.txt").touch()
    assert main(words) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (said,) = captured.err.splitlines()
    assert said.startswith(f"error: {line}")
    assert [path.name for path in Path().iterdir()] == ["here.txt"]


def test_verify_needs_nothing_that_draws(report: Path) -> None:
    code = (
        "import sys; sys.modules |= dict.fromkeys(('altair', 'vl_convert'))\n"
        f"from pgx.cli import main; done = main(['verify', {str(report)!r}])\n"
        "sys.exit(3 if {'torch', 'wandb', 'hydra'} & sys.modules.keys() else done)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{report}: verified: ")
