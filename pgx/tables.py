"""Tables for people: how numbers, seeds and statuses are spelt, and the table a run ends with."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

NOTHING = "–"  #: `show` prints it as a hyphen where the console has no dash

_PLAIN = str.maketrans("–—−·×…", "---.x.")

#: How a status is called and coloured.
_STATUS = {
    "finished": ("done", "green"),
    "running": ("running", "cyan"),
    "interrupted": ("interrupted", "yellow"),
    "failed": ("failed", "bold red"),
    "damaged": ("damaged", "bold red"),
    "missing": ("missing", "dim"),
}


def seed_table(rows: Sequence[dict[str, Any]]) -> Table:
    """The table at the end of ``pgx train``: a row per seed, then the median of those done.

    Args:
        rows: as `pgx.records.seed_rows` gives them: ``seed, status, episodes, decisions,
            recent_return, recent_n``, and ``reason``, ``evaluation`` and ``evaluation_n`` if there
            are any.

    Returns:
        A table for `show`. The medians are of the finished seeds' recent returns, which are
        training's, and of their last evaluations.
    """
    more = ("evaluation", "of last") if any("evaluation" in row for row in rows) else ()
    table = plain_table("seed", "status", "episodes", "decisions", "mean return", "of last", *more)
    for column in (0, *range(2, 6 + len(more))):
        table.columns[column].justify = "right"
    for row in rows:
        evaluated = (number(row.get("evaluation")), str(row.get("evaluation_n", NOTHING)))
        table.add_row(
            str(row["seed"]),
            status_text(row["status"], row.get("reason")),
            f"{row['episodes']:,}",
            f"{row['decisions']:,}",
            number(row["recent_return"]),
            str(row["recent_n"]) if row["recent_n"] else NOTHING,
            *(evaluated if more else ()),
        )
    table.add_section()
    done = [row for row in rows if row["status"] == "finished"]
    medians = _median(row["recent_return"] for row in done)
    if more:
        medians += _median(row.get("evaluation") for row in done)
    count = f"{len(done)} of {len(rows)} seeds done"
    table.add_row("median", count, "", "", *medians, style="bold")
    return table


def _median(values: Iterable[float | None]) -> list[str]:
    known = [value for value in values if value is not None and not math.isnan(value)]
    return [number(median(known) if known else None), f"n = {len(known)}"]


def plain_table(*headers: str) -> Table:
    """An empty table in the style of all tables here: one line below the head, no frame."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False, padding=(0, 1, 0, 0))
    for header in headers:
        word = max(map(len, header.split()))
        table.add_column(header, overflow="fold", min_width=word)
    return table


def show(table: Table, console: Console) -> None:
    """Print a table; in a pipe or a file without lines or colours, and as wide as it needs."""
    if not console.is_terminal:
        from rich.console import Console
        from rich.measure import Measurement

        table.box, table.padding = None, (0, 2, 0, 0)
        width = Measurement.get(console, console.options.update(max_width=10_000), table).maximum
        console = Console(file=console.file, width=width, color_system=None)
    with console.capture() as capture:
        console.print(table)
    console.file.write(printable(capture.get(), console))
    console.file.flush()


def printable(text: str, console: Console) -> str:
    """The text in characters that the console's encoding has, one for one."""
    try:
        text.encode(console.encoding)
    except UnicodeEncodeError:
        plain = text.translate(_PLAIN).encode(console.encoding, errors="replace")
        return plain.decode(console.encoding)
    return text


def status_text(status: str, reason: str | None = None) -> Text:
    """A status in its colour, with the reason if there is one."""
    from rich.text import Text

    word, colour = _STATUS[status]
    text = Text()
    text.append(word, style=colour)
    return text.append(f": {reason}") if reason else text


def number(value: float | None) -> str:
    """A return with the digits that say something; a dash for none."""
    if value is None or math.isnan(value):
        return NOTHING
    digits = 0 if abs(value) >= 10_000 else 1 if abs(value) >= 100 else 2
    return f"{value:,.{digits}f}"


def seed_span(seeds: Sequence[int]) -> str:
    """Seeds in short: ``0-9``, or ``0-3,7``."""
    spans: list[list[int]] = []
    for seed in sorted(seeds):
        if spans and seed == spans[-1][1] + 1:
            spans[-1][1] = seed
        else:
            spans.append([seed, seed])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in spans)


def duration(seconds: float | None) -> str:
    """A time span in its two largest units; a dash for none."""
    if seconds is None:
        return NOTHING
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes:02d}m"
    return f"{minutes}m{rest:02d}s" if minutes else f"{rest}s"
