"""``pgx table atari`` as a user calls it: what is printed, and mistakes in one line."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from pgx.cli import main
from tests.atari.test_own import fabricate


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def out(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["table", "atari", *words]) == 0
    return capsys.readouterr().out


KEYS = {
    *("system", "kind", "training_time", "mean", "median", "published_mean", "published_median"),
    *("games", "runs", "frames_least", "frames_most", "start", "measure", "rule"),
}


def test_json_has_every_key_and_the_published_figures(capsys: pytest.CaptureFixture[str]) -> None:
    made = json.loads(out(capsys, "--json"))
    assert set(made) == {"rule", "rows", "notes", "figure"}
    assert (made["rule"], made["figure"], len(made["rows"])) == ("published", None, 8)
    for row in made["rows"]:
        assert set(row) == KEYS
        assert row["mean"] == pytest.approx(row["published_mean"], abs=0.4)
        assert row["median"] == pytest.approx(row["published_median"], abs=0.4)
    assert "406.3 / 104.7" in " ".join(made["notes"])


def test_the_rule_changes_the_rows(capsys: pytest.CaptureFixture[str]) -> None:
    last = json.loads(out(capsys, "--json", "--rule", "signed"))["rows"][-1]
    assert (round(last["mean"], 1), round(last["median"], 1)) == (406.3, 104.7)


def test_per_game_in_json_has_raw_and_normalized_scores(capsys: pytest.CaptureFixture[str]) -> None:
    made = json.loads(out(capsys, "--json", "--per-game"))
    assert [len(row["scores"]) for row in made["rows"]] == [49, 49, *[57] * 6]
    pong = made["rows"][-1]["scores"]["pong"]
    assert pong["raw"] == 10.7
    assert pong["normalized"] == pytest.approx(100 * 28.7 / 33.5)


def test_every_format_is_chosen_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    starts = {"markdown": "**Atari", "latex": "% Atari", "html": "<!DOCTYPE html>", "csv": "system"}
    for name, start in starts.items():
        assert out(capsys, "--format", name).startswith(start)
    assert out(capsys).startswith(starts["markdown"])
    assert out(capsys, "--per-game", "--format", "csv").startswith("game,DQN,Gorila")


def test_csv_has_the_notes_beside_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["table", "atari", "--format", "csv"]) == 0
    captured = capsys.readouterr()
    assert len(list(csv.reader(captured.out.splitlines()))) == 1 + 8
    assert "video_pinball" in captured.err


def test_own_runs_are_further_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # fabricated: no Atari game is trained here. Pong with no-op references: −20.7 and 14.6.
    root = tmp_path / "elsewhere"
    fabricate(root, returns={0: [1.0]}, evaluated={0: [-3.05]}, starts="noop", decisions=50)
    fabricate(root, returns={1: [14.6]}, decisions=75)
    words = ("--json", "--output", str(root))
    rows = json.loads(out(capsys, *words))["rows"][8:]
    found = {row["start"]: row for row in rows}
    assert set(found) == {"no-op starts, sticky 0.25", "as trained, sticky 0.25"}
    noop, trained = found["no-op starts, sticky 0.25"], found["as trained, sticky 0.25"]
    assert (noop["mean"], trained["mean"]) == pytest.approx((50.0, 100.0))
    assert (noop["frames_least"], trained["frames_most"]) == (200, 300)
    assert (noop["games"], noop["runs"], noop["kind"]) == (1, 1, "own")
    text = out(capsys, "--output", str(root))
    assert "| runs | frames per run |" in text
    assert len([line for line in text.splitlines() if line.startswith("| atari/a2c |")]) == 2


def test_a_figure_is_drawn_beside_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    made = json.loads(out(capsys, "--json", "--figure", "atari.svg"))
    assert made["figure"] == "atari.svg"
    assert Path("atari.svg").read_text(encoding="utf-8").startswith("<svg")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["atri"], "TABLE=atri: did you mean 'atari'?"),
        ([], "Missing argument 'TABLE'."),
        (["atari", "--rule", "sined"], "--rule=sined: did you mean 'signed'?"),
        (["atari", "--format", "tex"], "--format=tex: did you mean 'latex'?"),
        (["atari", "--format", "csv", "--json"], "--format=csv: --json is a format of its own"),
        (["atari", "--figure", "a.jpg"], "--figure: a.jpg does not end in one of .svg"),
        (["atari", "--output", "none"], "--output: there is no folder none"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_on_disk(
    words: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["table", *words]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (said,) = captured.err.splitlines()
    assert said.startswith(f"error: {line}")
    assert list(Path().iterdir()) == []
