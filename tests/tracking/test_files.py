"""The tracker: every row once, frozen replicas silent, and an interruption that leaves no trace."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from pgx.errors import RunFailed
from pgx.tracking.blocks import read_blocks
from pgx.tracking.episodes import EPISODE_ROW
from pgx.tracking.files import FileTracker
from pgx.types import Rollout

T, R, N = 7, 3, 5
SEEDS = [4, 0, 9]
ALL = np.ones(R, bool)


def stored(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(array)).transpose(0, 1)


def make_rollout(iteration: int, alive=ALL, ends=0.25, steps=T) -> tuple[Rollout, torch.Tensor]:
    """Iteration ``iteration`` of a run: the same numbers whenever it is asked for."""
    generator = np.random.default_rng(iteration)
    shape = (R, steps, N)
    mask = np.broadcast_to(alive[:, None, None], shape)
    reward = np.where(mask, generator.integers(-4, 9, shape), np.nan).astype(np.float32)
    ended = generator.random((2, *shape)) < ends / 2
    unread = torch.zeros(())
    rollout = Rollout(
        observation=unread,
        action=unread,
        reward=stored(reward),
        terminated=stored(ended[0]),
        truncated=stored(ended[1]),
        next_observation=unread,
        mask=stored(mask),
        time=unread,
        log_prob=unread,
        complete=False,
    )
    return rollout, 2 * rollout.reward


def diagnostics(iteration: int, replicas: int = R) -> dict[str, torch.Tensor]:
    norm = torch.arange(replicas, dtype=torch.float32) + 10 * iteration
    return {"gradient_norm": norm, "entropy": norm.double() / 7, "clipped": norm.long()}


def train(tracker: FileTracker, iterations: range, frozen: int | None = None, after: int = 2):
    """Record iterations; replica ``frozen`` freezes when ``after`` iterations are over."""
    for i in iterations:
        alive = ALL.copy()
        if frozen is not None:
            alive[frozen] = i < after
        decisions = np.where(alive, i + 1, after).astype(np.int64) * T * N
        tracker.record(i, decisions, *make_rollout(i, alive), diagnostics(i), alive)


def tables(directory) -> dict[str, pl.DataFrame]:
    return {
        kind: pl.read_parquet(directory / f"{kind}.parquet") for kind in ("episodes", "metrics")
    }


def test_files_hold_every_row_once_and_sorted(tmp_path):
    tracker = FileTracker(tmp_path, SEEDS, N)
    train(tracker, range(4))
    summary = {row["seed"]: row for row in tracker.summary()}
    tracker.finish()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "episodes.parquet",
        "metrics.parquet",
    ]
    episodes, metrics = tables(tmp_path).values()
    assert episodes.columns == list(EPISODE_ROW)
    assert episodes.equals(episodes.sort("seed", "episode"))
    for seed in SEEDS:
        own = episodes.filter(seed=seed)
        assert own["episode"].to_list() == list(range(summary[seed]["episodes"]))
        assert own["decisions"].is_sorted()
        assert (own["return_raw"] == 2 * own["return_train"]).all()
    assert list(summary) == SEEDS
    assert metrics.columns[:4] == ["seed", "iteration", "decisions", "wall_s"]
    assert metrics.columns[4:] == list(diagnostics(0))
    assert metrics.height == 4 * R
    assert metrics["seed"].to_list() == [seed for seed in sorted(SEEDS) for _ in range(4)]
    assert metrics.filter(seed=9)["gradient_norm"].to_list() == [2, 12, 22, 32]
    assert metrics.filter(seed=9)["entropy"].to_list() == [x / 7 for x in (2, 12, 22, 32)]
    assert metrics.filter(seed=4)["decisions"].to_list() == [35, 70, 105, 140]
    assert metrics["clipped"].dtype == pl.Float64


def test_a_single_replica_takes_the_same_path(tmp_path):
    together, alone = FileTracker(tmp_path / "a", SEEDS, N), FileTracker(tmp_path / "b", [0], N)
    for i in range(4):
        decisions = np.full(R, (i + 1) * T * N)
        rollout, raw = make_rollout(i)
        together.record(i, decisions, rollout, raw, diagnostics(i), ALL)
        own = {"reward", "terminated", "truncated", "mask"}
        fields = {k: v[:, 1:2] if k in own else v for k, v in vars(rollout).items()}
        one = {k: v[1:2] for k, v in diagnostics(i).items()}
        alone.record(i, decisions[1:2], Rollout(**fields), raw[:, 1:2], one, ALL[:1])
    together.finish(), alone.finish()
    for kind, table in tables(tmp_path / "b").items():
        expected = tables(tmp_path / "a")[kind].filter(seed=0)
        assert table.drop("wall_s").equals(expected.drop("wall_s"))
        assert table.height > 3


def test_a_frozen_replica_writes_no_rows_and_keeps_its_counts(tmp_path):
    tracker, other = FileTracker(tmp_path / "a", SEEDS, N), FileTracker(tmp_path / "b", SEEDS, N)
    train(tracker, range(5), frozen=1)
    train(other, range(2))
    assert tracker.summary()[1] == other.summary()[1]
    train(other, range(2, 5))
    assert tracker.summary()[0] == other.summary()[0]
    tracker.finish(), other.finish()
    for kind, table in tables(tmp_path / "a").items():
        expected = tables(tmp_path / "b")[kind].drop("wall_s")
        assert (
            table.drop("wall_s")
            .filter(pl.col("seed") != 0)
            .equals(expected.filter(pl.col("seed") != 0))
        )
        early = pl.col("decisions") <= 2 * T * N
        assert table.drop("wall_s").filter(seed=0).equals(expected.filter(early, seed=0))


def test_a_replica_that_diverges_now_writes_nothing_of_this_iteration(tmp_path):
    tracker = FileTracker(tmp_path, SEEDS, N)
    train(tracker, range(2))
    before = tracker.summary()[1]
    alive = np.array([True, False, True])
    rollout, raw = make_rollout(2)
    tracker.record(2, np.full(R, 3 * T * N), rollout, raw, diagnostics(2), alive)
    assert tracker.summary()[1] == before
    tracker.finish()
    assert tables(tmp_path)["metrics"].filter(seed=0).height == 2


@pytest.mark.parametrize("lost", [0, 3])
def test_a_resumed_run_equals_one_that_was_never_interrupted(tmp_path, lost):
    whole = FileTracker(tmp_path / "whole", SEEDS, N)
    train(whole, range(9))
    first = FileTracker(tmp_path / "part", SEEDS, N)
    train(first, range(4))
    torch.save(first.state_dict(), tmp_path / "state")
    train(first, range(4, 4 + lost))
    with (tmp_path / "part" / "episodes.blocks").open("ab") as file:
        file.write(b"torn")
    state = torch.load(tmp_path / "state", weights_only=True)
    second = FileTracker(tmp_path / "part", SEEDS, N)
    second.load_state_dict(state)
    assert second.wall_s >= state["wall_s"]
    train(second, range(4, 9))
    assert second.summary() == whole.summary()
    whole.finish(), second.finish()
    for kind, table in tables(tmp_path / "part").items():
        assert table.drop("wall_s").equals(tables(tmp_path / "whole")[kind].drop("wall_s"))
        assert table.filter(seed=4)["wall_s"].is_sorted()


def test_the_clock_continues_over_an_interruption(tmp_path):
    first = FileTracker(tmp_path, SEEDS, N)
    train(first, range(1))
    state = {**first.state_dict(), "wall_s": 1000.0}
    first.close()
    second = FileTracker(tmp_path, SEEDS, N)
    second.load_state_dict(state)
    train(second, range(1, 2))
    second.finish()
    first_wall, second_wall = tables(tmp_path)["metrics"].filter(seed=4)["wall_s"]
    assert 0 <= first_wall < 100
    assert 1000 <= second_wall < 1100


def test_a_state_from_before_the_first_row_begins_anew(tmp_path):
    first = FileTracker(tmp_path, SEEDS, N)
    state = first.state_dict()
    train(first, range(2))
    first.close()
    second = FileTracker(tmp_path, SEEDS, N)
    second.load_state_dict(state)
    train(second, range(1))
    second.finish()
    assert tables(tmp_path)["metrics"].height == R


def test_rows_without_their_state_are_not_written_over(tmp_path):
    first = FileTracker(tmp_path, SEEDS, N)
    train(first, range(2))
    first.close()
    second = FileTracker(tmp_path, SEEDS, N)
    with pytest.raises(FileExistsError, match="load the state"):
        train(second, range(1))
    second.discard()
    assert list(tmp_path.iterdir()) == []
    train(second, range(1))
    assert len(read_blocks(tmp_path / "metrics.blocks")["seed"]) == R


def test_rows_that_were_lost_are_noticed(tmp_path):
    first = FileTracker(tmp_path, SEEDS, N)
    train(first, range(1))
    early = first.state_dict()
    train(first, range(1, 3))
    late = first.state_dict()
    first.load_state_dict(early)
    first.close()
    with pytest.raises(RunFailed, match="are not there"):
        FileTracker(tmp_path, SEEDS, N).load_state_dict(late)
    with pytest.raises(RunFailed, match="are not there"):
        FileTracker(tmp_path / "elsewhere", SEEDS, N).load_state_dict(early)


def test_a_state_of_other_seeds_is_refused(tmp_path):
    tracker = FileTracker(tmp_path, SEEDS, N)
    with pytest.raises(ValueError, match="seeds"):
        FileTracker(tmp_path, [4, 0, 8], N).load_state_dict(tracker.state_dict())


def test_diagnostics_are_fixed_by_the_first_record(tmp_path):
    tracker = FileTracker(tmp_path, SEEDS, N)
    train(tracker, range(1))
    state = tracker.state_dict()
    decisions = np.full(R, 2 * T * N)
    given = diagnostics(1)
    fewer = {k: v for k, v in given.items() if k != "entropy"}
    tracker.load_state_dict(state)
    for odd in (fewer, {**given, "entropy_2": given["entropy"]}):
        with pytest.raises(ValueError, match="appeared or vanished: entropy"):
            tracker.record(1, decisions, *make_rollout(1), odd, ALL)
    with pytest.raises(ValueError, match="shape"):
        tracker.record(1, decisions, *make_rollout(1), diagnostics(1, R + 1), ALL)
    turned = dict(reversed(given.items()))
    tracker.record(1, decisions, *make_rollout(1), turned, ALL)
    tracker.finish()
    assert tables(tmp_path)["metrics"].filter(seed=9)["gradient_norm"].to_list() == [2, 12]
    with pytest.raises(ValueError, match="may not be named wall_s"):
        other = FileTracker(tmp_path / "b", SEEDS, N)
        other.record(0, decisions // 2, *make_rollout(0), {"wall_s": given["entropy"]}, ALL)


def test_no_diagnostics_are_fine(tmp_path):
    tracker = FileTracker(tmp_path, SEEDS, N)
    tracker.record(0, np.full(R, T * N), *make_rollout(0), {}, ALL)
    tracker.finish()
    assert tables(tmp_path)["metrics"].columns == ["seed", "iteration", "decisions", "wall_s"]


def test_decisions_that_do_not_add_up_are_refused(tmp_path):
    tracker = FileTracker(tmp_path, SEEDS, N)
    with pytest.raises(ValueError, match="add up to"):
        tracker.record(0, np.full(R, T * N + 1), *make_rollout(0), {}, ALL)


@pytest.mark.parametrize(("steps", "ends"), [(7, 0.25), (131, 1.0), (131, 0.5)])
def test_recent_return_is_the_mean_of_the_last_hundred_episodes(tmp_path, steps, ends):
    tracker = FileTracker(tmp_path, SEEDS, N)
    assert np.isnan(tracker.recent_return).all()
    assert tracker.summary()[0]["recent_n"] == 0
    for i in range(12):
        rollout, raw = make_rollout(i, ends=ends, steps=steps)
        tracker.record(i, np.full(R, (i + 1) * steps * N), rollout, raw, {}, ALL)
        columns = read_blocks(tmp_path / "episodes.blocks")
        own = [columns["return_raw"][columns["seed"] == seed][-100:] for seed in SEEDS]
        np.testing.assert_allclose(tracker.recent_return, [x.mean() for x in own], rtol=1e-12)
        assert [row["recent_n"] for row in tracker.summary()] == [len(x) for x in own]


def test_finishing_twice_or_after_a_death_between_its_steps_is_fine(tmp_path):
    tracker = FileTracker(tmp_path, SEEDS, N)
    train(tracker, range(3))
    blocks = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    tracker.finish()
    expected = tables(tmp_path)
    tracker.finish()
    for name in blocks:
        (tmp_path / name).write_bytes(blocks[name])
        FileTracker(tmp_path, SEEDS, N).finish()
        for kind, table in tables(tmp_path).items():
            assert table.equals(expected[kind])
    assert len(list(tmp_path.iterdir())) == 2


def test_a_run_without_rows_finishes_with_empty_files(tmp_path):
    FileTracker(tmp_path / "part", SEEDS, N).finish()
    for table in tables(tmp_path / "part").values():
        assert table.height == 0
        assert table.columns[0] == "seed"


def test_closing_leaves_the_blocks(tmp_path):
    tracker = FileTracker(tmp_path, SEEDS, N)
    train(tracker, range(2))
    tracker.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["episodes.blocks", "metrics.blocks"]


KILLED = """
import importlib.util, sys
from pathlib import Path

