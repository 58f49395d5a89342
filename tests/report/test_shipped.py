"""Evidence as files: read again it is the same, in few bytes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pgx.analysis.analyse import analyse
from pgx.analysis.model import Evidence
from pgx.report.shipped import COLUMNS, frame, read_shipped, write_shipped
from tests.report.fabricated import evidence, lost


def shipped(made: Evidence, directory: Path) -> Evidence:
    write_shipped(directory, made, analyse(made, resamples=10))
    read = read_shipped(directory)
    assert read.altered == ()
    assert (read.against, read.seed, read.resamples) == (made.study.reference, 0, 10)
    assert read.episodes == sum(len(run.returns) for run in made.runs)
    return read.evidence


def changed(made: Evidence, returns: np.ndarray) -> Evidence:
    first = replace(made.runs[0], returns=returns, decisions=np.arange(len(returns)) + 2**40)
    return replace(made, runs=(first, *made.runs[1:]))


@pytest.mark.parametrize(
    "odd",
    [
        np.array([1.0, -0.0, 3.0]),
        np.array([0.1, 1 / 3, -1e300]),
        np.array([0.5, 0.25, -7.125]),
        np.array([np.nan, np.inf, -np.inf]),
        np.array([2.0**31, -(2.0**31), 2.0**53]),
    ],
    ids=["minus zero", "64 bits", "32 bits", "no numbers", "large"],
)
def test_evidence_is_the_same_to_the_last_bit(tmp_path: Path, odd: np.ndarray) -> None:
    gone = ("gae", "acrobot-v1", 2)
    made = evidence(replaced={gone: lost(*gone, "failed", "killed\nby 'x'")}, notes=("é, 🙂",))
    made = changed(made, odd)
    read = shipped(made, tmp_path)
    assert read.study == made.study
    assert read.configs == made.configs
    assert read.notes == made.notes
    for one, other in zip(made.parts, read.parts, strict=True):
        code = {key: one["git"][key] for key in ("commit", "dirty")}
        command = ["pgx", "sweep", "study=001_made_up"]  # where they lay is nobody's business
        assert other == {**one, "git": code, "command": command}
    for one, other in zip(made.runs, read.runs, strict=True):
        assert one.decisions.tobytes() == other.decisions.tobytes()
        assert one.returns.tobytes() == other.returns.tobytes()
        empty = np.zeros(0)
        assert replace(one, decisions=empty, returns=empty).__dict__.keys() == other.__dict__.keys()
        assert (one.arm, one.seed, one.status, one.reason, one.reached) == (
            *(other.arm, other.seed, other.status, other.reason),
            other.reached,
        )


def test_types_are_as_small_as_is_exact() -> None:
    made = evidence(("gae",), 2, ("cartpole-v1",))
    types = dict(zip(COLUMNS, frame(made).dtypes, strict=True))
    assert (types["decisions"], types["return_raw"]) == (pl.Int32, pl.Int32)
    halves = frame(changed(made, np.array([0.5, 1.0])))
    assert (halves["return_raw"].dtype, halves["decisions"].dtype) == (pl.Float32, pl.Int64)
    assert frame(changed(made, np.array([0.1])))["return_raw"].dtype == pl.Float64
    assert frame(changed(made, np.array([-0.0])))["return_raw"].dtype == pl.Float32


def test_many_episodes_take_few_bytes(tmp_path: Path) -> None:
    shipped(evidence(("total_return", "gae"), 10, ("cartpole-v1",), episodes=2_000), tmp_path)
    assert (tmp_path / "episodes.parquet").stat().st_size < 4 * 20 * 2_000
