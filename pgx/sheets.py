"""A table of plain cells as Markdown, CSV, LaTeX or HTML, what each takes for its own escaped."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from html import escape

from pgx.tables import NOTHING

Cell = str | float | int | None

_LATEX = {
    **{sign: rf"\{sign}" for sign in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "−": "$-$",
    "×": r"$\times$",
    "–": "--",
    "—": "---",
    "→": r"$\to$",
    "…": r"\ldots{}",
    "γ": r"$\gamma$",
    "λ": r"$\lambda$",
    "ρ": r"$\rho$",
    "τ": r"$\tau$",
    "ᵗ": r"$^t$",
}
_STYLE = (
    "body{font:15px/1.4 sans-serif;margin:2em}table{border-collapse:collapse}"
    "th,td{padding:.2em .7em;text-align:left}thead{border-bottom:1px solid}"
    ".number{text-align:right;font-variant-numeric:tabular-nums}"
)


@dataclass(frozen=True)
class Sheet:
    """What the renderers take.

    Attributes:
        title: what it shows.
        head: the columns' names, with their units.
        rows: a cell per column.
        notes: a sentence or more each.
    """

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...]


def markdown(sheet: Sheet) -> str:
    """A pipe table, then the notes as paragraphs."""
    shown = _without_empty_columns(sheet)
    rules = ["---:" if right else "---" for right in _right(shown)]
    lines = [[markdown_text(name) for name in shown.head], rules]
    lines += [[markdown_text(text(cell)) for cell in row] for row in shown.rows]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    title = f"**{markdown_text(shown.title)}**"
    return "\n\n".join([title, table, *map(markdown_text, shown.notes)]) + "\n"


def comma_separated(sheet: Sheet) -> str:
    """Every column, numbers unrounded, an empty cell for none; the notes are not in it."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(sheet.head)
    writer.writerows(["" if cell is None else cell for cell in row] for row in sheet.rows)
    return file.getvalue()


def latex(sheet: Sheet) -> str:
    """A ``tabular`` for the package booktabs, then the notes."""
    shown = _without_empty_columns(sheet)
    columns = "".join("r" if right else "l" for right in _right(shown))
    rows = [" & ".join(latex_text(text(cell)) for cell in row) + r" \\" for row in shown.rows]
    rows = [f"{{}}{row}" if row.startswith(("[", "*")) else row for row in rows]  # else of the \\
    lines = [
        f"% {shown.title}; needs \\usepackage{{booktabs}}".replace("\n", " "),
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        " & ".join(map(latex_text, shown.head)) + r" \\",
        r"\midrule",
        *rows,
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "".join(f"\n\n{latex_text(note)}" for note in shown.notes) + "\n"


def html(sheet: Sheet) -> str:
    """A whole page that needs nothing else."""
    shown = _without_empty_columns(sheet)
    right = _right(shown)
    rows = "\n".join(_html_row("td", map(text, row), right) for row in shown.rows)
    notes = "\n".join(f"<p>{escape(note)}</p>" for note in shown.notes)
    title = escape(shown.title)
    return f"""<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"/><title>{title}</title><style>{_STYLE}</style></head>
<body>
<h1>{title}</h1>
<table>
<thead>
{_html_row("th", shown.head, right)}
</thead>
<tbody>
{rows}
</tbody>
</table>
{notes}
</body>
</html>
"""


FORMATS: dict[str, Callable[[Sheet], str]] = {
    "markdown": markdown,
    "csv": comma_separated,
    "latex": latex,
    "html": html,
}


def text(cell: Cell) -> str:
    """A cell for people: percents with one digit, a dash for none."""
    if cell is None:
        return NOTHING
    return f"{cell:.1f}" if isinstance(cell, float) else str(cell)


def markdown_text(words: str) -> str:
    """Without line breaks, and with what Markdown would take for its own made plain."""
    for sign in "\\|*_<`[":
        words = words.replace(sign, f"\\{sign}")
    return " ".join(words.split())


def latex_text(words: str) -> str:
    """Without line breaks, and with what LaTeX would take for its own made plain."""
    return "".join(_LATEX.get(sign, sign) for sign in " ".join(words.split()))


def _html_row(tag: str, cells: Iterable[str], right: list[bool]) -> str:
    made = [
        f'<{tag} class="number">{escape(cell)}</{tag}>'
        if number
        else f"<{tag}>{escape(cell)}</{tag}>"
        for cell, number in zip(cells, right, strict=True)
    ]
    return f"<tr>{''.join(made)}</tr>"


def _right(sheet: Sheet) -> list[bool]:
    """Which columns hold numbers, and so are set to the right."""
    columns = zip(*sheet.rows, strict=True)
    return [all(cell is None or isinstance(cell, (int, float)) for cell in c) for c in columns]


def _without_empty_columns(sheet: Sheet) -> Sheet:
    """The sheet as people read it: columns that say nothing are left out."""
    kept = [i for i, c in enumerate(zip(*sheet.rows, strict=True)) if any(x is not None for x in c)]
    head = tuple(sheet.head[i] for i in kept)
    return replace(sheet, head=head, rows=tuple(tuple(row[i] for i in kept) for row in sheet.rows))
