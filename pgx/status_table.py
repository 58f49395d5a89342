"""The rows of `pgx.status` as a table for people, in whatever room a terminal has."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pgx.tables import NOTHING, duration, number, plain_table, seed_span, show, status_text

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_RIGHT = ("decisions", "last-100 return", "time left")
_NAMES = ("study", "arm", "environment")
_NAME = 8  #: columns that a name is left at least; it is broken, figures are not


def show_status(rows: Sequence[dict[str, Any]], console: Console) -> None:
    """Print the table; on a terminal without the columns that the title can stand for.

    Nothing is cut off: names are broken where the terminal is narrow, and below that the table is
    as wide as its figures need.
    """
    cells = [_cells(row) for row in rows]
    heads, title = list(cells[0]), []
    if console.is_terminal:
        shared = ["study"] if _alike(cells, "study") else []
        if _needed(cells, [head for head in heads if head not in shared]) > console.width:
            alone = shared and _alike(cells, "environment")
            shared += ["environment"] if alone else []
            shared += ["time left"] if all(one["time left"] == NOTHING for one in cells) else []
        heads = [head for head in heads if head not in shared]
        title = [str(cells[0][name]) for name in _NAMES if name in shared]
    table = plain_table(*heads)
    if title:
        table.title, table.title_justify = " on ".join(title), "left"
    widths = _widths(cells, heads, console.width)
    for column, head in zip(table.columns, heads, strict=True):
        column.justify = "right" if head in _RIGHT else "left"
        if console.is_terminal:
            column.width = column.min_width = widths[head]
    for one in cells:
        table.add_row(*(one[head] for head in heads))
    show(table, _wide(console, _needed(cells, heads)))


def _cells(row: dict[str, Any]) -> dict[str, str | Text]:
    return {
        "study": row["study"],
        "arm": row["arm"],
        "environment": row["environment"],
        "seeds": seeds_of(row),
        "status": status_text(row["status"]).append(_failures(row)),
        "decisions": _progress(row),
        "last-100 return": number(row["recent_return"]),
        "time left": duration(row["time_left_s"]),
    }


def _alike(cells: Sequence[dict[str, str | Text]], head: str) -> bool:
    return len({str(one[head]) for one in cells}) == 1


def _least(cells: Sequence[dict[str, str | Text]], head: str) -> int:
    """The columns without which a word would be broken; names may be."""
    words = max(map(len, head.split()))
    longest = max(len(word) for one in cells for word in str(one[head]).split() or [""])
    return max(words, min(longest, _NAME) if head in _NAMES else longest)


def _needed(cells: Sequence[dict[str, str | Text]], heads: Sequence[str]) -> int:
    """The narrowest table of these columns: each has a blank and a line beside it."""
    return sum(_least(cells, head) + 2 for head in heads)


def _widths(
    cells: Sequence[dict[str, str | Text]], heads: Sequence[str], width: int
) -> dict[str, int]:
    """The least width of every column, and what a terminal has beyond that: names first."""
    widths = {head: _least(cells, head) for head in heads}
    rest = width - _needed(cells, heads)
    for head in sorted(heads, key=lambda head: head not in _NAMES):
        whole = max(len(head), *(len(str(one[head])) for one in cells))
        more = max(0, min(whole - widths[head], rest))
        widths[head], rest = widths[head] + more, rest - more
    return widths


def _wide(console: Console, width: int) -> Console:
    """The console, or one as wide as is needed."""
    if not console.is_terminal or console.width >= width:
        return console
    from rich.console import Console

    system: Any = console.color_system
    return Console(file=console.file, width=width, force_terminal=True, color_system=system)


def seeds_of(row: dict[str, Any]) -> str:
    """The seeds of a part; a damaged one has those of its directory's name."""
    return seed_span(row["seeds"]) or Path(row["part"]).name.removeprefix("seeds-")


def _failures(row: dict[str, Any]) -> str:
    failed = sum(run["status"] == "failed" for run in row["runs"])
    if not failed:
        return ""
    word = "" if row["status"] == "failed" else " failed"
    return f" {failed}/{len(row['runs'])}{word}"


def _progress(row: dict[str, Any]) -> str:
    """Decisions of the budget, from the slowest seed to the fastest."""
    if not row["decisions"]:
        return NOTHING
    low, high = min(row["decisions"]), max(row["decisions"])
    budget = f"{row['budget']:,}"
    return f"{low:,} of {budget}" if low == high else f"{low:,}–{high:,} of {budget}"
