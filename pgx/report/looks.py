"""How arms are told apart: colours for any colour vision, then dashes; and how figures are set.

A chart names its colours ``var(--…)``: on the page the style sheet says what they are, by light or
dark; `painted` says it for a file.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

#: Okabe and Ito's colours in an order that keeps neighbours apart; the first is the ink's, for the
#: reference, and a grey takes the place of their yellow, which white paper swallows.
LIGHT = ("#1f2328", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a8a8a")
#: The same, lighter, for dark ground.
DARK = ("#f0f0f0", "#4ba6e8", "#f58b4c", "#2fc79b", "#e39cc5", "#f3bd4e", "#9fdcff", "#9a9a9a")
#: The same as `LIGHT`, darker, for words on light ground.
WORDS = ("#1f2328", "#005f96", "#a84a00", "#00704f", "#a0527b", "#8a5f00", "#1f77a4", "#666666")
DASHES = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3])

#: The page's other colours: name to light and dark.
INKS = {
    "paper": ("#ffffff", "#16181c"),
    "panel": ("#f6f7f8", "#1e2126"),
    "ink": ("#1f2328", "#e8e8e6"),
    "muted": ("#59616b", "#a3abb5"),
    "rule": ("#c9ced4", "#474d55"),
    "grid": ("#e8eaed", "#2a2e34"),
    "link": ("#0b5cad", "#78b7f2"),
    "alarm": ("#b42318", "#ff8f80"),
    "alarm-panel": ("#fdf1ef", "#33201e"),
}

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
FILE_FONT = "sans-serif"


def colour(place: int) -> str:
    """The colour of the arm at this place, the reference's being place 0."""
    return f"var(--c{_turn(place)})"


def word_colour(place: int) -> str:
    """The colour of that arm's name."""
    return f"var(--w{_turn(place)})"


def _turn(place: int) -> int:
    """The colours go round, but for the reference's, which is its own."""
    return 1 + (place - 1) % (len(LIGHT) - 1) if place else 0


def dashes(place: int) -> list[int]:
    """The dashes of its line: every round through the colours has its own."""
    return DASHES[max(place - 1, 0) // (len(LIGHT) - 1) % len(DASHES)]


def painted(spec: dict[str, Any]) -> dict[str, Any]:
    """The chart with its colours spelt out for light ground, and a font that files have."""
    text = json.dumps(spec).replace(FONT, FILE_FONT)
    for name, value in _values(0).items():
        text = text.replace(f"var(--{name})", value)
    made: dict[str, Any] = json.loads(text)
    return made


def variables(theme: int) -> str:
    """The style sheet's colours: 0 for light, 1 for dark."""
    return "".join(f"--{name}:{value};" for name, value in _values(theme).items())


def _values(theme: int) -> dict[str, str]:
    lines = {f"c{place}": value for place, value in enumerate((LIGHT, DARK)[theme])}
    words = {f"w{place}": value for place, value in enumerate((WORDS, DARK)[theme])}
    return lines | words | {name: pair[theme] for name, pair in INKS.items()}


def config() -> dict[str, Any]:
    """What all charts share, for Vega-Lite: little ink but the data's, one weight of one font."""
    plain = {"labelFontWeight": "normal", "titleFontWeight": "normal"}
    text = {"labelFont": FONT, "titleFont": FONT, "labelColor": "var(--muted)"}
    axis = {**plain, **text, "titleColor": "var(--muted)", "labelFontSize": 11, "titleFontSize": 12}
    zero = {"labelExpr": "datum.value === 0 ? '0' : datum.label"}  # not 0k
    title = {"fontWeight": "normal", "subtitleFontWeight": "normal", "subtitlePadding": 6}
    title |= {"subtitleColor": "var(--muted)", "subtitleFontSize": 10.5}
    lines = {"domainColor": "var(--rule)", "tickColor": "var(--rule)", "gridColor": "var(--grid)"}
    return {
        "background": "transparent",
        "font": FONT,
        "view": {"stroke": None},
        "axis": {**axis, **lines, **zero, "tickSize": 4, "labelPadding": 4, "titlePadding": 8},
        "axisX": {"grid": False},
        "axisY": {"domain": False, "ticks": False},
        "title": {**title, "fontSize": 13, "color": "var(--ink)"},
        "legend": {**plain, "labelFont": FONT, "labelColor": "var(--ink)", "labelLimit": 240},
        "text": {"font": FONT, "fontSize": 12},
    }


def veil(arms: int) -> float:
    """Opacity of bands: so many of them must not hide what is below."""
    return 0.16 if arms <= 4 else 0.11 if arms <= 8 else 0.07


def apart(places: Sequence[float], room: float, height: float) -> list[float]:
    """Move labels apart, as little as a few sweeps find, and keep them on the chart.

    Args:
        places: where each belongs, in pixels from the top.
        room: a label needs, pixels; less if they would not all fit.
        height: of the chart, pixels.

    Returns:
        Where each goes, in the order given.
    """
    room = min(room, height / max(len(places), 1))
    order = sorted(range(len(places)), key=lambda i: (places[i], i))
    moved = [min(max(places[i], room / 2), height - room / 2) for i in order]
    for above in range(1, len(moved)):
        moved[above] = max(moved[above], moved[above - 1] + room)
    excess = max(0.0, moved[-1] - (height - room / 2)) if moved else 0.0
    if excess:
        moved[-1] -= excess
        for below in range(len(moved) - 2, -1, -1):
            moved[below] = min(moved[below], moved[below + 1] - room)
    found = dict(zip(order, moved, strict=True))
    return [found[i] for i in range(len(places))]
