"""``pgx verify``: a report held against what follows from the episodes that it ships.

Everything is computed again: the numbers, the page's texts cell by cell, the rows of its charts,
the tables' files; a figure's file is only held against its own fingerprint. A float may differ by
1e-9 of its size, which another processor's rounding explains; a text by nothing.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pgx.analysis.numbers import numbers
from pgx.errors import ConfigError
from pgx.report.charts import charts
from pgx.report.drawing import KINDS
from pgx.report.page import page
from pgx.report.shipped import EPISODES, made_by, read_json, read_shipped
from pgx.report.shown import Shown, shown
from pgx.report.write import (
    DRAWN,
    FIGURES,
    NUMBERS,
    PAGE,
    SCRIPT,
    TABLES,
    analysed,
    digest,
    written,
)

TOLERANCE = 1e-9  #: of a number's size
IN_CHARTS = 2e-6  #: of a number in a chart, which has seven digits
LISTED = 50  #: differences that are printed
ABSENT = "nothing"


@dataclass(frozen=True)
class Difference:
    """Something that is not what the episodes say.

    Args:
        where: file and place.
        shown: what is there.
        recomputed: what should be.
    """

    where: str
    shown: str
    recomputed: str

    def __str__(self) -> str:
        return f"{self.where}: shown {self.shown}, recomputed {self.recomputed}"


@dataclass
class Verification:
    """What was checked, and what differs.

    Args:
        report: its directory.
        runs: in it.
        episodes: that they ended.
        numbers: compared.
        texts: of the page compared.
        files: tables and figures compared.
        differences: found.
        made_by: versions of what made it.
    """

    report: str
    runs: int = 0
    episodes: int = 0
    numbers: int = 0
    texts: int = 0
    files: int = 0
    differences: list[Difference] = field(default_factory=list)
    made_by: str = ""

    def lines(self) -> list[str]:
        """For people."""
        told = (
            f"{self.numbers:,} numbers, {self.texts:,} texts of the page and {self.files} files of "
            f"tables and figures, from {self.episodes:,} episodes of {self.runs} runs"
        )
        if not self.differences:
            return [f"{self.report}: verified: {told}"]
        listed = [str(one) for one in self.differences[:LISTED]]
        more = len(self.differences) - LISTED
        count = f"{len(self.differences)} difference{'s' * (len(self.differences) != 1)}"
        last = [f"{self.report}: {count}; compared {told}"]
        if self.made_by != made_by():
            last.append(
                f"it was made by {self.made_by}, and this is {made_by()}: words, and draws of "
                f"resamples, may differ for that; pgx report {self.report} --to DIR draws it anew"
            )
        return [*listed, *([f"… and {more:,} more"] if more > 0 else []), *last]

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        counts = {key: getattr(self, key) for key in ("runs", "episodes", "numbers", "texts")}
        found = [vars(one) for one in self.differences]
        return {"report": self.report, **counts, "files": self.files, "differences": found}


def verify(report: Path) -> Verification:
    """Check a report against its own episodes.

    Args:
        report: ``report.html``, or the directory that holds it.

    Raises:
        ConfigError: a file is missing or damaged, so that nothing can be said.
    """
    if not report.exists():
        raise ConfigError(f"{report}: there is no such report; pgx report STUDY makes one")
    directory = report if report.is_dir() else report.parent
    html = _read(report if report.suffix == ".html" else directory / PAGE)
    shipped = read_shipped(directory)
    said, drawn = read_json(directory / NUMBERS), read_json(directory / DRAWN)
    found = Verification(str(directory), len(shipped.evidence.runs), shipped.episodes)
    found.made_by = shipped.made_by
    found.differences += [Difference(EPISODES, line, "as in runs.json") for line in shipped.altered]
    try:
        analysis = analysed(shipped)
        expected = json.loads(json.dumps(numbers(analysis)))
        again, files = shown(page(shipped.evidence, analysis, "")), written(analysis)
        figures = [f"{FIGURES}/{name}.{kind}" for name in charts(analysis) for kind in KINDS]
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        if shipped.altered:  # enough is said
            return found
        raise ConfigError(f"{directory}: its files do not fit each other ({error})") from error
    _compare(found, NUMBERS, said, expected, TOLERANCE)
    _page(found, shown(html), again, str(drawn.get(SCRIPT, ABSENT)))
    for name, content in files.items():
        found.files += 1
        where, ours = f"{TABLES}/{name}", _read(directory / TABLES / name)
        if name.endswith(".csv"):
            _compare(found, where, _sheet(ours), _sheet(content), TOLERANCE)
        else:
            _text(found, where, ours, content)
    for name in figures:  # drawn, not computed: as it was when it was made
        found.files += 1
        if digest(_bytes(directory / name)) != drawn.get(name):
            found.differences.append(Difference(name, "another figure", "the one that was drawn"))
    return found


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: is missing; ask for the whole directory again") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error}); ask for it again") from error


def _read(path: Path) -> str:
    try:
        return _bytes(path).decode()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: cannot be read ({error}); ask for it again") from error


def _page(found: Verification, seen: Shown, expected: Shown, script: str) -> None:
    """Compare the page's texts, its numbers, its charts' rows, and the script that draws them."""
    for name in (*seen.damaged, *sorted(expected.held.keys() - seen.held.keys())):
        found.differences.append(Difference(f"{PAGE}, {name}", "no JSON that can be read", "JSON"))
    for name in expected.held.keys() & seen.held.keys() - set(seen.damaged):
        tolerance = TOLERANCE if name == "numbers" else IN_CHARTS
        _compare(found, f"{PAGE}, {name}", seen.held[name], expected.held[name], tolerance)
    for place in {**expected.texts, **seen.texts}:
        found.texts += 1
        ours, theirs = seen.texts.get(place, ABSENT), expected.texts.get(place, ABSENT)
        if ours != theirs:
            found.differences.append(Difference(f"{PAGE}, {place}", ours, theirs))
    ours, theirs = ([digest(code.encode()) for code in one.scripts] for one in (seen, expected))
    for name, same in (
        ("script", ours == [script, *theirs[1:]][: len(theirs)]),
        ("style", seen.styles == expected.styles),
        ("elements", seen.elements == expected.elements),
    ):
        if not same:
            found.differences.append(Difference(f"{PAGE}, {name}", "others", "the report's own"))
    for attribute in seen.foreign:
        found.differences.append(Difference(f"{PAGE}, attribute", attribute, ABSENT))


def _sheet(text: str) -> dict[str, dict[str, Any]]:
    """A CSV file as line to column to value; numbers as numbers, for they are not rounded."""
    head, *rows = list(csv.reader(io.StringIO(text, newline=""))) or [[]]
    lines: dict[str, dict[str, Any]] = {"line 1": {str(i): name for i, name in enumerate(head)}}
    for number, row in enumerate(rows, 2):
        names = [*head, *(f"column {i}" for i in range(len(head), len(row)))]
        lines[f"line {number}"] = dict(zip(names, map(_value, row), strict=False))
    return lines


def _value(cell: str) -> float | str:
    try:
        return float(cell)
    except ValueError:
        return cell


def _text(found: Verification, where: str, seen: str, expected: str) -> None:
    """Compare a text file line by line."""
    ours, theirs = seen.splitlines(), expected.splitlines()
    for line in range(max(len(ours), len(theirs))):
        one, other = (lines[line] if line < len(lines) else ABSENT for lines in (ours, theirs))
        if one != other:
            found.differences.append(Difference(f"{where}, line {line + 1}", one, other))


def _compare(found: Verification, where: str, seen: Any, expected: Any, tolerance: float) -> None:
    """Compare plain values; every leaf counts as a number compared, if it is one."""
    for path, one, other in _leaves(where, seen, expected):
        number = isinstance(other, (int, float)) and not isinstance(other, bool)
        found.numbers += number
        if not _same(one, other, tolerance):
            found.differences.append(Difference(path, _told(one), _told(other)))


def _leaves(path: str, one: Any, other: Any) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(one, dict) and isinstance(other, dict):
        for key in {**other, **one}:
            yield from _leaves(f"{path}, {key}", one.get(key, _GONE), other.get(key, _GONE))
    elif isinstance(one, list) and isinstance(other, list):
        for place in range(max(len(one), len(other))):
            pair = (values[place] if place < len(values) else _GONE for values in (one, other))
            yield from _leaves(f"{path}[{place}]", *pair)
    else:
        yield path, one, other


_GONE = object()


def _told(value: Any) -> str:
    return ABSENT if value is _GONE else json.dumps(value, ensure_ascii=False)


def _same(one: Any, other: Any, tolerance: float) -> bool:
    numeric = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in (one, other))
    if numeric:
        return math.isclose(one, other, rel_tol=tolerance, abs_tol=1e-12)
    return type(one) is type(other) and one == other
