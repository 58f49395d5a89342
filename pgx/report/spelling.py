"""How numbers are written in a report, and what its formats need to take text as text."""

from __future__ import annotations

import json
import math
from typing import Any

from pgx.analysis.words import fixed
from pgx.report.markup import one_line, visible
from pgx.sheets import latex_text
from pgx.stats.bootstrap import Interval
from pgx.tables import NOTHING

MINUS = "−"


def number(value: float | None, digits: int, signed: bool = False) -> str:
    """A number as `pgx compare` writes it, with a minus sign; a dash for none."""
    return NOTHING if value is None else fixed(value, digits, signed).replace("-", MINUS)


def bounds(interval: Interval, digits: int, signed: bool = False) -> str:
    """The interval's ends in brackets; nothing where there is none."""
    if not math.isfinite(interval.low):
        return ""
    low, high = (number(end, digits, signed) for end in (interval.low, interval.high))
    return f"[{low}, {high}]"


def value_text(value: Any) -> str:
    """A config's value as YAML spells it."""
    if value is None or isinstance(value, (bool, list, dict)):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def latex(text: str) -> str:
    """Text as LaTeX sets it: nothing in it is a command, and it is one line."""
    return latex_text(one_line(text))


def comma(value: Any) -> Any:
    """A cell of a CSV file: no text that a spreadsheet would take for a formula; no NaN."""
    if isinstance(value, float):
        return value if math.isfinite(value) else ""
    if value is None or isinstance(value, int):
        return "" if value is None else value
    text = str(value)
    return f"'{visible(text)}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else visible(text)
