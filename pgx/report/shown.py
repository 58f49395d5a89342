"""What a report's page shows, taken apart again: its texts by place, its numbers, its rows."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

_EMPTY = frozenset(("meta", "link", "br", "hr", "img", "input", "wbr"))
_BLOCKS = frozenset(
    ("p", "h1", "h2", "h3", "li", "dt", "dd", "td", "th", "caption", "figcaption", "summary")
)


_FOREIGN = frozenset(
    ("src", "href", "xlink:href", "srcset", "data", "poster", "action", "style", "hidden")
)


@dataclass
class Shown:
    """A page's content.

    Args:
        texts: place to text: ``figures-cartpole-v1, gae, area, IQM`` for a table's cell, else the
            section and what of its blocks it is.
        held: id to the content of each ``<script type="application/json">``.
        scripts: the content of the others, in order.
        elements: every element with its attributes, in order; all but the policy of the head.
        styles: the content of each ``<style>``.
        damaged: ids of JSON that cannot be read.
        foreign: attributes that no page of ours has: they fetch, run or hide something.
    """

    texts: dict[str, str] = field(default_factory=dict)
    held: dict[str, Any] = field(default_factory=dict)
    scripts: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    elements: list[str] = field(default_factory=list)
    styles: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)


def shown(html: str) -> Shown:
    """Take a page apart.

    Args:
        html: of `pgx.report.page.page`, or what became of it.
    """
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.found


class _Reader(HTMLParser):
    """Collects every text by the innermost block that holds it."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found = Shown()
        self._open: list[tuple[str, dict[str, str | None]]] = []
        self._text: list[str] = []
        self._heads: list[str] = []
        self._row, self._cell = "", 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.found.foreign += [
            f"<{tag} {name}={value!r}>"
            for name, value in attrs
            if name in _FOREIGN or name.startswith("on")
        ]
        if tag != "meta":
            self.found.elements.append(f"{tag} {attrs}")
        if tag == "table":
            self._heads = []
        elif tag == "tr":
            self._row, self._cell = "", -1
        if tag in _BLOCKS or tag in ("script", "button", "title"):
            self._flush()
        if tag in ("small", "div"):
            self._text.append(" ")
        if tag not in _EMPTY:
            self._open.append((tag, attributes))

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self._script(tag)
        elif tag in _BLOCKS or tag in ("button", "title"):
            self._end(tag)
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        self._text.append(data)

    def close(self) -> None:
        super().close()
        self._flush()

    def _script(self, tag: str) -> None:
        text, self._text = "".join(self._text), []
        attributes = self._open[-1][1] if self._open else {}
        if tag == "style":
            self.found.styles.append(text)
            return
        if attributes.get("type") != "application/json":
            self.found.scripts.append(text)
            return
        try:
            self.found.held[str(attributes.get("id"))] = json.loads(text)
        except ValueError:
            self.found.damaged.append(str(attributes.get("id")))

    def _end(self, tag: str) -> None:
        text = self._taken()
        if tag in ("td", "th") and self._table():
            self._in_table(tag, text)
        elif text:
            self._keep(f"{self._section()}, {tag}", text)

    def _in_table(self, tag: str, text: str) -> None:
        self._cell += 1
        if any(name == "thead" for name, _ in self._open):
            self._heads.append(text)
            self._keep(f"{self._table()}, head", text)
            return
        if tag == "th":
            self._row = text
        column = self._heads[self._cell] if self._cell < len(self._heads) else str(self._cell)
        self._keep(f"{self._table()}, {self._row or 'row'}, {column}", text)

    def _flush(self) -> None:
        """Keep text that is in no block of its own."""
        if text := self._taken():
            self._keep(f"{self._section()}, text", text)

    def _taken(self) -> str:
        text, self._text = " ".join("".join(self._text).split()), []
        return text

    def _keep(self, place: str, text: str) -> None:
        name, turn = place, 2
        while name in self.found.texts:
            name, turn = f"{place} ({turn})", turn + 1
        self.found.texts[name] = text

    def _table(self) -> str | None:
        inside = [attributes for name, attributes in self._open if name == "table"]
        return (inside[-1].get("id") or "table") if inside else None

    def _section(self) -> str:
        named = [a["id"] for name, a in self._open if name == "section" and a.get("id")]
        return str(named[-1]) if named else "head"
