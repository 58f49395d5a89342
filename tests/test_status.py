"""``pgx status`` and the table at the end of a run, on a terminal and in a pipe."""

from __future__ import annotations

import json
from dataclasses import replace
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from pgx.errors import ConfigError
from pgx.records import read_part, seed_rows
from pgx.status import render, status, study_time_left
from pgx.study import Place, Study, write_study
from pgx.tables import duration, number, seed_span, seed_table, show
from pgx.tracking.blocks import BlockWriter
from pgx.tracking.episodes import EPISODE_ROW, METRIC_ROW
from pgx.tracking.manifest import Manifest, PartLock

RATE = 500.0  # decisions a second of seed 0; seed s is s + 1 times as slow


def begin(root: Path, arm: str, seeds=(0, 1), iterations=60) -> tuple[Path, Manifest]:
    """A part with 100 decisions per iteration; seed s returns 10·s in each of its episodes."""
    path = root / "lectures" / arm / "cartpole" / f"seeds-{seeds[0]}-{seeds[-1]}"
    manifest = Manifest.begin(
        path,
        study="lectures",
        arm=arm,
        environment="cartpole",
        seeds=seeds,
        budget=10_000,
        config_hash="abc",
        environment_class="CartPole",
    )
    if not iterations:
        return path, manifest
    seed, full = np.array(seeds), np.ones(len(seeds), dtype=np.int64)
    episodes = BlockWriter(path / "episodes.blocks", EPISODE_ROW)
    metrics = BlockWriter(path / "metrics.blocks", METRIC_ROW)
    for k in range(iterations):
        decisions = 100 * (k + 1) * full
        late = 1000.0 if k >= 5 else 0.0  # a slow start that the present rate forgets
        wall = late + decisions * (seed + 1) / RATE
        both = {"seed": seed, "decisions": decisions, "wall_s": wall}
        metrics.append({**both, "iteration": k * full})
        returns = {"return_raw": 10.0 * seed, "return_train": 0.0 * seed}
        episodes.append({**both, "episode": k * full, "length": full, **returns})
    episodes.close(), metrics.close()
    return path, manifest


def printed(draw, terminal: bool, width: int = 200) -> str:
    console = Console(file=StringIO(), force_terminal=terminal, width=width, color_system=None)
    draw(console)
    return console.file.getvalue()


def test_a_running_part_has_a_rate_and_a_time_left(tmp_path):
    path, _ = begin(tmp_path, "gae")
    with PartLock(path):
        (row,) = status("lectures", tmp_path)
    assert row["status"] == "running"
    assert (row["decisions"], row["budget"]) == ([6000, 6000], 10_000)
    assert row["time_left_s"] == pytest.approx(4000 * 2 / RATE)
    assert (row["recent_return"], row["recent_seeds"]) == (5.0, 2)


def test_a_seed_that_ended_does_not_count_for_the_time_left(tmp_path):
    path, manifest = begin(tmp_path, "gae")
    manifest.end_seed(1, "failed", "diverged at iteration 59")
    with PartLock(path):
        (row,) = status(None, tmp_path)
    assert row["time_left_s"] == pytest.approx(4000 / RATE)
    assert row["error"] == "seed 1: diverged at iteration 59"
    text = printed(lambda console: render([row], console), False)
    assert "running 1/2 failed" in text


@pytest.mark.parametrize(("iterations", "expected"), [(0, None), (1, 9900 * 2 / RATE)])
def test_a_rate_needs_a_first_iteration(tmp_path, iterations, expected):
    path, _ = begin(tmp_path, "gae", iterations=iterations)
    with PartLock(path):
        (row,) = status(None, tmp_path)
    assert row["time_left_s"] == (expected and pytest.approx(expected))


