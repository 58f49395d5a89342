"""What the ledger makes of the parts that are there; synthetic manifests, nothing is trained."""

from __future__ import annotations

import copy
import tempfile
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from omegaconf import DictConfig, OmegaConf

from pgx.names import config_hash, part_name
from pgx.sweep import ledger
from pgx.sweep.ledger import Stretch, settle, stretches
from pgx.tracking.blocks import read_blocks
from pgx.tracking.manifest import MANIFEST, Manifest, PartLock
from tests.support.rows import record

CONFIG = OmegaConf.create({"estimator": {"discount": 0.99}, "decisions": 100})
OTHER = OmegaConf.create({"estimator": {"discount": 0.9}, "decisions": 100})


@cache
def template() -> dict[str, Any]:
    """The fields of a manifest; collecting them asks git and takes a while."""
    with tempfile.TemporaryDirectory() as folder:
        return Manifest.begin(
            Path(folder),
            study="s",
            arm="a2c",
            environment="cartpole-v1",
            seeds=[0],
            budget=100,
            config_hash="",
            environment_class="CartPole",
        ).fields


def part(
    arm: Path,
    statuses: Mapping[int, str],
    config: DictConfig = CONFIG,
    end: str | None = None,
    day: int = 1,
) -> Path:
    """A part begun that day whose seeds have these statuses; its own follows, or is ``end``."""
    path = arm / part_name(list(statuses))
    entries = {
        str(seed): {
            "status": status,
            "reason": f"diverged at iteration {seed}" if status == "failed" else None,
            "decisions": 100 if status == "finished" else 50,
        }
        for seed, status in statuses.items()
    }
    own = {"seeds": list(statuses), "seed_status": entries, "config_hash": config_hash(config)}
    started = f"2026-01-{day:02d}T00:00:00+00:00"
    manifest = Manifest(path, {**copy.deepcopy(template()), **own, "started": started})
    manifest.write()
    OmegaConf.save(config, path / "config.yaml")
    record(path, {int(seed): entry["decisions"] for seed, entry in entries.items()})
    if end or "running" not in statuses.values():
        manifest.end(end, exit=1 if end == "failed" else 0, error="boom" if end else None)
    return path


def told(arm: Path, seeds: Any, config: DictConfig = CONFIG, **flags: bool) -> list[tuple]:
    """``(seeds, state, name of the directory)`` of every stretch."""
    found = stretches(arm, seeds, config, **flags)
    return [(one.seeds, one.state, one.directory.name) for one in found]


@pytest.fixture
def arm(tmp_path: Path) -> Path:
    return tmp_path / "s" / "a2c" / "cartpole-v1"


def test_without_parts_every_seed_is_one_new_part(arm: Path) -> None:
    assert told(arm, (2, 0, 1)) == [((0, 1, 2), "to train", "seeds-0-2")]


def test_finished_seeds_are_done_and_the_others_one_new_part(arm: Path) -> None:
    part(arm, {0: "finished", 1: "finished"})
    assert told(arm, (0, 1)) == [((0, 1), "done", "seeds-0-1")]
    assert told(arm, range(4)) == [
        ((0, 1), "done", "seeds-0-1"),
        ((2, 3), "to train", "seeds-2-3"),
    ]
    assert told(arm, (1, 5)) == [((1,), "done", "seeds-0-1"), ((5,), "to train", "seeds-5")]


def test_an_interrupted_part_is_resumed_whole(arm: Path) -> None:
    part(arm, {0: "finished", 1: "running", 2: "running"})
    assert told(arm, (1, 3)) == [
        ((0, 1, 2), "to resume", "seeds-0-2"),
        ((3,), "to train", "seeds-3"),
    ]


def test_an_interrupted_part_of_seeds_that_are_not_wanted_is_left(arm: Path) -> None:
    part(arm, {0: "finished", 1: "running"})
    assert told(arm, (0,)) == [((0,), "done", "seeds-0-1")]


def test_a_part_in_another_process_is_not_touched(arm: Path) -> None:
    path = part(arm, {0: "finished", 1: "running"})
    with PartLock(path):
        assert told(arm, (0, 1, 2)) == [
            ((0,), "done", "seeds-0-1"),
            ((1,), "running", "seeds-0-1"),
            ((2,), "to train", "seeds-2"),
        ]


