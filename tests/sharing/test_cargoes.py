"""The points of a study's runs as the server should have them, and how fast they may go."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pgx.sharing.push_process import Cargo, Pace, cargoes
from pgx.sharing.state import digest
from pgx.tracking.blocks import BlockWriter
from pgx.tracking.episodes import EVALUATION_ROW
from pgx.tracking.runs_state import write_state
from tests.support.parts import SEEDS, Trainer


def made(directory: Path, noted: dict[str, Any] | None = None, **outcome: Any) -> list[Cargo]:
    seeds = {str(seed): {"status": "finished", **outcome} for seed in SEEDS}
    part = {"directory": str(directory), "seeds": seeds}
    return list(cargoes(part, "here", "team", noted or {}))


def steps(cargo: Cargo) -> list[int]:
    return [point.step for point in cargo.points]


def test_a_run_is_made_of_its_own_rows(tmp_path: Path) -> None:
    """Budget 70, 7 points: an iteration each; the loss of seed s in iteration i is s + i / 8."""
    trainer = Trainer(tmp_path / "part", "wandb.points=7").train(range(7))
    trainer.end()
    found = made(tmp_path / "part", final=3.5)
    assert [cargo.seed for cargo in found] == list(SEEDS)
    for cargo in found:
        assert cargo.id == trainer.id(cargo.seed)
        assert (cargo.job.project, cargo.job.entity, cargo.job.mode) == ("here", "team", "online")
        assert [p.values["loss"] for p in cargo.points] == [cargo.seed + i / 8 for i in range(7)]
        assert cargo.outcome == {**cargo.points[-1].values, "status": "finished", "final": 3.5}
        told = {"outcome": digest(cargo.outcome), "group": "adhoc/x"}
        assert cargo.noted == {"step": 6, "points": 7, **told}


def test_a_cell_that_an_interrupted_run_has_begun_waits(tmp_path: Path) -> None:
    """Two iterations in a cell of 20: the third begins the second cell."""
    Trainer(tmp_path / "part", "wandb.points=4").train(range(3))
    assert steps(made(tmp_path / "part", status="interrupted")[0]) == [0]
    ended = made(tmp_path / "part")[0]
    assert steps(ended) == [0, 1]
    assert ended.outcome["loss"] == 4 + 2 / 8


def test_evaluations_go_along(tmp_path: Path) -> None:
    Trainer(tmp_path / "part", "wandb.points=7").train(range(7))
    rows = {
        "seed": np.array([4, 4, 1]),
        "iteration": np.array([1, 1, 1]),
        "decisions": np.array([20, 20, 20]),
        "episode": np.array([0, 1, 0]),
        "return_raw": np.array([3.0, 6.0, 8.0]),
        "length": np.array([2, 4, 5]),
    }
    BlockWriter(tmp_path / "part/evaluations.blocks", EVALUATION_ROW).append(rows)
    four, one, nine = made(tmp_path / "part")
    shown = [[p.values.get("evaluation") for p in cargo.points] for cargo in (four, one, nine)]
    assert shown == [[None, value, *5 * [None]] for value in (4.5, 8.0, None)]


def test_the_grid_of_a_run_stays_what_it_was(tmp_path: Path) -> None:
    trainer = Trainer(tmp_path / "part", "wandb.points=7").train(range(7))
    known = {trainer.id(1): {"points": 2}}
    assert [len(cargo.points) for cargo in made(tmp_path / "part", known)] == [7, 2, 7]
    (tmp_path / "part/wandb").mkdir()
    state = {"mode": "online", "project": "pgx", "entity": None, "points": 1, "runs": {}}
    write_state(tmp_path / "part/wandb", state)
    assert [len(cargo.points) for cargo in made(tmp_path / "part")] == [1, 1, 1]
    write_state(tmp_path / "part/wandb", state | {"project": "another"})
    assert [len(cargo.points) for cargo in made(tmp_path / "part")] == [7, 7, 7]


@pytest.mark.parametrize(("rate", "points", "least"), [(100.0, 40, 0.35), (1e6, 40, 0.0)])
def test_points_keep_below_the_rate(rate: float, points: int, least: float) -> None:
    pace, begun = Pace(rate), time.monotonic()
    for _ in range(points):
        pace.wait()
    assert time.monotonic() - begun >= least
    assert time.monotonic() - begun < least + 5