def test_every_status_is_told_apart(tmp_path):
    for arm in ("done", "failed", "killed", "running", "stopped"):
        _, manifest = begin(tmp_path, arm)
        if arm == "done":
            manifest.end(exit=0)
        elif arm == "failed":
            manifest.end("failed", exit=1, error="Traceback\nValueError: not [a] number")
        elif arm == "stopped":
            manifest.end("interrupted", exit=130)
    with PartLock(tmp_path / "lectures/running/cartpole/seeds-0-1"):
        rows = status("lectures", tmp_path)
    assert [(row["arm"], row["status"]) for row in rows] == [
        ("done", "finished"),
        ("failed", "failed"),
        ("killed", "interrupted"),
        ("running", "running"),
        ("stopped", "interrupted"),
    ]
    assert [row["time_left_s"] is None for row in rows] == [True, True, True, False, True]
    for terminal in (True, False):
        text = printed(lambda console: render(rows, console), terminal)
        head = next(line for line in text.splitlines() if "arm" in line)
        for word in ("study", "environment", "seeds", "status", "decisions", "time left"):
            assert word in head or (terminal and word == "study")
        assert "failed on cartpole, seeds 0-1: ValueError: not [a] number" in text
        assert "6,000 of 10,000" in text
        own = [line for line in text.splitlines() if "6,000 of 10,000" in line]
        lines = {line.replace("lectures", "").split()[0]: line for line in own}
        assert "done" in lines["done"]
        assert "failed 2/2" in lines["failed"]
        assert "interrupted" in lines["killed"]
        assert "16s" in lines["running"]


def test_rows_are_json_even_without_a_number(tmp_path):
    begin(tmp_path, "gae", iterations=0)
    path, _ = begin(tmp_path, "nan", iterations=1)
    writer = BlockWriter(path / "episodes.blocks", EPISODE_ROW)
    row = dict.fromkeys(EPISODE_ROW, np.ones(1, dtype=np.int64))
    writer.append({**row, "return_raw": np.array([np.nan])})
    writer.close()
    rows = status(None, tmp_path)
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows
    assert [(row["recent_return"], row["recent_seeds"]) for row in rows] == [(None, 0), (0.0, 1)]
    assert "–" in printed(lambda console: render(rows, console), False)


def swept(root: Path, **changed) -> None:
    """The study of these parts as ``pgx sweep`` leaves it; seeds 0 to 3 of two arms are asked."""
    place = Place("cartpole", "cartpole", 10_000)
    arms = {"gae": (), "td": (), "same": (), "left_out": ()}
    study = Study("lectures", "", "", "gae", "area", 100, (0, 1, 2, 3), {"cartpole": place}, arms)
    left_out = (("left_out", "cartpole", "why"),)
    write_study(root, replace(study, duplicates={"same": "gae"}, excluded=left_out, **changed))


def test_what_a_study_asks_for_and_no_part_has_is_missing(tmp_path):
    swept(tmp_path)
    _, manifest = begin(tmp_path, "gae", seeds=(0, 2))
    manifest.end(exit=0)
    begin(tmp_path, "old", seeds=(0, 1))[1].end(exit=0)
    rows = status("lectures", tmp_path)
    found = [(row["arm"], row["seeds"], row["status"]) for row in rows]
    assert found == [
        ("gae", [0, 2], "finished"),
        ("gae", [1, 3], "missing"),
        ("td", [0, 1, 2, 3], "missing"),
        ("old", [0, 1], "finished"),
    ]
    assert rows[1].keys() == rows[0].keys()
    assert (rows[1]["budget"], rows[1]["decisions"], rows[1]["runs"]) == (10_000, [], [])
    assert rows[1]["part"] == str(tmp_path / "lectures" / "gae" / "cartpole")
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows
    text = printed(lambda console: render(rows, console), False)
    assert "missing" in text and "1,3" in text and "left at this rate" not in text
    assert status(None, tmp_path) == rows


def test_a_study_without_a_part_is_missing_altogether(tmp_path):
    swept(tmp_path)
    assert [row["status"] for row in status("lectures", tmp_path)] == ["missing", "missing"]


def test_the_time_left_of_a_study_is_what_is_left_at_the_present_rate(tmp_path):
    swept(tmp_path)
    path, _ = begin(tmp_path, "gae")  # seed 1 needs 4000 decisions at half the rate: 16 s
    begin(tmp_path, "td", seeds=(2, 3))  # interrupted at 6000 of 10,000
    with PartLock(path):
        rows = status("lectures", tmp_path)
    rate = 2 * 4000 / 16.0
    left = 2 * 4000 + 2 * 4000 + 2 * 10_000 + 2 * 10_000
    assert study_time_left(rows) == pytest.approx(left / rate)
    assert study_time_left(rows[:1]) == pytest.approx(16.0)
    assert study_time_left([row for row in rows if row["status"] != "running"]) is None
    text = printed(lambda console: render(rows, console), False)
    assert "lectures: about 1m52s left at this rate" in text


