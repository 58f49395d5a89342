"""``pgx export``: one tidy file, whatever the parts' state, and one line for a mistake."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pgx.errors import ConfigError
from pgx.export import export
from pgx.records import COLUMNS
from pgx.tracking.blocks import BlockWriter, read_blocks
from pgx.tracking.episodes import EPISODE_ROW
from pgx.tracking.manifest import Manifest


@pytest.fixture
def root(tmp_path) -> Path:
    """Two parts of a study with 3 episodes a seed; seed 1 is in both."""
    for arm_seeds in ((0, 1), (1, 2)):
        seeds = np.array(arm_seeds)
        path = tmp_path / "outputs/lectures/gae/cartpole" / f"seeds-{seeds[0]}-{seeds[1]}"
        manifest = Manifest.begin(
            path,
            study="lectures",
            arm="gae",
            environment="cartpole",
            seeds=arm_seeds,
            budget=30,
            config_hash="abc",
            environment_class="CartPole",
        )
        manifest.end(exit=0)
        writer = BlockWriter(path / "episodes.blocks", EPISODE_ROW)
        for k in range(3):
            row = dict.fromkeys(EPISODE_ROW, np.full(2, k))
            writer.append({**row, "seed": seeds, "return_raw": seeds / 3 + k})
        writer.close()
    return tmp_path / "outputs"


def test_csv_and_parquet_hold_the_same_rows_to_the_last_bit(root, tmp_path):
    csv = export("lectures", root, "csv", tmp_path)
    parquet = export("lectures", root, "parquet", tmp_path)
    assert (csv, parquet) == (tmp_path / "lectures.csv", tmp_path / "lectures.parquet")
    assert csv.read_text().splitlines()[0] == ",".join(COLUMNS)
    table = pl.read_parquet(parquet)
    assert table.height == 9
    assert table.equals(pl.read_csv(csv))
    assert table.filter(seed=1, episode=2)["return_raw"].item() == 1 / 3 + 2


def test_a_run_held_twice_is_written_once_and_named(root, tmp_path, caplog):
    with caplog.at_level(logging.WARNING, "pgx.export"):
        table = pl.read_csv(export("lectures", root, "csv", tmp_path))
    assert not table.select("seed", "episode").is_duplicated().any()
    assert "seed 1 is in two parts" in caplog.text


def test_where_the_file_goes(root, tmp_path, monkeypatch):
    assert export("lectures", root, "csv", tmp_path / "rows.csv") == tmp_path / "rows.csv"
    assert export("lectures", root, "csv", tmp_path / "new") == tmp_path / "new/lectures.csv"
    monkeypatch.chdir(tmp_path)
    assert export("lectures", root).resolve() == tmp_path / "lectures.csv"
    for path in ("rows.csv", "new/lectures.csv", "lectures.csv"):
        assert (tmp_path / path).is_file()
    assert list(tmp_path.rglob("*.tmp")) == []


@pytest.mark.parametrize(
    ("study", "format", "output", "message"),
    [
        ("lecture", "csv", "", "did you mean 'lectures'"),
        ("lectures", "parket", "", "did you mean 'parquet'"),
        ("lectures", "parquet", "rows.csv", "does not end in .parquet"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_on_disk(root, tmp_path, study, format, output, message):
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ConfigError, match=message) as caught:
        export(study, root, format, tmp_path / output)
    assert "\n" not in str(caught.value)
    assert sorted(tmp_path.rglob("*")) == before


def test_folders_and_files_with_the_signs_of_patterns(root, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    odd = tmp_path / "[x]"
    root.rename(odd)
    for path in odd.rglob("episodes.blocks"):
        pl.DataFrame(read_blocks(path)).write_parquet(path.with_suffix(".parquet").open("wb"))
        path.unlink()
    for name in ("[y].parquet", "~/t.parquet", "a*.csv"):
        path = export("lectures", odd, Path(name).suffix[1:], Path(name))
        assert (tmp_path / name).is_file()
        read = pl.read_csv if path.suffix == ".csv" else pl.read_parquet
        assert read((tmp_path / name).open("rb")).height == 9
    assert list((tmp_path / "home").iterdir()) == []


@pytest.mark.parametrize("file", ["manifest.json", "episodes.blocks"])
def test_a_damaged_part_stops_the_export_of_its_study_only(root, tmp_path, file):
    other = root / "adhoc"
    shutil.copytree(root / "lectures", other)
    path = root / "lectures/gae/cartpole/seeds-1-2" / file
    path.write_bytes(b"garbage")
    with pytest.raises(ConfigError) as caught:
        export("lectures", root, "csv", tmp_path / "rows.csv")
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "rows.csv").exists()
    assert export("adhoc", root, "csv", tmp_path / "rows.csv").exists()


def test_a_part_that_lost_its_rows_is_not_left_out(root, tmp_path):
    for file in ("episodes.blocks", "manifest.json"):
        (root / "lectures/gae/cartpole/seeds-1-2" / file).rename(tmp_path / file)
        with pytest.raises(ConfigError, match="seeds-1-2"):
            export("lectures", root, "csv", tmp_path)
        (tmp_path / file).rename(root / "lectures/gae/cartpole/seeds-1-2" / file)


def test_a_place_that_cannot_be_written_is_one_line(root, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"--to: .* cannot be written"):
        export("lectures", root, "csv", tmp_path / "file" / "rows.csv")
