"""What a report ships so that it can be checked: the evidence as files, and its fingerprints.

``episodes.parquet`` holds the rows, ``study.json`` what was asked, ``runs.json`` everything else.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import pgx
from pgx.analysis.model import Analysis, Evidence, Run
from pgx.errors import ConfigError, check_number
from pgx.study import from_json
from pgx.tracking.atomic import replacing

if TYPE_CHECKING:
    import polars as pl

EPISODES, STUDY, RUNS = "episodes.parquet", "study.json", "runs.json"
FORMAT = 1  #: of runs.json
MOST_RESAMPLES = 1_000_000  #: that a report may ask its reader's machine for
COLUMNS = ("environment", "arm", "seed", "episode", "decisions", "return_raw")

_HOW = ("against", "seed", "resamples")  #: an analysis follows from these and the evidence
_RUN = ("arm", "environment", "seed", "status", "reason", "reached")
_ADVICE = "ask for the whole directory again, or make the report again"


@dataclass(frozen=True)
class Shipped:
    """A report's evidence as its files hold it.

    Args:
        evidence: what was recorded.
        against: the arm that the report holds the others against.
        seed: of the generator behind intervals and tests.
        resamples: behind every interval.
        made_by: versions of what made the report, as `made_by` says it.
        altered: one line for every run whose rows are not those that the report was made from.
        episodes: how many rows there are.
    """

    evidence: Evidence
    against: str
    seed: int
    resamples: int
    made_by: str
    altered: tuple[str, ...]
    episodes: int


def made_by() -> str:
    """The versions that digits and words of a report depend on."""
    return f"pgx {pgx.__version__}, numpy {np.__version__}"


def fingerprint(run: Run) -> str:
    """SHA-256 of a run's rows: its decisions as int64, then its returns as float64."""
    digest = hashlib.sha256(np.ascontiguousarray(run.decisions, dtype="<i8").tobytes())
    digest.update(np.ascontiguousarray(run.returns, dtype="<f8").tobytes())
    return digest.hexdigest()


def write_shipped(directory: Path, evidence: Evidence, analysis: Analysis) -> None:
    """Write the three files; the same evidence gives the same bytes.

    Args:
        directory: of the report; it exists.
        evidence: what was recorded.
        analysis: says how it was analysed.
    """
    fields = {
        "format": FORMAT,
        "made_by": made_by(),
        "analysis": {name: getattr(analysis, name) for name in _HOW},
        "runs": [
            {
                **{name: getattr(run, name) for name in _RUN},
                "episodes": len(run.returns),
                "sha256": fingerprint(run),
            }
            for run in evidence.runs
        ],
        "parts": [_without_places(part) for part in evidence.parts],
        "configs": {arm: dict(places) for arm, places in evidence.configs.items()},
        "notes": list(evidence.notes),
    }
    for name, content in ((STUDY, evidence.study.as_json()), (RUNS, fields)):
        write_json(directory / name, content)
    with replacing(directory / EPISODES) as file:
        frame(evidence).write_parquet(file, compression="zstd", compression_level=12)


def _without_places(part: Mapping[str, Any]) -> dict[str, Any]:
    """A part without where pgx and its checkout lay: it says nothing to who reads a report."""
    told = dict(part)
    if git := part.get("git"):
        told["git"] = {key: value for key, value in git.items() if key != "root"}
    if command := part.get("command"):
        told["command"] = [command[0].replace("\\", "/").rpartition("/")[2], *command[1:]]
    return told


def write_json(path: Path, content: Any) -> None:
    """Write plain values, readable and in the order given; not a number is null."""
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    with replacing(path) as file:
        file.write(text.encode() + b"\n")


def frame(evidence: Evidence) -> pl.DataFrame:
    """Every episode as a row of `COLUMNS`, in the order of the runs, exact in few bytes."""
    import polars as pl

    counts = np.array([len(run.returns) for run in evidence.runs], dtype=np.int64)
    decisions = _joined([run.decisions for run in evidence.runs], np.int64)
    returns = _joined([run.returns for run in evidence.runs], np.float64)
    episode = _joined([np.arange(count) for count in counts], np.int32)
    names = [[getattr(run, name) for run in evidence.runs] for name in ("environment", "arm")]
    columns = {
        name: pl.Series(values, dtype=pl.String).gather(np.repeat(np.arange(len(counts)), counts))
        for name, values in zip(COLUMNS[:2], names, strict=True)
    }
    seeds = np.array([run.seed for run in evidence.runs], dtype=np.int64)
    columns["seed"] = pl.Series(np.repeat(seeds, counts))
    columns["episode"] = pl.Series(episode)
    columns["decisions"] = pl.Series(_narrow(decisions))
    columns["return_raw"] = pl.Series(_narrow(returns))
    types = {name: pl.Categorical() for name in COLUMNS[:2]}
    return pl.DataFrame(columns, schema_overrides=types).select(COLUMNS)