def test_nothing_recorded(tmp_path):
    assert status(None, tmp_path) == []
    assert "nothing is recorded" in printed(lambda console: render([], console), True)
    with pytest.raises(ConfigError, match="nothing is recorded"):
        status("lectures", tmp_path)


def test_the_seed_table_ends_with_how_many_and_their_median(tmp_path):
    path, manifest = begin(tmp_path, "gae", seeds=(1, 2, 3, 8))
    manifest.end_seed(8, "failed", "diverged at iteration 7")
    manifest.end(exit=1)
    rows = seed_rows(read_part(path))
    for terminal in (True, False):
        text = printed(lambda console: show(seed_table(rows), console), terminal)
        lines = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
        assert "1 done 60 6,000 10.00 60" in lines
        assert "failed: diverged at iteration 7" in text
        assert lines[-1] == "median 3 of 4 seeds done 20.00 n = 3"


def test_on_a_narrow_terminal_nothing_is_cut_off(tmp_path):
    _, manifest = begin(tmp_path, "reward_to_go_without_baseline")
    manifest.end_seed(1, "failed", "diverged at iteration 7")
    rows = status(None, tmp_path)
    rows[0].update(status="running", time_left_s=66)
    text = printed(lambda console: render(rows, console), True, width=80)
    assert "…" not in text
    for word in ("lectures", "last-100", "left", "1m06s", "10,000", "reward_", "to_go"):
        assert word in text
    *lines, error = text.splitlines()
    assert max(map(len, lines)) <= 80
    assert error.endswith("seed 1: diverged at iteration 7")
    text = printed(lambda console: show(seed_table(rows[0]["runs"]), console), True, width=50)
    assert "…" not in text


@pytest.mark.parametrize("width", [30, 46, 61, 79])
def test_figures_are_whole_at_any_width(tmp_path, width):
    for arm in ("reward_to_go_without_baseline", "td"):
        begin(tmp_path, arm)[1].end_seed(1, "failed", "diverged at iteration 7")
    rows = status(None, tmp_path)
    rows[1].update(decisions=[1_234_567, 9_876_543], budget=12_345_678, recent_return=-98_765.4)
    text = printed(lambda console: render(rows, console), True, width=width)
    assert "…" not in text
    words = text.split()
    for word in ("1,234,567–9,876,543", "12,345,678", "-98,765", "6,000", "10,000", "decisions"):
        assert word in words
    assert words.count("interrupted") == 2 and "lectures on cartpole" in text
    *lines, _, _ = text.splitlines()
    assert width < 61 or max(map(len, lines)) <= width


def test_a_seed_in_two_parts_is_noted(tmp_path):
    begin(tmp_path, "gae", seeds=(0, 2))
    begin(tmp_path, "gae", seeds=(2, 3))
    begin(tmp_path, "td", seeds=(2, 3))
    text = printed(lambda console: render(status(None, tmp_path), console), False)
    assert "gae on cartpole: seed 2 is in two parts, seeds-0-2 and seeds-2-3" in text
    assert text.count("two parts") == 1


def test_arms_stand_in_the_order_of_their_study(tmp_path):
    places = {name: Place(name, name, 10_000) for name in ("pendulum", "cartpole")}
    arms = {"td": (), "gae": (), "a": ()}
    write_study(tmp_path, Study("lectures", "", "", "td", "area", 100, (0, 1), places, arms))
    begin(tmp_path, "gae")
    begin(tmp_path, "0_is_gone")
    rows = status(None, tmp_path)
    assert [(row["arm"], row["environment"]) for row in rows] == [
        *(("td", "pendulum"), ("td", "cartpole"), ("gae", "pendulum"), ("gae", "cartpole")),
        *(("a", "pendulum"), ("a", "cartpole"), ("0_is_gone", "cartpole")),
    ]


def test_an_error_cannot_steer_the_terminal(tmp_path):
    _, manifest = begin(tmp_path, "gae")
    manifest.end("failed", exit=1, error="ValueError: \x1b[31mred\x07\x1b]0;title\x07 \x9b2J")
    for terminal in (True, False):
        text = printed(lambda console: render(status(None, tmp_path), console), terminal)
        error = text.splitlines()[-1]
        assert error.startswith("gae on cartpole, seeds 0-1: ValueError: red")
        assert error.isprintable()


def test_a_seed_table_without_a_finished_seed_has_no_median(tmp_path):
    path, _ = begin(tmp_path, "gae", iterations=0)
    rows = seed_rows(read_part(path))
    text = printed(lambda console: show(seed_table(rows), console), False)
    assert " ".join(text.splitlines()[-1].split()) == "median 0 of 2 seeds done – n = 0"


