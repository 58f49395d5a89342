"""A study's own figure as a file: `pgx.report.drawing.alone`."""

from __future__ import annotations

import re
from typing import Any

import pytest

from pgx.report.drawing import PADDING, alone
from pgx.report.looks import LIGHT

CHART: dict[str, Any] = {
    "width": 40,
    "height": 30,
    "data": {"values": [{"x": 1, "y": 2}]},
    "mark": {"type": "point", "filled": True, "color": "var(--c1)"},
    "encoding": {
        name: {"field": name, "type": "quantitative", "axis": None, "scale": {"domain": [0, 4]}}
        for name in "xy"
    },
}


def size(svg: str) -> tuple[float, float]:
    found = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    assert found is not None
    return float(found[1]), float(found[2])


def test_it_has_room_around_it_and_white_below() -> None:
    svg = alone(CHART)
    assert svg.startswith("<svg") and alone(CHART) == svg
    assert size(svg) == (40 + 2 * PADDING, 30 + 2 * PADDING)
    assert 'fill="white"' in svg
    assert LIGHT[1] in svg and "var(--" not in svg


@pytest.mark.parametrize("padding", [0, 5])
def test_a_padding_of_its_own_stands(padding: int) -> None:
    assert size(alone({**CHART, "padding": padding})) == (40 + 2 * padding, 30 + 2 * padding)


def test_it_is_in_the_reports_looks() -> None:
    """Text in the font of files, of the report's size for a title."""
    svg = alone({**CHART, "title": "Here"})
    (told,) = re.findall(r"<text [^>]*>Here</text>", svg)
    assert 'font-family="sans-serif"' in told and 'font-size="13px"' in told
