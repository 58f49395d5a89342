"""Tables as W&B's Markdown, in which no label, question or error line is more than its letters."""

from __future__ import annotations

from pgx.sheets import Sheet, text

_SIGNS = frozenset("\\`*_{}[]()#!|~$^")  #: `$` is mathematics there, beyond common Markdown
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def escaped(words: str) -> str:
    """The text as one line in which nothing is markup, HTML, mathematics or a link."""
    line = " ".join("".join(c if c.isprintable() else " " for c in words).split())
    plain = "".join(f"\\{c}" if c in _SIGNS else _ENTITIES.get(c, c) for c in line)
    return plain.replace("://", ":&#47;/").replace("www.", "www&#46;")


def table(sheet: Sheet) -> str:
    """A pipe table below its title, then its notes as paragraphs."""
    rule = ["---", *["---:"] * (len(sheet.head) - 1)]
    rows = [[escaped(text(cell)) for cell in row] for row in sheet.rows]
    lines = [[escaped(name) for name in sheet.head], rule, *rows]
    drawn = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return "\n\n".join([f"**{escaped(sheet.title)}**", drawn, *map(escaped, sheet.notes)]) + "\n"