spec = importlib.util.spec_from_file_location("rollouts", sys.argv[1])
rollouts = importlib.util.module_from_spec(spec)
spec.loader.exec_module(rollouts)
tracker = rollouts.FileTracker(Path(sys.argv[2]), rollouts.SEEDS, rollouts.N)
for i in range(10**9):
    rollouts.train(tracker, range(i, i + 1))
    print(i, flush=True)
"""


def test_kill_nine_costs_at_most_the_last_iteration(tmp_path):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", KILLED, __file__, str(tmp_path / "killed")]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        seen = [next(process.stdout) for _ in range(40)]
        process.kill()
        seen += process.stdout.read().splitlines()
    recorded = int(seen[-1]) + 1
    assert recorded == len(seen) >= 40
    FileTracker(tmp_path / "killed", SEEDS, N).finish()
    found = tables(tmp_path / "killed")
    iterations = found["metrics"].filter(seed=9)["iteration"].to_list()
    assert iterations in (list(range(recorded)), list(range(recorded + 1)))
    whole = FileTracker(tmp_path / "whole", SEEDS, N)
    train(whole, range(recorded))
    whole.finish()
    expected = tables(tmp_path / "whole")["episodes"].drop("wall_s")
    early = found["episodes"].filter(pl.col("decisions") <= recorded * T * N).drop("wall_s")
    assert early.equals(expected)


@pytest.mark.parametrize("name", ["[x]", "a*b", "~", "{a,b}?"])
def test_a_folders_name_is_taken_as_it_is(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    directory = Path(name) / "t"
    tracker = FileTracker(directory, SEEDS, N)
    train(tracker, range(2))
    tracker.finish()
    names = sorted(path.name for path in (tmp_path / name / "t").iterdir())
    assert names == ["episodes.parquet", "metrics.parquet"]
    assert list((tmp_path / "home").iterdir()) == []


def test_finishing_on_a_full_disk_keeps_the_blocks_and_leaves_no_temporaries(tmp_path):
    tracker = FileTracker(tmp_path, SEEDS, N)
    train(tracker, range(4))
    tracker.close()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises((OSError, pl.exceptions.PolarsError)):
            tracker.finish()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["episodes.blocks", "metrics.blocks"]
    (tmp_path / ".episodes.parquet.4711.tmp").touch()
    tracker.finish()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["episodes.parquet", "metrics.parquet"]
