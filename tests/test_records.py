"""Parts are found, read whatever state they are in, and joined without a row twice."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pgx.errors import ConfigError
from pgx.records import (
    COLUMNS,
    episodes,
    evaluations,
    find_parts,
    join,
    metrics,
    read_part,
    runs,
    seed_rows,
)
from pgx.tables import seed_table
from pgx.tracking.blocks import BlockWriter
from pgx.tracking.episodes import EPISODE_ROW, EVALUATION_ROW, METRIC_ROW
from pgx.tracking.manifest import Manifest, PartLock


def begin(root: Path, study="lectures", arm="gae", environment="cartpole", seeds=(0, 1), name=None):
    """An empty part; its directory and its manifest."""
    name = name or f"seeds-{seeds[0]}-{seeds[-1]}"
    path = root / study / arm / environment / name
    manifest = Manifest.begin(
        path,
        study=study,
        arm=arm,
        environment=environment,
        seeds=seeds,
        budget=1000,
        config_hash="abc",
        environment_class="pgx.environments.cartpole.CartPole",
    )
    return path, manifest


def write_blocks(path: Path, seeds=(0, 1), count=3, offset=0.0) -> None:
    """``count`` episodes of 10 decisions per seed; the k-th of seed s returns s + k/8 + offset."""
    writers = {
        "episodes": BlockWriter(path / "episodes.blocks", EPISODE_ROW),
        "metrics": BlockWriter(path / "metrics.blocks", {**METRIC_ROW, "entropy": "float64"}),
    }
    seed = np.array(seeds)
    full = np.ones_like(seed)
    for k in range(count):
        value = seed + k / 8 + offset
        both = {"seed": seed, "decisions": 10 * (k + 1) * full, "wall_s": 2.0 * (k + 1) * full}
        writers["metrics"].append({**both, "iteration": k * full, "entropy": value})
        returns = {"return_raw": value, "return_train": -value}
        writers["episodes"].append({**both, "episode": k * full, "length": 10 * full, **returns})
    for writer in writers.values():
        writer.close()


def compact(path: Path) -> None:
    for kind, by in (("episodes", "episode"), ("metrics", "iteration")):
        part = read_part(path)
        table = episodes(part) if kind == "episodes" else metrics(part)
        table.sort("seed", by).write_parquet(path / f"{kind}.parquet")
        (path / f"{kind}.blocks").unlink()


def test_parts_are_found_with_the_names_of_their_directories(tmp_path):
    begin(tmp_path, arm="gae", seeds=(10, 11))
    begin(tmp_path, arm="gae", seeds=(2, 3))
    begin(tmp_path, arm="a2c")
    begin(tmp_path, study="adhoc")
    (tmp_path / "lectures" / "gae" / "cartpole" / "seeds-7").mkdir()
    (tmp_path / "lectures" / "report.html").touch()
    found = [(p.study, p.arm, p.environment, p.seeds) for p in find_parts(tmp_path)]
    assert found == [
        ("adhoc", "gae", "cartpole", (0, 1)),
        ("lectures", "a2c", "cartpole", (0, 1)),
        ("lectures", "gae", "cartpole", (2, 3)),
        ("lectures", "gae", "cartpole", (10, 11)),
    ]
    assert [part.study for part in find_parts(tmp_path, "adhoc")] == ["adhoc"]


def test_an_unknown_study_is_one_line_with_a_suggestion(tmp_path):
    assert find_parts(tmp_path) == []
    with pytest.raises(ConfigError, match="nothing is recorded"):
        find_parts(tmp_path, "lectures")
    begin(tmp_path)
    with pytest.raises(ConfigError, match="did you mean 'lectures'") as caught:
        find_parts(tmp_path, "lecture")
    assert "\n" not in str(caught.value)


def test_running_without_a_process_is_interrupted(tmp_path):
    path, manifest = begin(tmp_path)
    manifest.end_seed(1, "failed", "diverged at iteration 3")
    with PartLock(path):
        part = read_part(path)
        assert (part.live, part.status, part.seed_status(0)) == (True, "running", ("running", None))
    part = read_part(path)
    assert (part.live, part.status, part.seed_status(0)) == (
        False,
        "interrupted",
        ("interrupted", None),
    )
    assert part.seed_status(1) == ("failed", "diverged at iteration 3")
    manifest.end("finished", exit=0)
    assert read_part(path).status == "finished"


def test_blocks_and_parquet_read_the_same(tmp_path):
    path, _ = begin(tmp_path)
    write_blocks(path)
    part = read_part(path)
    before, rows = episodes(part), metrics(part)
    assert before.columns == list(EPISODE_ROW)
    assert before["seed"].to_list() == [0, 0, 0, 1, 1, 1]
    assert before["return_raw"].to_list() == [0, 0.125, 0.25, 1, 1.125, 1.25]
    assert rows.columns == [*METRIC_ROW, "entropy"]
    compact(path)
    assert episodes(part).equals(before)
    assert metrics(part).equals(rows)


def test_a_part_without_rows_is_an_empty_table(tmp_path):
    path, _ = begin(tmp_path)
    part = read_part(path)
    for torn in (False, True):
        assert episodes(part).schema == pl.Schema(
            {n: pl.Int64 if d == "int64" else pl.Float64 for n, d in EPISODE_ROW.items()}
        )
        assert metrics(part).columns == list(METRIC_ROW)
        if not torn:
            (path / "episodes.blocks").write_bytes(b'{"pgx-')
    table, notes = join([part])
    assert (table.height, table.columns, notes) == (0, list(COLUMNS), [])


def test_a_torn_block_costs_only_itself(tmp_path):
    path, _ = begin(tmp_path)
    write_blocks(path)
    blocks = path / "episodes.blocks"
    blocks.write_bytes(blocks.read_bytes()[:-1])
    assert episodes(read_part(path))["episode"].to_list() == [0, 1, 0, 1]


def test_a_join_has_the_promised_columns_and_order(tmp_path):
    for arm, seeds in (("gae", (2, 3)), ("gae", (0, 1)), ("a2c", (0, 1))):
        path, _ = begin(tmp_path, arm=arm, seeds=seeds)
        write_blocks(path, seeds)
    table, notes = join(find_parts(tmp_path, "lectures"))
    assert notes == []
    assert ",".join(table.columns) == (
        "study,arm,environment,seed,episode,decisions,return_raw,return_train,length,wall_s"
    )
    assert table.height == 6 * 3
    keys = table.select("arm", "seed", "episode").rows()
    assert keys == [
        (arm, seed, episode)
        for arm, seeds in (("a2c", (0, 1)), ("gae", (0, 1, 2, 3)))
        for seed in seeds
        for episode in range(3)
    ]
    row = table.filter(arm="gae", seed=3, episode=2).row(0)
    assert row == ("lectures", "gae", "cartpole", 3, 2, 30, 3.25, -3.25, 10, 6.0)


def test_two_parts_joined_equal_the_same_seeds_in_one(tmp_path):
    write_blocks(begin(tmp_path / "one", seeds=(0, 1, 2, 3))[0], (0, 1, 2, 3))
    for seeds in ((0, 1), (2, 3)):
        write_blocks(begin(tmp_path / "two", seeds=seeds)[0], seeds)
    one, two = (join(find_parts(tmp_path / name))[0] for name in ("one", "two"))
    assert one.equals(two)


def test_a_run_held_twice_is_joined_once_and_reported(tmp_path):
    interrupted, _ = begin(tmp_path, seeds=(0, 1), name="seeds-0-1")
    write_blocks(interrupted, (0, 1), count=5)
    finished, manifest = begin(tmp_path, seeds=(1, 2), name="seeds-1-2")
    write_blocks(finished, (1, 2), offset=100)
    manifest.end(exit=0)
    parts = find_parts(tmp_path)
    for order in (parts, parts[::-1]):
        table, notes = join(order)
        assert len(notes) == 1
        assert f"kept {finished} (finished), left out {interrupted} (interrupted)" in notes[0]
        counts = dict(table.group_by("seed").len().sort("seed").iter_rows())
        assert counts == {0: 5, 1: 3, 2: 3}
        assert table.filter(seed=1)["return_raw"].min() == 101
        assert not table.select(COLUMNS[:5]).is_duplicated().any()


def test_of_two_alike_the_one_that_began_later_is_kept(tmp_path):
    for name, year in (("seeds-0-1", 2024), ("seeds-0-1-again", 2023)):
        path, manifest = begin(tmp_path, name=name)
        manifest.fields["started"] = f"{year}-01-01T00:00:00+00:00"
        manifest.end(exit=0)
        write_blocks(path)
    chosen, notes = runs(find_parts(tmp_path))
    assert [run.part.path.name for run in chosen] == ["seeds-0-1"] * 2
    assert [run.seed for run in chosen] == [0, 1]
    assert len(notes) == 2


@pytest.mark.parametrize("crash", ["failed", "interrupted"])
def test_no_later_crash_undoes_a_divergence(tmp_path, crash):
    first, manifest = begin(tmp_path, seeds=(0, 1))
    manifest.fields["started"] = "2023-01-01T00:00:00+00:00"
    manifest.end_seed(0, "failed", "diverged at iteration 3")
    manifest.end_seed(1, "failed", "out of memory")
    manifest.end(exit=1)
    second, manifest = begin(tmp_path, seeds=(0, 1), name="seeds-0-1-again")
    manifest.fields["started"] = "2024-01-01T00:00:00+00:00"
    manifest.end(crash, exit=1, error="killed")
    for seed in (0, 1):
        manifest.end_seed(seed, crash, "killed")
    parts = find_parts(tmp_path)
    for order in (parts, parts[::-1]):
        diverged, crashed = runs(order)[0]
        assert (diverged.part.path, diverged.diverged) == (first, True)
        assert (crashed.part.path, crashed.diverged) == (second, False)
    for seed in (0, 1):
        manifest.end_seed(seed, "finished")
    assert {run.status for run in runs(find_parts(tmp_path))[0]} == {"finished"}


def test_damage_within_a_part_is_an_error(tmp_path):
    path, _ = begin(tmp_path)
    write_blocks(path)
    write_blocks(path)
    with pytest.raises(ConfigError, match=r"episodes\.blocks: holds an episode twice"):
        join([read_part(path)])


def test_an_output_folder_that_is_not_there_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    for name in ("nope", "file"):
        with pytest.raises(ConfigError, match=f"--output: there is no folder .*{name}"):
            find_parts(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert find_parts(Path("outputs")) == []
    with pytest.raises(ConfigError, match="study: nothing is recorded under outputs"):
        find_parts(Path("outputs"), "lectures")


def test_a_folders_name_is_no_pattern(tmp_path):
    path, _ = begin(tmp_path / "[x]")
    write_blocks(path)
    before = episodes(read_part(path))
    before.write_parquet((path / "episodes.parquet").open("wb"))
    (path / "episodes.blocks").unlink()
    (part,) = find_parts(tmp_path / "[x]")
    assert episodes(part).equals(before)


def lose(path: Path, file: str, content: bytes | None) -> None:
    (path / file).unlink() if content is None else (path / file).write_bytes(content)


@pytest.mark.parametrize("kind", ["episodes", "metrics"])
def test_a_damaged_file_of_rows_is_named(tmp_path, kind):
    path, manifest = begin(tmp_path)
    write_blocks(path)
    manifest.end(exit=0)
    read, blocks = {"episodes": episodes, "metrics": metrics}[kind], f"{kind}.blocks"
    whole, table = (path / blocks).read_bytes(), read(read_part(path))
    odd = {
        "has no column wall_s": table.drop("wall_s"),
        "column decisions is Float64": table.cast({"decisions": pl.Float64}),
        "column wall_s has gaps": table.with_columns(wall_s=None).cast({"wall_s": pl.Float64}),
        "holds seed 7": table.with_columns(seed=pl.lit(7, pl.Int64)),
        "twice": pl.concat([table, table]),
    }
    cases = [(blocks, c, "damaged") for c in (b"garbage", whole[:-1], whole + b"more")]
    cases += [(blocks, whole[:9], "holds no rows"), (blocks, None, "is gone")]
    parquet = path / f"{kind}.parquet"
    for complaint, frame in odd.items():
        frame.write_parquet(parquet)
        cases.append((parquet.name, parquet.read_bytes(), complaint))
    cases += [(parquet.name, c, "damaged") for c in (b"", b"PAR1", cases[-1][1][:-50])]
    parquet.unlink()
    for file, content, complaint in cases:
        lose(path, file, content)
        with pytest.raises(ConfigError, match=f"{kind}.*{complaint}.*replace=true") as caught:
            read(read_part(path))
        assert "\n" not in str(caught.value)


def test_rows_that_a_dead_process_counted_must_be_there(tmp_path):
    path, manifest = begin(tmp_path)
    assert episodes(read_part(path)).height == 0
    manifest.progress({0: 10})
    with PartLock(path):  # it may be starting over
        assert episodes(read_part(path)).height == 0
    with pytest.raises(ConfigError, match="is gone"):
        episodes(read_part(path))


def test_a_finished_seed_has_its_last_iteration(tmp_path):
    path, manifest = begin(tmp_path)
    write_blocks(path)
    manifest.end_seed(0, "finished", None, 30)
    assert seed_rows(read_part(path))[0]["decisions"] == 30
    manifest.end_seed(0, "finished", None, 31)
    with pytest.raises(ConfigError, match=r"metrics\.blocks: ends at 30 of seed 0's 31 decisions"):
        seed_rows(read_part(path))


def test_seed_rows_show_the_mean_of_the_last_hundred(tmp_path):
    path, manifest = begin(tmp_path, seeds=(0, 1, 5))
    write_blocks(path, (0, 1), count=120)
    manifest.end_seed(1, "failed", "diverged at iteration 119")
    rows = {row["seed"]: row for row in seed_rows(read_part(path))}
    assert rows[0] == {
        "seed": 0,
        "status": "interrupted",
        "reason": None,
        "episodes": 120,
        "decisions": 1200,
        "recent_return": np.mean(np.arange(20, 120) / 8),
        "recent_n": 100,
    }
    assert rows[1]["reason"] == "diverged at iteration 119"
    assert (rows[5]["episodes"], rows[5]["recent_return"], rows[5]["decisions"]) == (0, None, 0)


READING = """
import sys
from pathlib import Path
from rich.console import Console
import pgx.export, pgx.records, pgx.status, pgx.tables