def test_failed_seeds_are_left_with_their_reason(arm: Path) -> None:
    part(arm, {0: "finished", 1: "failed"})
    done, failed = stretches(arm, (0, 1), CONFIG)
    assert done.state == "done"
    why = "at iteration 1; --retry-failed repeats it"
    assert failed == Stretch((1,), "diverged", arm / "seeds-0-1", why)


def test_diverged_seeds_among_finished_ones_get_a_part_of_their_own(arm: Path) -> None:
    part(arm, {0: "finished", 1: "failed", 2: "failed"})
    assert told(arm, (0, 1, 2, 3), retry_failed=True) == [
        ((0,), "done", "seeds-0-2"),
        ((1, 2), "to train", "seeds-1-2"),
        ((3,), "to train", "seeds-3"),
    ]


def test_a_part_that_failed_as_a_whole_is_repeated_in_place(arm: Path) -> None:
    part(arm, {0: "running", 1: "running"}, end="failed")
    assert [row[1] for row in told(arm, (0, 1))] == ["failed"]
    assert told(arm, (0, 1), retry_failed=True) == [((0, 1), "to repeat", "seeds-0-1")]


def test_a_seed_that_failed_again_is_repeated_where_it_failed_last(arm: Path) -> None:
    part(arm, {0: "finished", 1: "failed"})
    part(arm, {1: "failed"}, day=2)
    assert told(arm, (0, 1), retry_failed=True) == [
        ((0,), "done", "seeds-0-1"),
        ((1,), "to repeat", "seeds-1"),
    ]


def test_a_retry_of_a_diverged_seed_that_was_killed_is_repeated_when_asked_for(arm: Path) -> None:
    part(arm, {0: "finished", 1: "failed"})
    part(arm, {1: "running"}, day=2)
    assert [row[1] for row in told(arm, (0, 1))] == ["done", "diverged"]
    assert told(arm, (0, 1), retry_failed=True) == [
        ((0,), "done", "seeds-0-1"),
        ((1,), "to repeat", "seeds-1"),
    ]


def test_a_seed_that_failed_and_then_finished_is_done(arm: Path) -> None:
    part(arm, {0: "finished", 1: "failed"})
    part(arm, {1: "finished"})
    assert told(arm, (0, 1), retry_failed=True) == [
        ((0,), "done", "seeds-0-1"),
        ((1,), "done", "seeds-1"),
    ]


def test_another_config_under_the_arms_name_is_refused_with_the_difference(arm: Path) -> None:
    part(arm, {0: "finished"}, OTHER)
    (one,) = stretches(arm, (0,), CONFIG)
    assert one.state == "changed"
    assert one.why == "estimator.discount: 0.9 → 0.99; rename the arm, or use --replace"
    assert one.changes == ("estimator.discount: 0.9 → 0.99",)


def test_of_many_differences_the_message_names_six(arm: Path) -> None:
    many = {f"k{place}": place for place in range(14)}
    part(arm, {0: "finished"}, OmegaConf.create({"estimator": {"discount": 0.99, **many}}))
    (one,) = stretches(arm, (0,), OmegaConf.merge(CONFIG, {"estimator": {"k13": 13}}))
    changes = one.changes
    assert len(changes) == 14 and changes[0] == "decisions: None → 100"
    assert one.why == f"{', '.join(changes[:6])}, … and 8 more; rename the arm, or use --replace"


def test_what_another_config_left_is_repeated_in_place_with_replace(arm: Path) -> None:
    part(arm, {0: "finished", 1: "finished"}, OTHER)
    part(arm, {2: "finished"})
    assert told(arm, range(4), replace=True) == [
        ((0, 1), "to repeat", "seeds-0-1"),
        ((2,), "done", "seeds-2"),
        ((3,), "to train", "seeds-3"),
    ]
    assert (arm / "seeds-0-1" / MANIFEST).exists()


def test_the_arm_is_refused_even_if_other_seeds_are_wanted(arm: Path) -> None:
    part(arm, {0: "finished"}, OTHER)
    assert [row[1] for row in told(arm, (5,))] == ["changed", "to train"]


