"""What ``pgx compare`` prints: for a terminal, or as Markdown, CSV or LaTeX."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from pgx.analysis.model import Analysis
from pgx.analysis.sheets import aggregate_sheet, chosen, records, sheets
from pgx.analysis.words import completeness, headline, label, method
from pgx.sheets import Sheet, latex_text, markdown_text
from pgx.sheets import latex as latex_sheet
from pgx.sheets import markdown as markdown_sheet
from pgx.tables import plain_table, printable, show

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

LEFT = ("arm", "verdict")  #: columns of words; the others are set to the right
NAME, NARROWEST = 16, 7  #: columns that an arm's name keeps, and on a narrow terminal
FORMULA = ("=", "+", "-", "@", "\t", "\r")  #: what makes a spreadsheet take a text for a formula


def all_sheets(analysis: Analysis, places: Sequence[str], metric: str | None) -> list[Sheet]:
    """The tables of some environments, and the one over all if that can be had."""
    made = [sheet for place in places for sheet in sheets(analysis, place, metric)]
    whole = len(places) == len(analysis.study.places) and metric in (None, analysis.primary.metric)
    over = aggregate_sheet(analysis) if whole else None
    return [*made, over] if over else made


def remarks(analysis: Analysis, metric: str | None) -> list[str]:
    """Everything that is said below the tables, a line each."""
    named = [arm for arm in analysis.study.trained if label(analysis, arm) != arm]
    lines = [f"label: {label(analysis, arm)} is the arm {arm}" for arm in named]
    lines += [f"changed: {line}" for line in analysis.changed]
    lines += [f"note: {line}" for line in analysis.notes]
    if chosen(analysis, metric) is not analysis.primary:
        primary = analysis.primary.metric
        lines.append(f"note: no verdicts on {metric}: the study's metric is {primary}")
    return [completeness(analysis), *lines, *method(analysis)]


def render(analysis: Analysis, places: Sequence[str], metric: str | None, console: Console) -> None:
    """Print question, verdict, tables and notes.

    Args:
        analysis: of `pgx.analysis.analyse.analyse`.
        places: environments to show.
        metric: that the tables are about; None: the primary one.
        console: where.
    """
    question = " ".join(analysis.study.question.split())
    say(
        f"{analysis.study.name}: {question}" if question else f"study {analysis.study.name}",
        console,
    )
    say(headline(analysis), console)
    for sheet in all_sheets(analysis, places, metric):
        say("", console)
        say(sheet.title, console)
        _table(sheet, console)
        for note in sheet.notes:
            say(note, console)
    say("", console)
    for line in remarks(analysis, metric):
        say(line, console)


def say(line: str, console: Console) -> None:
    """A line as it is, whatever is in it; on a terminal broken between words."""
    text = printable(visible(line), console)
    console.print(text, markup=False, highlight=False, soft_wrap=not console.is_terminal)


def _table(sheet: Sheet, console: Console) -> None:
    from rich.text import Text

    table = plain_table(*sheet.head)
    for column in table.columns:
        if column.header not in LEFT:
            column.justify = "right"
    rows = [[visible(str(cell)) for cell in row] for row in sheet.rows]
    for row in rows:
        table.add_row(*map(Text, row))
    if console.is_terminal:
        console = _fit(table, rows, console)
    show(table, console)


def _fit(table: Table, rows: Sequence[Sequence[str]], console: Console) -> Console:
    """Set the columns' widths where the terminal is narrower than the table.

    Returns:
        The console, or a wider one if that is not enough: nothing is cut off.
    """
    from rich.console import Console

    heads = [str(column.header) for column in table.columns]
    around = 2 * len(heads)  # lines and blanks
    widths = _widths(heads, rows, console.width - around)
    for column, width in zip(table.columns, widths, strict=True):
        column.width = column.min_width = width
    if sum(widths) + around <= console.width:
        return console
    return Console(
        file=console.file,
        width=sum(widths) + around,
        force_terminal=True,
        color_system=None,
        legacy_windows=False,
    )


def _widths(heads: Sequence[str], rows: Sequence[Sequence[str]], room: int) -> list[int]:
    """Every column as wide as it needs; where that is too much, heads and names are broken.

    Figures stay whole. The second column, n and what became of the other runs, is broken last.
    """
    from rich.cells import cell_len

    cells = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    whole = [max(cell_len(head), cell) for head, cell in zip(heads, cells, strict=True)]
    if sum(whole) <= room:
        return whole
    words = [max(map(cell_len, head.split())) for head in heads]
    widths = [max(pair) for pair in zip(words, cells, strict=True)]
    rest = room - sum(widths[1:])
    if rest < min(NAME, widths[0]):
        widths[1] = max(words[1], *(cell_len(word) for row in rows for word in row[1].split()))
        rest = room - sum(widths[1:])
    widths[0] = min(widths[0], max(rest, NARROWEST))
    return widths


def visible(text: str) -> str:
    """Without control characters: no label and no error's text can steer the terminal."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)


def markdown(analysis: Analysis, places: Sequence[str], metric: str | None) -> str:
    """The verdict, tables with pipes, then the remarks as a list."""
    made = [markdown_sheet(sheet) for sheet in all_sheets(analysis, places, metric)]
    told = "".join(f"- {markdown_text(line)}\n" for line in remarks(analysis, metric))
    return _plain("\n".join([markdown_text(headline(analysis)) + "\n", *made, told]))


def latex(analysis: Analysis, places: Sequence[str], metric: str | None) -> str:
    """The verdict, a ``tabular`` for booktabs per table, then the remarks as paragraphs."""
    made = [latex_sheet(sheet) for sheet in all_sheets(analysis, places, metric)]
    told = "\n".join(f"{latex_text(line)}\n" for line in remarks(analysis, metric))
    return _plain("\n".join([latex_text(headline(analysis)) + "\n", *made, told]))


def _plain(text: str) -> str:
    return "\n".join(map(visible, text.split("\n")))


def comma_separated(analysis: Analysis, places: Sequence[str], metric: str | None) -> str:
    """A row per environment, arm and metric, unrounded; an empty cell for none."""
    kept = chosen(analysis, metric).metric if metric else None
    rows = [r for r in records(analysis, places) if kept in (None, r["metric"])]
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(rows[0] if rows else ())
    writer.writerows([_cell(value) for value in row.values()] for row in rows)
    return file.getvalue()


def _cell(value: Any) -> Any:
    """A cell that no spreadsheet computes."""
    if value is None:
        return ""
    if not isinstance(value, str):
        return value
    return visible(f"'{value}" if value.startswith(FORMULA) else value)


FORMATS: dict[str, Callable[[Analysis, Sequence[str], str | None], str]] = {
    "markdown": markdown,
    "csv": comma_separated,
    "latex": latex,
}
