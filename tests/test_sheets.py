"""Each format is read back; what it takes for its own arrives as it was."""

from __future__ import annotations

import csv
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from pgx.atari.scores import load
from pgx.atari.table import build, game_sheet, summary_sheet
from pgx.sheets import FORMATS, Sheet, comma_separated, html, latex, markdown

ODD = Sheet(
    "Odd <b>",
    ("a|b_c", "50 %", "none"),
    (('x & y <script>, "q"', 1.25, None), ("~^\\{$#}\nline", -2.0, None)),
    ("1 < 2 & _so_ on",),
)
SCORES = load()
ROWS = build(SCORES, "published")
SUMMARY, GAMES = summary_sheet(SCORES, ROWS), game_sheet(SCORES, ROWS)


def pipes(line: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


@pytest.mark.parametrize("sheet", [SUMMARY, GAMES])
def test_csv_read_back_is_the_sheet(sheet: Sheet) -> None:
    head, *rows = csv.reader(comma_separated(sheet).splitlines())
    assert tuple(head) == sheet.head
    assert len(rows) == len(sheet.rows)
    for found, row in zip(rows, sheet.rows, strict=True):
        assert found == ["" if cell is None else str(cell) for cell in row]
        numbers = [float(a) for a, b in zip(found, row, strict=True) if isinstance(b, float)]
        assert numbers == [cell for cell in row if isinstance(cell, float)]


def test_csv_quotes_what_it_must() -> None:
    text = comma_separated(ODD)
    assert list(csv.reader(text.splitlines(keepends=True)))[1:] == [
        ['x & y <script>, "q"', "1.25", ""],
        ["~^\\{$#}\nline", "-2.0", ""],
    ]


def test_markdown_has_a_row_per_row() -> None:
    lines = [line for line in markdown(SUMMARY).splitlines() if line.startswith("|")]
    assert len(lines) == 2 + 8
    assert pipes(lines[2])[:4] == ["DQN", "8 days on GPU", "122.2", "47.5"]
    assert pipes(lines[1])[:4] == ["---", "---", "---:", "---:"]
    assert "runs" not in pipes(lines[0])  # no row has any
    assert len({len(pipes(line)) for line in lines}) == 1
    assert len([line for line in markdown(GAMES).splitlines() if line.startswith("|")]) == 2 + 57


def test_markdown_escapes() -> None:
    lines = markdown(ODD).splitlines()
    assert pipes(lines[2]) == [r"a\|b\_c", "50 %"]
    assert pipes(lines[4]) == [r'x & y \<script>, "q"', "1.2"]
    assert pipes(lines[5]) == [r"~^\\{$#} line", "-2.0"]
    assert lines[-1] == r"1 \< 2 & \_so\_ on"


def test_latex_has_the_rows() -> None:
    lines = latex(SUMMARY).splitlines()
    body = lines[lines.index(r"\midrule") + 1 : lines.index(r"\bottomrule")]
    assert len(body) == 8
    assert body[-1].startswith("A3C, LSTM & 4 days on CPU & 623.1 & 112.6 & 623.0 & 112.6 & 57 &")
    (columns,) = re.findall(r"\\begin\{tabular\}\{([lr]+)\}", lines[1])
    assert all(line.endswith(r" \\") and line.count("&") == len(columns) - 1 for line in body)
    assert r"video\_pinball" in lines[-1]


def test_latex_escapes() -> None:
    text = latex(ODD)
    assert r'x \& y \textless{}script\textgreater{}, "q" & 1.2 \\' in text
    assert r"\textasciitilde{}\textasciicircum{}\textbackslash{}\{\$\#\} line & -2.0 \\" in text
    assert r"a\textbar{}b\_c & 50 \% \\" in text


def test_html_is_well_formed_and_has_the_rows() -> None:
    for sheet, count in ((SUMMARY, 8), (GAMES, 57)):
        page = html(sheet)
        tree = ElementTree.fromstring(page.removeprefix("<!DOCTYPE html>\n"))
        assert len(tree.findall(".//tbody/tr")) == count
        cells = [cell.text for cell in tree.findall(".//tbody/tr/td")]
        assert ("623.1" in cells) == (sheet is SUMMARY)
        assert "video_pinball" in "".join(p.text or "" for p in tree.findall(".//p"))
    assert not re.search(r"https?://|src=|href=", html(SUMMARY))


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)


def test_html_escapes() -> None:
    parser = Tags()
    parser.feed(html(ODD))
    assert not parser.tags & {"script", "b"}
    tree = ElementTree.fromstring(html(ODD).removeprefix("<!DOCTYPE html>\n"))
    assert tree.findtext(".//h1") == "Odd <b>"
    assert [c.text for c in tree.findall(".//tbody/tr/td")][:2] == ['x & y <script>, "q"', "1.2"]
    assert tree.findtext(".//p") == "1 < 2 & _so_ on"


def test_columns_that_say_nothing_are_for_programs_only() -> None:
    for name, render in FORMATS.items():
        assert ("none" in render(ODD)) == (name == "csv")
