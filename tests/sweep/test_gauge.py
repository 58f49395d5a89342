"""How far a part is, from its block files: every row once, also where they are cut back."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgx.sweep.gauge import WINDOW_S, Gauge
from pgx.sweep.job import Job
from tests.support.rows import SEEDS, Rows

BUDGET = 1000


def job(directory: Path) -> Job:
    return Job("a", "cartpole-v1", SEEDS, "train", (), directory, "hash", BUDGET)


def test_decisions_returns_rate_and_time_left_by_hand(tmp_path: Path) -> None:
    rows, gauge = Rows(tmp_path), Gauge(job(tmp_path))
    gauge.read(0.0)
    assert gauge.decisions.tolist() == [0, 0, 0]
    assert (gauge.recent_return, gauge.rate, gauge.left_s) == (None, None, None)
    rows.iteration([100, 200, 300])
    rows.episode(2, [10.0, 20.0])
    gauge.read(1.0)
    assert gauge.decisions.tolist() == [100, 200, 300]
    assert gauge.recent_return == 15.0
    assert gauge.rate is None  # one look says nothing about speed
    rows.iteration([150, 300, 500])
    rows.episode(7, [1.0])
    rows.episode(5, [4.0])
    gauge.read(6.0)
    assert gauge.decisions.tolist() == [150, 300, 500]
    assert gauge.recent_return == 4.0  # the median of 1, 15 and 4
    assert gauge.rate == pytest.approx((50 + 100 + 200) / 5)
    assert gauge.left_s == pytest.approx(850 / 10)  # the slowest: 850 decisions at 10 a second


def test_the_return_is_of_the_last_hundred_episodes(tmp_path: Path) -> None:
    rows, gauge = Rows(tmp_path), Gauge(job(tmp_path))
    rows.episode(2, [0.0] * 50)
    gauge.read(0.0)
    rows.episode(2, [8.0] * 70)
    gauge.read(1.0)
    assert gauge.recent_return == pytest.approx(8.0 * 70 / 100)
    rows.episode(2, [3.0] * 250)
    gauge.read(2.0)
    assert gauge.recent_return == 3.0


def test_a_seed_that_has_stopped_does_not_hold_the_time_left_up(tmp_path: Path) -> None:
    rows, gauge = Rows(tmp_path), Gauge(job(tmp_path))
    rows.iteration([100, 100, 100])
    gauge.read(0.0)
    rows.iteration([500, 600], seeds=(7, 5))
    gauge.read(10.0)
    assert gauge.left_s == pytest.approx(500 / 40)
    assert gauge.decisions.tolist() == [500, 100, 600]


def test_the_rate_is_that_of_late(tmp_path: Path) -> None:
    rows, gauge = Rows(tmp_path), Gauge(job(tmp_path))
    for second in range(100):
        faster = 3 * max(0, second - 50)
        rows.iteration([second + faster] * 3)
        gauge.read(float(second))
    assert WINDOW_S < 49
    assert gauge.rate == pytest.approx(3 * 4)


def test_a_part_that_went_back_to_its_checkpoint_is_read_again(tmp_path: Path) -> None:
    rows, gauge = Rows(tmp_path), Gauge(job(tmp_path))
    rows.iteration([100, 100, 100])
    size = rows.metrics.size
    rows.iteration([900, 900, 900])
    rows.episode(2, [50.0])
    gauge.read(0.0)
    assert gauge.decisions.tolist() == [900, 900, 900]
    rows.metrics.truncate(size)
    rows.episodes.truncate(rows.episodes.header_size)
    gauge.read(1.0)
    assert gauge.decisions.tolist() == [100, 100, 100]
    assert gauge.recent_return is None
    assert gauge.rate is None


def test_one_that_went_back_and_on_between_two_looks_is_noticed(tmp_path: Path) -> None:
    rows, gauge = Rows(tmp_path), Gauge(job(tmp_path))
    rows.iteration([100, 100, 100])
    size = rows.metrics.size
    rows.iteration([900, 900, 900])
    gauge.read(0.0)
    rows.metrics.truncate(size)
    rows.iteration([200, 200], seeds=(7, 2))  # a shorter block: what follows is out of step
    rows.iteration([300, 300, 300])
    rows.iteration([400, 400, 400])
    gauge.read(1.0)
    gauge.read(2.0)
    assert gauge.decisions.tolist() == [400, 400, 400]


def test_a_part_that_starts_over_is_read_from_its_new_files(tmp_path: Path) -> None:
    rows, gauge = Rows(tmp_path), Gauge(job(tmp_path))
    rows.iteration([900, 900, 900])
    gauge.read(0.0)
    for kind in ("metrics", "episodes"):
        (tmp_path / f"{kind}.blocks").unlink()
    again = Rows(tmp_path)
    again.iteration([10, 20, 30])
    again.episode(5, [2.0])
    gauge.read(1.0)
    assert gauge.decisions.tolist() == [10, 20, 30]
    assert gauge.recent_return == 2.0


def test_rows_written_before_the_files_made_way_for_parquet_are_read(tmp_path: Path) -> None:
    rows, gauge = Rows(tmp_path), Gauge(job(tmp_path))
    rows.iteration([100, 100, 100])
    gauge.read(0.0)
    rows.iteration([999, 1000, 1004])
    (tmp_path / "metrics.blocks").unlink()
    gauge.read(1.0)
    assert gauge.decisions.tolist() == [999, 1000, 1004]


def test_what_is_no_block_file_is_no_error_here(tmp_path: Path) -> None:
    (tmp_path / "metrics.blocks").write_text("no header\n")
    gauge = Gauge(job(tmp_path))
    gauge.read(0.0)
    gauge.close()
    assert gauge.decisions.tolist() == [0, 0, 0]
