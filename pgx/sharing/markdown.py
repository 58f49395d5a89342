"""Tables as Markdown, in which no label, question or error line means more than its letters."""

from __future__ import annotations

from pgx.report.tables import Cell, Table

_SIGNS = frozenset("\\`*_{}[]()#!|~$^")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def escaped(text: str) -> str:
    """The text as one line in which nothing is markup, HTML, mathematics or a link."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return "".join(map(_escaped, line)).replace("://", ":&#47;/").replace("www.", "www&#46;")


def _escaped(sign: str) -> str:
    return f"\\{sign}" if sign in _SIGNS else _ENTITIES.get(sign, sign)


def table(content: Table) -> str:
    """A table for people: its caption, then what the cells say; the rows set off are bold."""
    lines = [
        _row([escaped(name) for name in content.head]),
        _row(["---", *["---:"] * (len(content.head) - 1)]),
    ]
    for place, row in enumerate(content.rows):
        lines.append(_row([_cell(cell, place in content.marked) for cell in row]))
    return "\n".join([f"**{escaped(content.caption)}**", "", *lines, ""])


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(cell: Cell, bold: bool) -> str:
    main = f"**{escaped(cell.main)}**" if bold and cell.main else escaped(cell.main)
    return f"{main} {escaped(cell.small)}".strip()