def test_another_config_that_still_trains_is_not_repeated(arm: Path) -> None:
    path = part(arm, {0: "running"}, OTHER)
    with PartLock(path):
        assert told(arm, (0,), replace=True) == [((0,), "changed", "seeds-0")]


@pytest.mark.parametrize("seeds", [(0,), (0, 1, 2), (0, 2, 5)])
def test_a_damaged_part_says_so_and_is_repeated_with_replace(arm: Path, seeds: tuple) -> None:
    path = part(arm, dict.fromkeys(seeds, "finished"))
    (path / MANIFEST).write_text("{")
    (one,) = stretches(arm, seeds, CONFIG)
    assert (one.seeds, one.state) == (seeds, "damaged")
    assert str(path / MANIFEST) in str(one.why)
    assert told(arm, seeds, replace=True) == [(seeds, "to repeat", path.name)]


def as_parquet(path: Path) -> None:
    """The part's rows as they are once it has ended."""
    for kind in ("episodes", "metrics"):
        blocks = path / f"{kind}.blocks"
        pl.DataFrame(read_blocks(blocks)).write_parquet(path / f"{kind}.parquet")
        blocks.unlink()


@pytest.mark.parametrize("kind", ["episodes", "metrics"])
@pytest.mark.parametrize("harm", ["gone", "truncated", "garbage"])
def test_damaged_rows_are_not_done_and_are_repeated_with_replace(
    arm: Path, kind: str, harm: str
) -> None:
    path = part(arm, {0: "finished", 1: "failed"})
    as_parquet(path)
    assert told(arm, (0,)) == [((0,), "done", "seeds-0-1")]
    file = path / f"{kind}.parquet"
    if harm == "gone":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:-9] if harm == "truncated" else b"PAR1")
    (one,) = stretches(arm, (0,), CONFIG)
    assert (one.seeds, one.state) == ((0, 1), "damaged")
    assert str(one.why).startswith(str(file)) and "--replace" in str(one.why)
    assert told(arm, (0,), replace=True) == [((0, 1), "to repeat", "seeds-0-1")]


def test_rows_that_end_before_the_manifest_does_are_damaged(arm: Path) -> None:
    path = part(arm, {0: "finished", 1: "finished"})
    as_parquet(path)
    table = pl.read_parquet(path / "metrics.parquet").with_columns(decisions=pl.lit(99))
    table.write_parquet(path / "metrics.parquet")
    (one,) = stretches(arm, (0, 1), CONFIG)
    assert one.state == "damaged" and "ends at 99 of seed 0's 100 decisions" in str(one.why)


def test_a_directory_without_a_record_is_trained(arm: Path) -> None:
    (arm / "seeds-0-1").mkdir(parents=True)
    (arm / "seeds-0-1" / "config.yaml").touch()
    assert told(arm, (0, 1)) == [((0, 1), "to train", "seeds-0-1")]


def test_a_checkpoint_that_lost_its_manifest_is_damaged(arm: Path) -> None:
    path = part(arm, {0: "finished"})
    (path / "checkpoints").mkdir()
    (path / "checkpoints" / "last.ckpt").touch()
    (path / MANIFEST).unlink()
    assert [row[1] for row in told(arm, (0,))] == ["damaged"]


def test_a_writer_that_ends_is_waited_for_and_no_longer(arm: Path) -> None:
    path = part(arm, {0: "running"})
    begun = time.monotonic()
    settle(arm, begun + 30)
    assert time.monotonic() - begun < 5
    with PartLock(path):
        settle(arm, time.monotonic() + 0.3)
    assert 0.3 <= time.monotonic() - begun < 10


def test_what_a_killed_sweep_left_behind_is_waited_for_longer(
    arm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, looks = part(arm, {0: "running"}), []
    monkeypatch.setattr(ledger, "is_orphaned", lambda found: not looks.append(found))
    monkeypatch.setattr(ledger, "ORPHAN_S", 0.4)
    begun = time.monotonic()
    with PartLock(path):
        settle(arm, begun)
    assert 0.4 <= time.monotonic() - begun < 10
    assert set(looks) == {path}
