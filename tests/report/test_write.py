"""A report's directory: what is in it, that it verifies, and that it is the same each time."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgx.errors import ConfigError
from pgx.report.verify import verify
from pgx.report.write import write_report
from tests.report.fabricated import evidence


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("made") / "report"
    write_report(evidence(), made, resamples=200)
    return made


def files(directory: Path) -> dict[str, bytes]:
    found = (path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): path.read_bytes() for path in found}


def test_everything_is_there(report: Path) -> None:
    charts = {
        f"figures/{kind}-{place}.{suffix}"
        for kind in ("curves", "differences", "profiles")
        for place in ("cartpole-v1", "acrobot-v1")
        for suffix in ("svg", "pdf", "png")
    }
    tables = {
        f"tables/{kind}-{place}.tex"
        for kind in ("figures", "comparisons")
        for place in ("cartpole-v1", "acrobot-v1")
    }
    tables |= {f"tables/{name}.csv" for name in ("figures", "comparisons", "runs", "aggregates")}
    rest = {"report.html", "numbers.json", "runs.json", "study.json", "episodes.parquet"}
    assert files(report).keys() == charts | tables | {"tables/aggregates.tex"} | rest


def test_it_verifies_wherever_it_lies(report: Path, tmp_path: Path) -> None:
    moved = tmp_path / "sent by mail"
    moved.mkdir()
    for name, content in files(report).items():
        (moved / name).parent.mkdir(exist_ok=True)
        (moved / name).write_bytes(content)
    for place in (report, moved, moved / "report.html"):
        found = verify(place)
        assert found.differences == []
        assert (found.runs, found.episodes) == (2 * 3 * 6, 2 * 3 * 6 * 40)
        assert found.numbers > 10_000
        assert found.texts > 200


def test_the_same_evidence_gives_the_same_bytes(report: Path) -> None:
    before = files(report)
    write_report(evidence(), report, resamples=200)
    after = files(report)
    assert {name for name in before | after if before.get(name) != after.get(name)} == set()
    assert [path.name for path in report.parent.iterdir()] == ["report"]


def test_a_directory_that_holds_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ConfigError, match=r"--to: .* holds thesis\.tex; name a directory"):
        write_report(evidence(), tmp_path, resamples=10)
    with pytest.raises(ConfigError, match="is no directory"):
        write_report(evidence(), tmp_path / "thesis.tex", resamples=10)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
