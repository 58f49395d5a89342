"""A report's directory: what is in it, that it verifies, and that it is the same each time."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from pgx.errors import ConfigError
from pgx.report.write import write_report
from tests.report.fabricated import evidence

MAGIC = {".png": b"\x89PNG", ".pdf": b"%PDF", ".svg": b"<svg"}


def files(directory: Path) -> dict[str, bytes]:
    found = (path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): path.read_bytes() for path in found}


def test_everything_is_there(report: Path) -> None:
    charts = {
        f"figures/{kind}-{place}{suffix}"
        for kind in ("curves", "differences", "profiles")
        for place in ("cartpole-v1", "acrobot-v1")
        for suffix in MAGIC
    }
    tables = {
        f"tables/{kind}-{place}.tex"
        for kind in ("figures", "comparisons")
        for place in ("cartpole-v1", "acrobot-v1")
    }
    tables |= {f"tables/{name}.csv" for name in ("figures", "comparisons", "runs", "aggregates")}
    rest = {
        "report.html",
        "drawn.json",
        "numbers.json",
        "runs.json",
        "study.json",
        "episodes.parquet",
    }
    found = files(report)
    assert found.keys() == charts | tables | {"tables/aggregates.tex"} | rest
    for name in charts:
        assert found[name].startswith(MAGIC[Path(name).suffix])


def test_the_same_evidence_gives_the_same_bytes(report: Path, tmp_path: Path) -> None:
    before = files(report)
    again = tmp_path / "again"
    for _ in range(2):  # the second takes the place of the first
        write_report(evidence(), again, resamples=200)
    after = files(again)
    assert {name for name in before | after if before.get(name) != after.get(name)} == set()
    assert [path.name for path in tmp_path.iterdir()] == ["again"]


def test_a_directory_that_holds_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ConfigError, match=r"--to: .* holds thesis\.tex; name a directory"):
        write_report(evidence(), tmp_path, resamples=10)
    with pytest.raises(ConfigError, match="is no directory"):
        write_report(evidence(), tmp_path / "thesis.tex", resamples=10)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_failure_leaves_the_report_that_was_there(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = files(copied)

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pgx.report.write.draw", full)
    with pytest.raises(ConfigError, match=r"cannot be written \(No space left"):
        write_report(evidence(seeds=2), copied, resamples=10)
    assert files(copied) == before
    assert [path.name for path in copied.parent.iterdir()] == [copied.name]


def test_without_the_extra_one_line_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'pgx-lab\[report\]'"):
        write_report(evidence(), tmp_path / "report", resamples=10)
    assert list(tmp_path.iterdir()) == []
