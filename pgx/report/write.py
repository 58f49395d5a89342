"""A report's directory, made from evidence: whole or not at all, and the same each time."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pgx.analysis.analyse import analyse
from pgx.analysis.model import Analysis, Evidence
from pgx.analysis.numbers import numbers
from pgx.errors import ConfigError
from pgx.report.drawing import bundle, check_installed, draw
from pgx.report.page import page
from pgx.report.shipped import EPISODES, RUNS, STUDY, Shipped, read_shipped, write_json
from pgx.report.shipped import write_shipped as ship
from pgx.report.tables import as_csv, as_latex, records, tables
from pgx.stats.bootstrap import RESAMPLES
from pgx.tracking.atomic import replacing

PAGE, NUMBERS, DRAWN = "report.html", "numbers.json", "drawn.json"
FIGURES, TABLES = "figures", "tables"
SCRIPT = "script"  #: in `DRAWN`, what draws the page's charts
ENTRIES = frozenset((PAGE, NUMBERS, DRAWN, FIGURES, TABLES, EPISODES, STUDY, RUNS))


def write_report(
    evidence: Evidence,
    target: Path,
    against: str | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Analysis:
    """Write the report of a study; one that is there already is replaced.

    What the page shows is computed from the files that are shipped with it, as
    `pgx.report.verify` will.

    Args:
        evidence: what was recorded.
        target: the report's directory.
        against: arm that the others are held against; None: the study's reference.
        seed: of the generator behind intervals and tests.
        resamples: behind every interval.

    Raises:
        ConfigError: what draws is not installed, the directory holds other things or cannot be
            written, or the analysis has no reference.
    """
    check_installed()
    analysis, code = analyse(evidence, against, seed, resamples), bundle()
    try:
        with _replacing(target) as directory:
            ship(directory, evidence, analysis)
            shipped = read_shipped(directory)
            analysis = analysed(shipped)
            write_json(directory / NUMBERS, numbers(analysis))
            for name, content in written(analysis).items():
                _write(directory / TABLES / name, content)
            _write(directory / PAGE, page(shipped.evidence, analysis, code))
            made = {f"{FIGURES}/{path.name}": path for path in draw(analysis, directory / FIGURES)}
            digests = {name: digest(path.read_bytes()) for name, path in made.items()}
            write_json(directory / DRAWN, {SCRIPT: digest(code.encode()), **digests})
    except OSError as error:
        raise ConfigError(f"--to: {target} cannot be written ({error.strerror})") from error
    return analysis


def digest(content: bytes) -> str:
    """SHA-256, for what cannot be made again without what draws."""
    return hashlib.sha256(content).hexdigest()


def analysed(shipped: Shipped) -> Analysis:
    """What follows from a report's own evidence."""
    return analyse(shipped.evidence, shipped.against, shipped.seed, shipped.resamples)


def written(analysis: Analysis) -> dict[str, str]:
    """The content of every file of ``tables/``."""
    made = {f"{name}.csv": as_csv(rows) for name, rows in records(analysis).items()}
    return made | {f"{table.slug}.tex": as_latex(table) for table in tables(analysis)}


def check_target(target: Path) -> None:
    """Refuse a directory whose content a report would take the place of.

    Raises:
        ConfigError: it holds something that is no report's, or is a file.
    """
    if target.is_dir():
        others = sorted({path.name for path in target.iterdir()} - ENTRIES)
        if others:
            raise ConfigError(f"--to: {target} holds {others[0]}; name a directory of its own")
    elif target.exists() or target.is_symlink():
        raise ConfigError(f"--to: {target} is no directory")


@contextmanager
def _replacing(target: Path) -> Iterator[Path]:
    """A directory to fill that takes the place of ``target`` when the block ends well."""
    check_target(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    made, old = (target.with_name(f".{target.name}.{os.getpid()}.{end}") for end in ("tmp", "old"))
    try:
        made.mkdir()
        yield made
        if target.exists():
            target.rename(old)
        made.rename(target)
    finally:
        for left in (made, old):
            shutil.rmtree(left, ignore_errors=True)


def _write(path: Path, content: str) -> None:
    path.parent.mkdir(exist_ok=True)
    with replacing(path) as file:
        file.write(content.encode())
