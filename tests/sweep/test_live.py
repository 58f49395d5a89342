"""The table of a sweep as people see it, the plain lines, and what looking costs."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.console import Console

from pgx.sweep import live
from pgx.sweep.job import Job, Outcome
from pgx.sweep.live import Watch
from pgx.sweep.progress import Row, left_s, table, totals
from pgx.sweep.work import Work
from pgx.tracking.manifest import Manifest, PartLock
from tests.support.rows import SEEDS, Rows

BUDGET = 1000


def job(
    root: Path,
    arm: str,
    environment: str = "cartpole-v1",
    seeds: Sequence[int] = SEEDS,
    budget: int = BUDGET,
) -> Job:
    directory = root / "s" / arm / environment / "seeds-7_2_5"
    return Job(arm, environment, tuple(seeds), "train", (), directory, "hash", budget)


def screen(width: int, height: int = 40) -> Console:
    """A terminal whose screen is a string."""
    return Console(
        file=io.StringIO(), force_terminal=True, width=width, height=height, color_system=None
    )


def drawn(rows: Sequence[Row], width: int, height: int = 40, at_a_time: int = 2) -> list[str]:
    console = screen(width, height)
    console.print(table(rows, at_a_time, console))
    text = console.file.getvalue()  # type: ignore
    return [line.rstrip() for line in text.splitlines()]


def row(job: Job, state: str = "waiting", expected: float | None = None) -> Row:
    """A row of a job: one that runs does so since second 0, took 600 decisions a seed in 6 s."""
    made = Row(job, expected)
    if state == "waiting":
        return made
    made.start(0.0)
    if state != "starting":
        rows = Rows(job.directory)
        rows.iteration([100, 100, 100])
        rows.episode(2, [1.0, 2.0])
        made.read(1.0)
        rows.iteration([600, 700, 650])
        made.read(6.0)
    if state not in ("starting", "running"):
        made.end(8.0, state, 8.0)
    return made


def every_state(root: Path) -> list[Row]:
    return [
        row(job(root, "reward_to_go"), "finished"),
        row(job(root, "a2c"), "running"),
        row(job(root, "gae"), "starting"),
        row(job(root, "value"), "failed"),
        row(job(root, "td"), "interrupted"),
        row(job(root, "n_step"), "waiting"),
    ]


def test_a_table_says_how_far_every_part_is(tmp_path: Path) -> None:
    lines = drawn(every_state(tmp_path), 80)
    assert lines[0] == "6 parts on cartpole-v1, 1,000 decisions per seed"
    words = [line.split() for line in lines]
    assert ["arm", "seeds", "decisions", "return", "per", "s", "left"] in words
    assert ["a2c", "2,5,7", "600", "1.50", "330", "4s"] in words  # 100, 120 and 110 a second
    assert ["gae", "2,5,7", "starting", "–", "–", "–"] in words
    assert ["n_step", "2,5,7", "waiting", "–", "–", "–"] in words
    assert ["td", "2,5,7", "interrupted", "1.50", "–", "–"] in words
    assert ["value", "2,5,7", "failed", "1.50", "–", "–"] in words
    assert ["reward_to_go", "2,5,7", "done", "1.50", "–", "in", "8s"] in words
    assert lines[-2].startswith("1 of 6 parts done, 2 running, 1 waiting, 1 interrupted, 1 failed")
    assert lines[-1] == "330 decisions/s, 11s left"


@pytest.mark.parametrize("width", [60, 80, 100, 117, 118, 200])
def test_a_table_fits_and_every_row_is_one_line(tmp_path: Path, width: int) -> None:
    long = "leave_one_out_baseline_entropy_coefficient=0.0"
    rows = [row(job(tmp_path, f"{long}{i}"), "running") for i in (1, 2)]
    lines = drawn(rows, width)
    assert max(map(len, lines)) <= width
    shown = [line for line in lines if " 600 " in line]
    assert len(shown) == 2
    assert [line.split()[0][-1] for line in shown] == ["1", "2"]  # the end of a name is kept
    assert all("…" in line for line in shown) == (width < 99)
    assert all("━" in line and "─" in line for line in shown) == (width >= 118)


def test_what_rows_do_not_share_stands_in_columns(tmp_path: Path) -> None:
    rows = [
        row(job(tmp_path, "a2c"), "running"),
        row(job(tmp_path, "a2c", "acrobot-v1", budget=5000), "running"),
    ]
    lines = drawn(rows, 80)
    assert lines[0] == "2 parts"
    assert any(
        line.split()[:3] == ["a2c", "cartpole-v1", "2,5,7"] and "600 of 1,000" in line
        for line in lines
    )
    assert any(
        line.split()[:3] == ["a2c", "acrobot-v1", "2,5,7"] and "600 of 5,000" in line
        for line in lines
    )
    assert max(map(len, lines)) <= 80


def test_where_rows_do_not_fit_those_that_run_are_shown(tmp_path: Path) -> None:
    rows = [row(job(tmp_path, f"done{i}"), "finished") for i in range(20)]
    rows += [row(job(tmp_path, "now"), "running"), row(job(tmp_path, "broken"), "failed")]
    lines = drawn(rows, 80, height=12)
    assert len(lines) <= 12
    assert any(line.startswith(" now ") for line in lines)
    assert any(line.startswith(" broken ") for line in lines)
    assert " 18 more not shown" in lines


def test_columns_do_not_jump(tmp_path: Path) -> None:
    one, two = job(tmp_path, "a"), job(tmp_path, "bcdef")
    early = drawn([row(one), row(two)], 80)
    late = drawn([row(one, "running"), row(two, "starting")], 80)
    assert [line for line in early if "arm" in line] == [line for line in late if "arm" in line]


def test_the_time_left_by_hand(tmp_path: Path) -> None:
    running = row(job(tmp_path, "a"), "running")  # the slowest: 400 decisions at 100 a second
    assert running.left_s == pytest.approx(4.0)
    known = row(job(tmp_path, "b"), expected=10.0)
    assert left_s([running, known], 1) == pytest.approx(14.0)
    assert left_s([running, known], 2) == pytest.approx(10.0)
    assert left_s([running, known, row(job(tmp_path, "c"), expected=4.0)], 2) == pytest.approx(10.0)
    # 6 s so far and 4 s to come for 1,000 decisions; a part of 2,000 is thought to take 20 s
    unknown = row(job(tmp_path, "d", budget=2000))
    assert left_s([running, unknown], 1) == pytest.approx(24.0)
    assert left_s([unknown], 1) is None
    assert "time left not known yet" in totals([unknown], 1)
    starting = row(job(tmp_path, "e"), "starting", expected=30.0)
    starting.read(12.0)
    assert starting.left_s == pytest.approx(18.0)
    assert "left" not in totals([row(job(tmp_path, "f"), "finished")], 1)


def test_the_totals(tmp_path: Path) -> None:
    line = totals(every_state(tmp_path), 2)
    assert line.startswith("1 of 6 parts done, 2 running, 1 waiting, 1 interrupted, 1 failed")
    assert "330 decisions/s" in line


def outcome(job: Job, exit: int = 0, error: str | None = None) -> Outcome:
    return Outcome(job.arm, job.environment, job.seeds, exit, str(job.directory), error, 65.0)


def lines_of(console: Console) -> list[str]:
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined]


def test_without_a_terminal_a_line_at_the_start_the_end_and_every_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = (job(tmp_path, "a2c"), job(tmp_path, "gae"))
    console = Console(file=io.StringIO(), width=40)
    monkeypatch.setattr(live, "REFRESH_S", 60.0)
    with Watch(Work("s", tmp_path, jobs), console) as watch:
        watch.started(jobs[0])
        watch.look()
        assert lines_of(console) == ["begins  a2c on cartpole-v1, seeds-7_2_5"]
        monkeypatch.setattr(live, "PLAIN_S", 0.0)
        watch.look()
        watch.ended(outcome(jobs[0], 1, "seed 2 diverged [bold]"))
        watch.ended(outcome(jobs[0], 1, "said once"))
        monkeypatch.setattr(live, "PLAIN_S", 60.0)
    assert lines_of(console)[1:] == [
        "0 of 2 parts done, 1 running, 1 waiting, time left not known yet",
        "failed  a2c on cartpole-v1, seeds-7_2_5: return –, 0 of 1,000 decisions in 1m05s "
        "(seed 2 diverged [bold])",
    ]


def test_a_smoke_test_says_one_iteration_and_how_long_it_was(tmp_path: Path) -> None:
    one = job(tmp_path, "a2c", budget=1)
    console = Console(file=io.StringIO(), width=40)
    with Watch(Work("s", tmp_path, (one,)), console) as watch:
        watch.started(one)
        Rows(one.directory).iteration([161, 170, 165])
        watch.look()
        watch.ended(outcome(one))
    assert lines_of(console)[-1].endswith("one iteration, 161 decisions in 1m05s")
    console = screen(100)
    console.print(table([Row(one)], 1, console))
    assert "1 part on cartpole-v1, one iteration" in console.file.getvalue()  # type: ignore


def test_on_a_terminal_one_table_is_drawn_over_and_over(tmp_path: Path) -> None:
    one = job(tmp_path, "a2c")
    console = screen(80)
    with Watch(Work("s", tmp_path, (one,)), console) as watch:
        watch.started(one)
        Rows(one.directory).iteration([100, 100, 100])
        watch.look()
        watch.ended(outcome(one))
        watch.message("SIGINT: waits")
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "begins" not in text
    assert "SIGINT: waits" in text
    last = re.split(r"1 part on cartpole-v1", text)[-1]
    assert "1 of 1 part done" in last
    assert "in 1m05s" in last


@pytest.mark.parametrize(("encoding", "term"), [("latin-1", "xterm"), ("utf-8", "dumb")])
def test_a_terminal_that_cannot_draw_gets_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: str, term: str
) -> None:
    one, file = job(tmp_path, "a2c"), io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setenv("TERM", term)
    console = Console(file=file, force_terminal=True, width=80)
    with Watch(Work("s", tmp_path, (one,)), console) as watch:
        watch.started(one)
        watch.ended(outcome(one))
    file.seek(0)
    assert [line.split()[0] for line in file.read().splitlines()] == ["begins", "done"]


def test_jobs_that_nobody_tells_about_are_found_by_looking(tmp_path: Path) -> None:
    one = job(tmp_path, "a2c")
    console = Console(file=io.StringIO(), width=40)
    with Watch(Work("s", tmp_path, (one,)), console, told=False) as watch:
        assert watch.rows[0].state == "waiting"
        with PartLock(one.directory):
            manifest = Manifest.begin(
                one.directory,
                study="s",
                arm="a2c",
                environment="cartpole-v1",
                seeds=SEEDS,
                budget=BUDGET,
                config_hash="hash",
                environment_class="C",
            )
            watch.look()
            assert watch.rows[0].state == "running"
            manifest.end(exit=1, error="seed 2 diverged")
            manifest.fields["status"] = "failed"
            manifest.write()
        watch.look()
        assert watch.rows[0].state == "failed"
        watch.ended(outcome(one, 1, "seed 2 diverged"))
    assert [line.split()[0] for line in lines_of(console)] == ["begins", "failed"]


def test_looking_costs_little_of_a_processor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "REFRESH_S", 0.0)
    jobs = tuple(job(tmp_path, f"arm{i}") for i in range(40))
    writers = [Rows(one.directory) for one in jobs]
    with Watch(Work("s", tmp_path, jobs), screen(120)) as watch:
        for one in jobs:
            watch.started(one)
        for writer in writers:
            writer.iteration([100, 100, 100])
        watch.look()
        before, begun = time.process_time(), time.monotonic()
        time.sleep(3.0)
        share = (time.process_time() - before) / (time.monotonic() - begun)
    assert share < 2 * live.SHARE