def test_in_a_pipe_a_table_is_plain_and_whole(tmp_path):
    path, manifest = begin(tmp_path, "gae")
    manifest.end_seed(1, "failed", "a reason that is longer than the width of the console")
    manifest.end(exit=1)
    rows = seed_rows(read_part(path))
    text = printed(lambda console: show(seed_table(rows), console), False, width=30)
    assert text.isascii()
    assert "a reason that is longer than the width of the console" in text
    assert "\x1b" not in text
    assert len(text.splitlines()) == 4


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (float("nan"), "–"),
        (0.125, "0.12"),
        (-21.0, "-21.00"),
        (499.96, "500.0"),
        (1234.5, "1,234.5"),
        (123456.7, "123,457"),
    ],
)
def test_numbers_show_the_digits_that_matter(value, text):
    assert number(value) == text


def test_seeds_and_durations_in_short():
    assert seed_span(range(10)) == "0-9"
    assert seed_span([7, 0, 1, 2, 9]) == "0-2,7,9"
    assert seed_span([4]) == "4"
    spans = {None: "–", 0.4: "0s", 59.6: "1m00s", 130: "2m10s", 3900: "1h05m"}
    assert {seconds: duration(seconds) for seconds in spans} == spans


def test_one_damaged_part_is_shown_among_the_others(tmp_path):
    for arm in ("a_good", "gone", "manifest", "no_manifest", "parquet", "torn", "z_good"):
        path, manifest = begin(tmp_path, arm)
        manifest.end(exit=0)
        if arm == "gone":
            (path / "episodes.blocks").unlink()
        elif arm == "manifest":
            (path / "manifest.json").write_text('{"status": "finished", "seeds": [0]}')
        elif arm == "no_manifest":
            (path / "manifest.json").unlink()
        elif arm == "parquet":
            (path / "metrics.parquet").write_bytes(b"PAR1 garbage PAR1")
        elif arm == "torn":
            blocks = path / "episodes.blocks"
            blocks.write_bytes(blocks.read_bytes()[:-1])
    rows = status("lectures", tmp_path)
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows
    good = {row["arm"]: row["error"] for row in rows if row["status"] == "finished"}
    assert good == {"a_good": None, "z_good": None}
    errors = {row["arm"]: row["error"] for row in rows if row["status"] == "damaged"}
    files = {
        "gone": "seeds-0-1/episodes.parquet: is gone",
        "manifest": "seeds-0-1/manifest.json: is damaged",
        "no_manifest": "seeds-0-1: holds no manifest.json",
        "parquet": "seeds-0-1/metrics.parquet: cannot be read, it is damaged",
        "torn": "seeds-0-1/episodes.blocks: cannot be read, it is damaged",
    }
    assert errors.keys() == files.keys()
    for terminal in (True, False):
        text = printed(lambda console: render(rows, console), terminal)
        for arm, words in files.items():
            (line,) = [line for line in text.splitlines() if words in line]
            assert line.startswith(f"{arm} on cartpole, seeds 0-1: ")
            assert words in errors[arm]
        (line,) = [line for line in text.splitlines() if " gone " in line]
        assert line.split()[-6:] == ["cartpole", "0-1", "damaged", "–", "–", "–"]


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match="--output: there is no folder"):
        status(None, tmp_path / "nope")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
@pytest.mark.parametrize("terminal", [True, False])
def test_a_console_without_dashes_gets_hyphens(tmp_path, encoding, terminal):
    _, manifest = begin(tmp_path, "gae")
    manifest.end("failed", exit=1, error="λ=2 is too much")
    rows = status(None, tmp_path)
    rows[0]["decisions"] = [100, 200]
    rows[0]["runs"][0]["reason"] = "α · β"
    stream = TextIOWrapper(BytesIO(), encoding=encoding)
    console = Console(file=stream, force_terminal=terminal, width=120, color_system=None)
    render(rows, console)
    show(seed_table(rows[0]["runs"]), console)
    stream.flush()
    text = stream.buffer.getvalue().decode(encoding)
    dash, letter = ("–", "λ") if encoding == "utf-8" else ("-", "?")
    assert f"100{dash}200 of 10,000" in text
    assert text.count(f" {dash}\n") + text.count(f" {dash} ") >= 1
    assert f"{letter}=2 is too much" in text