def _joined(arrays: list[np.ndarray], dtype: Any) -> np.ndarray:
    return np.concatenate([np.zeros(0, dtype), *arrays]).astype(dtype)


def _narrow(values: np.ndarray) -> np.ndarray:
    """The same numbers in 32 bits if none loses anything: as int, as float; else as they are."""
    whole = np.isfinite(values) & (np.abs(values) < 2**31)
    whole &= ~(np.signbit(values) & (values == 0))
    if whole.all() and (values == np.trunc(values)).all():
        return values.astype(np.int32)
    with np.errstate(over="ignore"):  # what is too large is no longer the same
        single = values.astype(np.float32)
    return single if np.array_equal(single.astype(values.dtype), values, equal_nan=True) else values


def read_shipped(directory: Path) -> Shipped:
    """The evidence of a report's directory.

    Raises:
        ConfigError: a file is gone, cannot be read, or is not what it should be.
    """
    study = from_json(read_json(directory / STUDY), str(directory / STUDY))
    fields = read_json(directory / RUNS)
    if fields.get("format") != FORMAT:
        raise ConfigError(
            f"{directory / RUNS}: format {fields.get('format')}, and this pgx reads {FORMAT}"
        )
    table = _read_rows(directory / EPISODES)
    try:
        runs, altered = _runs(fields["runs"], table)
        analysis = fields["analysis"]
        evidence = Evidence(
            study, runs, tuple(fields["parts"]), dict(fields["configs"]), tuple(fields["notes"])
        )
        chosen = str(analysis["against"]), int(analysis["seed"]), int(analysis["resamples"])
        check_number("resamples", chosen[2], least=1, most=MOST_RESAMPLES, whole=True)
        return Shipped(evidence, *chosen, str(fields["made_by"]), altered, len(table))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f"{directory / RUNS}: is damaged ({type(error).__name__}: {error}); {_ADVICE}"
        ) from error


def read_json(path: Path) -> dict[str, Any]:
    """The content of a JSON file of a report.

    Raises:
        ConfigError: it is gone, or holds no fields.
    """
    try:
        fields = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: is missing; {_ADVICE}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: cannot be read ({error}); {_ADVICE}") from error
    if not isinstance(fields, dict):
        raise ConfigError(f"{path}: holds no fields; {_ADVICE}")
    return fields


def _read_rows(path: Path) -> pl.DataFrame:
    import polars as pl

    try:
        with path.open("rb") as file:
            table = pl.read_parquet(file)
        kept = table.select(COLUMNS).cast({"environment": pl.String, "arm": pl.String})
        return kept.cast({"seed": pl.Int64, "decisions": pl.Int64, "return_raw": pl.Float64})
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: is missing; {_ADVICE}") from error
    except (OSError, pl.exceptions.PolarsError) as error:
        line = " ".join(str(error).split())
        raise ConfigError(f"{path}: cannot be read ({line}); {_ADVICE}") from error


def _runs(
    entries: list[Mapping[str, Any]], table: pl.DataFrame
) -> tuple[tuple[Run, ...], tuple[str, ...]]:
    """The runs with their rows, and a line for each whose rows are not those that were shipped."""
    rows = {
        tuple(key): group.sort("episode", maintain_order=True)
        for key, group in table.group_by("environment", "arm", "seed", maintain_order=True)
    }
    found, altered = [], []
    for entry in entries:
        name = f"{entry['arm']} on {entry['environment']}, seed {entry['seed']}"
        own = rows.pop((entry["environment"], entry["arm"], entry["seed"]), table.clear())
        run = Run(
            **{field: entry[field] for field in _RUN},
            decisions=own["decisions"].to_numpy().astype(np.int64),
            returns=own["return_raw"].to_numpy().astype(np.float64),
        )
        found.append(run)
        if len(own) != entry["episodes"]:
            altered.append(f"{name}: {len(own)} episodes, {entry['episodes']} were shipped")
        elif fingerprint(run) != entry["sha256"]:
            altered.append(f"{name}: an episode is not the one that was shipped")
    for environment, arm, seed in rows:
        altered.append(f"{arm} on {environment}, seed {seed}: episodes of a run that is not listed")
    return tuple(found), tuple(altered)