assert "polars" not in sys.modules
root = Path(sys.argv[1])
rows = pgx.status.status("lectures", root)
pgx.status.render(rows, Console())
pgx.tables.seed_table(rows[0]["runs"])
pgx.export.export("lectures", root, "csv", root)
assert "polars" in sys.modules
print([name for name in ("torch", "hydra", "pytorch_lightning") if name in sys.modules])
"""


def test_reading_does_without_torch(tmp_path):
    write_blocks(begin(tmp_path)[0])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", READING, str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


def test_seed_rows_show_the_last_evaluation_of_each_seed(tmp_path):
    path, _ = begin(tmp_path, seeds=(0, 1, 5))
    write_blocks(path, (0, 1), count=12)
    rows = {"iteration": np.zeros(6, int), "episode": np.arange(6), "length": np.ones(6, int)}
    with closing(BlockWriter(path / "evaluations.blocks", EVALUATION_ROW)) as writer:
        for seed, decisions in ((0, [10, 10, 20, 20, 20, 20]), (1, [10, 10, 10, 10, 11, 11])):
            returns = 100.0 * seed + np.array([0.0, 1.0, 3.0, 5.0, 7.0, 9.0])
            own = {"seed": np.full(6, seed), "decisions": np.array(decisions)}
            writer.append({**rows, **own, "return_raw": returns})
    part = read_part(path)
    assert evaluations(part).height == 12
    shown = {row["seed"]: row for row in seed_rows(part)}
    assert (shown[0]["evaluation"], shown[0]["evaluation_n"]) == (6.0, 4)
    assert (shown[1]["evaluation"], shown[1]["evaluation_n"]) == (108.0, 2)
    assert "evaluation" not in shown[5]
    table = seed_table(list(shown.values()))
    assert [str(column.header) for column in table.columns][-2:] == ["evaluation", "of last"]
    assert list(table.columns[-2].cells) == ["6.00", "108.0", "–", "–"]  # none is finished
    assert "evaluation" not in [column.header for column in seed_table([shown[5]]).columns]
