"""What a study has to send, and what stays behind: nothing here talks to anyone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pgx.errors import ConfigError
from pgx.sharing.outgoing import outgoing, run_scores, target
from pgx.tracking.manifest import PartLock
from tests.support.studies import level_evidence, write_part

HERE = ("lectures", "x", "corridor")


def test_every_run_is_sent_with_how_it_ended(tmp_path: Path) -> None:
    one = write_part(tmp_path, "x", (0, 1), [1.0, 2.0])
    two = write_part(tmp_path, "y", (0,), [3.0])
    manifest = json.loads((one / "manifest.json").read_text())
    manifest["seed_status"]["1"] |= {"status": "failed", "reason": "diverged at iteration 3"}
    (one / "manifest.json").write_text(json.dumps(manifest))
    found = outgoing(tmp_path, "lectures", {("x", "corridor", 0): {"area": 1.5}})
    assert found.parts == (
        {
            "directory": str(one),
            "seeds": {
                "0": {"status": "finished", "area": 1.5},
                "1": {"status": "failed", "reason": "diverged at iteration 3"},
            },
        },
        {"directory": str(two), "seeds": {"0": {"status": "finished"}}},
    )
    assert found.named == {("pgx", None)}
    assert found.left_out == found.damaged == found.notes == ()


def test_what_trains_or_is_damaged_stays_behind(tmp_path: Path) -> None:
    busy, broken, mirrored = (write_part(tmp_path, arm, (0,), [1.0]) for arm in "abc")
    write_part(tmp_path, "d", (0,), [1.0])
    (broken / "config.yaml").write_text("[")
    with PartLock(busy), PartLock(mirrored / "wandb"):
        found = outgoing(tmp_path, "lectures", {})
    assert [Path(part["directory"]).parts[-3] for part in found.parts] == ["d"]
    assert [line.split(" ")[0] for line in found.left_out] == [str(busy), str(mirrored)]
    (line,) = found.damaged
    assert line == f"{broken / 'config.yaml'}: cannot be read, it is damaged; restore it"


def test_a_run_in_two_parts_is_sent_from_one(tmp_path: Path) -> None:
    write_part(tmp_path, "x", (0, 1), [1.0, 2.0])
    write_part(tmp_path, "x", (1, 2), [2.0, 3.0])
    found = outgoing(tmp_path, "lectures", {})
    assert sorted(seed for part in found.parts for seed in part["seeds"]) == ["0", "1", "2"]
    assert len(found.notes) == 1


def test_scores_are_those_that_are_compared() -> None:
    levels = {"p": {"x": [1.0, "diverged", 3.0, "missing"], "y": [4.0, 5.0, 6.0, 7.0]}}
    found = run_scores(level_evidence(levels))
    assert found["x", "p", 0] == {"area": 1.0, "final": 1.0}
    assert found["y", "p", 3] == {"area": 7.0, "final": 7.0}
    assert ("x", "p", 1) not in found  # a diverged run has no score of its own
    assert ("x", "p", 3) not in found


def test_where_it_goes() -> None:
    assert target({("a", None)}, None, None) == ("a", None)
    assert target({("a", "team")}, None, None) == ("a", "team")
    assert target({("a", None), ("b", "team")}, "c", "d") == ("c", "d")
    assert target(set(), None, None) == ("pgx", None)
    with pytest.raises(ConfigError, match=r"^--project: the runs' configs say a, b; give one"):
        target({("a", None), ("b", None)}, None, None)
    with pytest.raises(ConfigError, match=r"^--entity: the runs' configs say None, team"):
        target({("a", None), ("a", "team")}, None, None)
    with pytest.raises(ConfigError, match=r"^--entity=a b: give a name of W&B"):
        target({("a", None)}, None, "a b")
