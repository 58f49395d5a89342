"""HTML in which text is text: whatever is not `Html` already is escaped."""

from __future__ import annotations

import json
import re
import unicodedata
from html import escape
from typing import Any

#: Marks that turn the direction of what follows: they can make a line read as another.
_TURNS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_EMPTY = frozenset(("meta", "link", "br", "hr", "wbr"))


class Html(str):
    """Markup, to be taken as it is."""

    __slots__ = ()


def text(words: str) -> Html:
    """Text as HTML shows it: nothing in it is markup, and no control character is left."""
    return Html(escape(visible(words)))


def visible(words: str) -> str:
    """Text with a replacement sign for what controls a display instead of showing on it."""
    return "".join(_shown(sign) for sign in words)


def one_line(words: str) -> str:
    """Text for a terminal: one line, nothing that moves the cursor or changes a colour."""
    return " ".join(visible(words).split())


def _shown(sign: str) -> str:
    if sign in "\n\t":
        return sign
    return "\ufffd" if sign in _TURNS or unicodedata.category(sign) in ("Cc", "Cs") else sign


def breakable(words: str) -> Html:
    """Text that may go on in a new line after the signs that join the words of a name."""
    return Html(re.sub(r"[_./]+(?=[^\W\d])", r"\g<0><wbr>", text(words)))


def joined(content: Any) -> Html:
    """Markup of text, markup, or any nesting of both; None is nothing."""
    if content is None:
        return Html("")
    if isinstance(content, Html):
        return content
    if isinstance(content, str):
        return text(content)
    return Html("".join(joined(one) for one in content))


def tag(name: str, *content: Any, **attributes: str | bool | None) -> Html:
    """An element.

    Args:
        name: of the element.
        content: text, markup, or iterables of them.
        attributes: values are escaped; ``_`` at a name's end goes, other ``_`` become ``-``; True
            is an attribute without a value, None and False are none.
    """
    made = []
    for key, value in attributes.items():
        spelt = key.rstrip("_").replace("_", "-")
        if value is True:
            made.append(f" {spelt}")
        elif value is not None and value is not False:
            made.append(f' {spelt}="{text(value)}"')
    head = f"<{name}{''.join(made)}>"
    return Html(head if name in _EMPTY else f"{head}{joined(content)}</{name}>")


def script_json(value: Any) -> Html:
    """JSON for inside a ``<script>``: no text in it can end the element or begin a comment."""
    made = json.dumps(value, allow_nan=False, separators=(",", ":"))  # in ASCII
    for sign in "<>&":
        made = made.replace(sign, f"\\u{ord(sign):04x}")
    return Html(made)
