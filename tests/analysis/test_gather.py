"""Evidence as it comes off the disk: whole, damaged, foreign, and without a study."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pgx.analysis.analyse import analyse
from pgx.analysis.gather import gather
from pgx.analysis.numbers import numbers
from pgx.errors import ConfigError
from pgx.study import Place, Study, write_study
from pgx.tracking.manifest import PartLock
from tests.support.studies import BUDGET, EPISODES, level_study, write_part

PLACE = "corridor"


def declare(root: Path, **changes: object) -> Study:
    """Write a study of two arms and three seeds."""
    study = level_study({PLACE: {"plain": [0, 0, 0], "fancy": [0, 0, 0]}}, **changes)
    write_study(root, study)
    return study


def statuses(root: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for run in gather(root, "lectures").runs:
        found.setdefault(run.arm, []).append(run.status)
    return found


def edit(part: Path, **changes: object) -> None:
    path = part / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_everything_that_was_recorded(tmp_path: Path) -> None:
    study = declare(tmp_path)
    write_part(tmp_path, "plain", [0, 1, 2], [1, 2, 3])
    write_part(tmp_path, "fancy", [0, 1], [4, 5], prediction_sha256=study.prediction_hash)
    write_part(tmp_path, "fancy", [2], [6])
    found = gather(tmp_path, "lectures")
    assert found.study == study
    assert [(r.arm, r.seed, r.returns[0]) for r in found.runs] == [
        ("plain", 0, 1),
        ("plain", 1, 2),
        ("plain", 2, 3),
        ("fancy", 0, 4),
        ("fancy", 1, 5),
        ("fancy", 2, 6),
    ]
    assert {(r.status, r.reached, len(r.decisions)) for r in found.runs} == {
        ("finished", BUDGET, EPISODES)
    }
    assert [(part["arm"], part["seeds"]) for part in found.parts] == [
        ("fancy", [0, 1]),
        ("fancy", [2]),
        ("plain", [0, 1, 2]),
    ]
    assert found.parts[0]["prediction_sha256"] == study.prediction_hash
    assert set(found.parts[0]["git"] or ()) <= {"root", "commit", "dirty"}
    assert found.configs["fancy"][PLACE]["rollouts_reused"] == 1
    assert "arm" not in found.configs["fancy"][PLACE]
    assert found.notes == ()


def test_how_runs_ended(tmp_path: Path) -> None:
    declare(tmp_path, seeds=(0, 1, 2, 3))
    entries = {
        "0": {"status": "finished", "reason": None, "decisions": BUDGET},
        "1": {"status": "failed", "reason": "diverged at iteration 3", "decisions": 300},
        "2": {"status": "failed", "reason": None, "decisions": 300},
    }
    write_part(
        tmp_path, "plain", [0, 1, 2], [1, 2, 3], seed_status=entries, status="failed", error="boom"
    )
    running = write_part(tmp_path, "fancy", [0, 1, 2], [1, 2, 3], status="running")
    seeds = {str(s): {"status": "running", "reason": None, "decisions": 7} for s in range(3)}
    edit(running, seed_status=seeds)
    with PartLock(running):
        assert statuses(tmp_path)["fancy"] == ["running"] * 3 + ["missing"]
    assert statuses(tmp_path) == {
        "plain": ["finished", "diverged", "failed", "missing"],
        "fancy": ["interrupted"] * 3 + ["missing"],
    }
    runs = gather(tmp_path, "lectures").runs
    assert [run.reason for run in runs[:4]] == [None, "diverged at iteration 3", "boom", None]
    assert runs[4].reached == BUDGET  # the rows know more than the last checkpoint


@pytest.mark.parametrize(
    "damage",
    [
        lambda part: (part / "manifest.json").write_text("{"),
        lambda part: (part / "manifest.json").unlink(),
        lambda part: (part / "episodes.parquet").write_bytes(b"PAR1"),
        lambda part: (part / "episodes.parquet").unlink(),
    ],
)
def test_a_damaged_part_takes_nothing_down(tmp_path: Path, damage) -> None:
    declare(tmp_path)
    write_part(tmp_path, "plain", [0, 1, 2], [1, 2, 3])
    damage(write_part(tmp_path, "fancy", [0, 1, 2], [4, 5, 6]))
    found = gather(tmp_path, "lectures")
    assert {(r.arm, r.status, r.reason) for r in found.runs} == {
        ("plain", "finished", None),
        ("fancy", "missing", "seeds-0-2 is damaged"),
    }
    assert len(found.notes) == 1
    assert found.notes[0].startswith("cannot be read: lectures/fancy/corridor/seeds-0-2")
    assert str(tmp_path) not in found.notes[0]


def test_a_damaged_part_is_not_believed_over_a_whole_one(tmp_path: Path) -> None:
    declare(tmp_path)
    bad = write_part(tmp_path, "plain", [0, 1, 2], [1, 2, 3])
    (bad / "episodes.parquet").unlink()
    write_part(tmp_path, "plain", [1], [9])
    runs = [run for run in gather(tmp_path, "lectures").runs if run.arm == "plain"]
    assert [(r.status, r.reason) for r in runs] == [
        ("missing", "seeds-0-2 is damaged"),
        ("finished", None),
        ("missing", "seeds-0-2 is damaged"),
    ]


def test_episodes_out_of_order_are_damage(tmp_path: Path) -> None:
    declare(tmp_path)
    part = write_part(tmp_path, "plain", [0, 1, 2], [1, 2, 3])
    table = pl.read_parquet(part / "episodes.parquet")
    backwards = table.with_columns(pl.col("decisions").reverse())
    backwards.write_parquet(part / "episodes.parquet")
    found = gather(tmp_path, "lectures")
    assert {run.status for run in found.runs} == {"missing"}
    assert "are not in the order in which they ended" in found.notes[0]


def test_what_was_not_asked_for_is_left_out_and_noted(tmp_path: Path) -> None:
    other = Place("acrobot-v1", "acrobot", BUDGET)
    declare(
        tmp_path,
        places={PLACE: Place(PLACE, PLACE, BUDGET), "acrobot-v1": other},
        arms={"plain": (), "fancy": (), "twin": ()},
        duplicates={"twin": "fancy"},
        excluded=(("fancy", "acrobot-v1", "no"),),
    )
    write_part(tmp_path, "plain", [0, 1, 2, 7], [1, 2, 3, 4])
    write_part(tmp_path, "alien", [0], [1])
    write_part(tmp_path, "twin", [0], [1])
    write_part(tmp_path, "plain", [0, 1], [1, 1], environment="pendulum-v1")
    write_part(tmp_path, "fancy", [0], [1], environment="acrobot-v1")
    found = gather(tmp_path, "lectures")
    assert len(found.runs) == 9
    assert not [run for run in found.runs if run.seed == 7 or run.arm in ("alien", "twin")]
    assert set(found.notes) == {
        "seeds 7 of plain on corridor are left out: the study did not ask for them",
        "seeds 0 of alien on corridor are left out: the study has no arm alien",
        "seeds 0 of twin on corridor are left out: twin is the same as fancy",
        "seeds 0-1 of plain on pendulum-v1 are left out: the study has no environment pendulum-v1",
        "seeds 0 of fancy on acrobot-v1 are left out: the study excludes them",
    }
    assert [(part["arm"], part["environment"]) for part in found.parts] == [("plain", PLACE)]


def test_a_run_held_twice_is_there_once(tmp_path: Path) -> None:
    declare(tmp_path)
    write_part(tmp_path, "plain", [0, 1, 2], [1, 2, 3])
    write_part(tmp_path, "plain", [2], [9], started="2030-01-01T00:00:00+00:00")
    found = gather(tmp_path, "lectures")
    assert [run.returns[0] for run in found.runs[:3]] == [1, 2, 9]  # of two whole, the later
    assert len(found.notes) == 1 and "seed 2 is in two parts" in found.notes[0]


def test_a_changed_config_is_told_key_by_key(tmp_path: Path) -> None:
    declare(tmp_path)
    write_part(tmp_path, "plain", [0], [1], started="2026-01-01T00:00:00+00:00")
    write_part(tmp_path, "plain", [1, 2], [1, 2], overrides=["rollouts_reused=2"])
    found = gather(tmp_path, "lectures")
    assert found.notes == (
        "plain on corridor, seeds-1-2: its config is not that of earlier parts "
        "(rollouts_reused: 1 → 2)",
    )
    assert found.configs["plain"][PLACE]["rollouts_reused"] == 2
    assert any("plain on corridor was run with 2 configs" in c for c in analyse(found).changed)


def test_a_part_with_another_config_than_the_study_is_left_out(tmp_path: Path) -> None:
    declare(tmp_path)
    write_part(tmp_path, "plain", [0, 1, 2], [1, 2, 3])
    ours = write_part(tmp_path, "fancy", [0], [4], overrides=["rollouts_reused=2"])
    write_part(tmp_path, "fancy", [1, 2], [9, 9])  # what the arm was before the study changed it
    write_part(tmp_path, "fancy", [0, 3], [9, 9])  # it ended later, and is not believed
    parts = {"plain": tmp_path / "lectures/plain/corridor/seeds-0-2", "fancy": ours}
    hashes = {
        arm: {PLACE: json.loads((path / "manifest.json").read_text())["config_hash"]}
        for arm, path in parts.items()
    }
    declare(tmp_path, hashes=hashes)
    found = gather(tmp_path, "lectures")
    fancy = [(r.seed, r.status, r.reason, len(r.returns)) for r in found.runs if r.arm == "fancy"]
    reason = "seeds-1-2 has another config than the study"
    assert fancy == [
        (0, "finished", None, EPISODES),
        (1, "missing", reason, 0),
        (2, "missing", reason, 0),
    ]
    assert found.runs[3].returns[0] == 4 and found.notes == ()
    assert found.configs["fancy"][PLACE]["rollouts_reused"] == 2
    told = "made with another config than the study has (rollouts_reused: 1, not 2); these runs"
    assert analyse(found, resamples=20).changed[1:] == (  # the first: no prediction in these
        f"fancy on corridor, seeds 0,3: {told} are left out",
        f"fancy on corridor, seeds 1-2: {told} are left out",
    )


def test_without_a_part_of_the_studys_own_config_the_hashes_are_told(tmp_path: Path) -> None:
    declare(tmp_path, hashes={"plain": {PLACE: "expected"}})
    part = write_part(tmp_path, "plain", [0, 1, 2], [1, 2, 3])
    own = json.loads((part / "manifest.json").read_text())["config_hash"]
    found = gather(tmp_path, "lectures")
    assert {run.status for run in found.runs} == {"missing"}
    assert found.parts[0]["differs"] == f"hash {own}, not expected"


def test_a_lost_config_is_noted(tmp_path: Path) -> None:
    declare(tmp_path)
    (write_part(tmp_path, "plain", [0, 1, 2], [1, 2, 3]) / "config.yaml").write_text("a: [")
    found = gather(tmp_path, "lectures")
    assert found.configs["plain"] == {}
    assert found.notes == (
        "lectures/plain/corridor/seeds-0-2/config.yaml: cannot be read, it is damaged; restore it",
    )


def test_a_study_that_has_not_begun(tmp_path: Path) -> None:
    declare(tmp_path)
    assert statuses(tmp_path) == {"plain": ["missing"] * 3, "fancy": ["missing"] * 3}


def test_parts_without_a_study_are_one(tmp_path: Path) -> None:
    write_part(tmp_path, "b", [0, 1], [1, 2], study="adhoc")
    write_part(tmp_path, "a", [0, 1, 2], [3, 4, 5], study="adhoc")
    found = gather(tmp_path, "adhoc")
    assert (found.study.question, found.study.reference, found.study.metric) == ("", "", "area")
    assert list(found.study.arms) == ["a", "b"] and found.study.seeds == (0, 1, 2)
    assert len(found.runs) == 5  # nobody asked for seed 2 of b
    assert any("there is no study.json" in note for note in found.notes)
    with pytest.raises(ConfigError, match="has no reference arm; name one of a, b"):
        analyse(found)
    assert analyse(found, "b", resamples=100).primary.comparisons[0].verdict.pairs == 2


def test_a_study_that_is_not_there(tmp_path: Path) -> None:
    write_part(tmp_path, "plain", [0], [1])
    with pytest.raises(ConfigError, match="did you mean 'lectures'"):
        gather(tmp_path, "lecture")
    with pytest.raises(ConfigError, match="there is no folder"):
        gather(tmp_path / "nowhere", "lectures")


def test_evidence_from_disk_and_from_memory_have_the_same_numbers(tmp_path: Path) -> None:
    declare(tmp_path)
    for arm, levels in (("plain", [1, 2, 3]), ("fancy", [2, 5, 4])):
        write_part(tmp_path, arm, [0, 1, 2], levels)
    found = gather(tmp_path, "lectures")
    copied = replace(
        found,
        runs=tuple(
            replace(run, returns=np.array(run.returns.tolist()), decisions=run.decisions.copy())
            for run in found.runs
        ),
    )
    assert numbers(analyse(found)) == numbers(analyse(copied))


def test_200_runs_of_2_000_episodes_take_less_than_10_s(tmp_path: Path) -> None:
    arms, seeds = [f"arm{k}" for k in range(10)], list(range(20))
    write_study(tmp_path, level_study({PLACE: {arm: [0.0] * 20 for arm in arms}}))
    count = 2_000 * len(seeds)
    rng = np.random.default_rng(0)
    for arm in arms:
        part = write_part(tmp_path, arm, seeds, [1.0] * 20)
        pl.DataFrame(
            {
                "seed": np.repeat(seeds, 2_000),
                "episode": np.tile(np.arange(2_000), 20),
                "decisions": np.tile(np.arange(1, 2_001) * (BUDGET / 2_000), 20).astype(int),
                "return_raw": rng.normal(size=count),
                "return_train": np.zeros(count),
                "wall_s": np.zeros(count),
                "length": np.ones(count, dtype=int),
            }
        ).write_parquet(part / "episodes.parquet")
    began = time.process_time()
    found = analyse(gather(tmp_path, "lectures"))
    assert time.process_time() - began < 10
    assert len(found.primary.comparisons) == 9
    assert sum(len(c["finished"]) for c in found.counts[PLACE].values()) == 200


def test_a_damaged_study_is_the_users_to_mend(tmp_path: Path) -> None:
    declare(tmp_path)
    (tmp_path / "lectures" / "study.json").write_text("[")
    with pytest.raises(ConfigError, match="cannot be read"):
        gather(tmp_path, "lectures")
