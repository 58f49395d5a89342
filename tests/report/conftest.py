"""One report of a small study, made once: tests that change it work on a copy."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pgx.report.write import write_report
from tests.report.fabricated import evidence


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a report: leave it as it is."""
    made = tmp_path_factory.mktemp("made") / "report"
    write_report(evidence(), made, resamples=200)
    return made


@pytest.fixture
def copied(report: Path, tmp_path: Path) -> Path:
    """A copy of it to tamper with."""
    return Path(shutil.copytree(report, tmp_path / "sent"))
