"""The charts as Vega-Lite specifications: one of each kind per environment.

They are plain mappings, the same each time, and name their rows (`pgx.report.data`) rather than
hold them. A signal ``off`` lists the arms that the reader has switched off.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pgx.analysis.model import Analysis
from pgx.report.data import Rows, arms, datasets, labels
from pgx.report.looks import apart, colour, config, dashes, veil, word_colour
from pgx.study import METRICS

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"  #: a name; nothing is fetched
HEIGHT = 320  #: of curves and profiles, pixels
#: what the page's script sets: arms switched off, the one pointed at, room for names
PARAMS: tuple[dict[str, Any], ...] = (
    {"name": "off", "value": []},
    {"name": "focus", "value": ""},
    {"name": "labelled", "value": False},
)
STEP = 28  #: of a row of differences, pixels
ROOM = 14  #: a direct label takes, pixels
LONGEST = 30  #: characters of a label in a chart

Spec = dict[str, Any]


def charts(analysis: Analysis) -> dict[str, Spec]:
    """Every chart that has something to show, by the name of its rows."""
    made = {"curves": curve_chart, "differences": difference_chart, "profiles": profile_chart}
    return {
        name: made[name.partition("-")[0]](analysis, name, rows)
        for name, rows in datasets(analysis).items()
        if any(row[1] is not None for row in rows.rows)
    }


def curve_chart(analysis: Analysis, name: str, rows: Rows) -> Spec:
    """Learning curves: the interquartile mean of the runs with its pointwise 95% interval."""
    last = analysis.study.last
    title = f"training return, mean of the last {last} episodes" if last > 1 else "training return"
    x = {"field": "decisions", "title": "decisions of a run", "format": "~s"}
    y = {"field": "value", "title": "return", "format": "~s"}
    return _lines(analysis, rows, x, y, _padded(*rows.span("value", "low", "high")), title)


def profile_chart(analysis: Analysis, name: str, rows: Rows) -> Spec:
    """Performance profiles: the share of an arm's runs that score more than τ."""
    title = "share of runs that score more than τ"
    x = {
        "field": "score",
        "title": f"τ, score of a run ({analysis.primary.metric})",
        "format": "~s",
    }
    y = {"field": "share", "title": "share of runs", "format": "%"}
    return _lines(analysis, rows, x, y, (-0.02, 1.02), title)


def _lines(
    analysis: Analysis, rows: Rows, x: Spec, y: Spec, domain: tuple[float, float], title: str
) -> Spec:
    """Bands, lines, their names at the end, and marks that answer the pointer."""
    labelled = y["field"] == "value"
    least, most = rows.span(x["field"])
    ends = _ends(analysis, rows, y["field"], domain) if labelled else []
    across = {
        "field": x["field"],
        "type": "quantitative",
        "axis": {"format": x["format"], "title": x["title"], "tickCount": 6, "titleLimit": 300},
        "scale": {"domain": [0 if labelled else least, most], "nice": False},
    }
    up = {
        "field": y["field"],
        "type": "quantitative",
        "axis": {"format": y["format"], "title": y["title"], "tickCount": 6},
        "scale": {"domain": list(domain), "nice": False, "zero": False},
    }
    thin = veil(len({row[0] for row in rows.rows}))
    band = {"y": {**up, "field": "low"}, "y2": {"field": "high"}}
    layers = [
        {"mark": "area", "encoding": {**band, **_look(analysis), "opacity": _focus(thin)}},
        {
            "mark": {"type": "line", "strokeWidth": 1.8},
            "encoding": {"y": up, **_look(analysis, dashed=True), "opacity": _focus(1)},
        },
        _answering(analysis, rows, up, x, y),
        *([_names(analysis, ends, up)] if ends else []),
    ]
    for layer in layers[:3]:
        layer["encoding"]["x"] = across
    return _spec(layers, title)


def difference_chart(analysis: Analysis, name: str, rows: Rows) -> Spec:
    """A forest plot: each arm's mean paired difference to the reference, interval, verdict."""
    low, high = rows.span("difference", "low", "high")
    low, high = _padded(min(low, 0.0), max(high, 0.0))
    across = {"type": "quantitative", "scale": {"domain": [low, high], "nice": False}}
    title = f"difference to {short(analysis.study.label(analysis.against))}"
    across["axis"] = {"title": title, "format": "~s", "tickCount": 6, "titleLimit": 300}
    up = _arm_rows(analysis, rows)
    look = _look(analysis)
    filled = {"condition": {"test": "datum.decided", **look["color"]}, "value": "var(--paper)"}
    ends = {"x": {**across, "field": "low"}, "x2": {"field": "high"}}
    marks = {"stroke": look["color"], "fill": filled, "tooltip": _tooltip(DIFFERENCE_HINTS)}
    said = {"align": "left", "baseline": "middle", "dx": 10, "color": "var(--muted)"}
    layers = [
        {
            "data": {"values": [{"zero": 0}]},
            "mark": {"type": "rule", "color": "var(--muted)", "strokeDash": [3, 3]},
            "encoding": {"x": {**across, "field": "zero"}},
        },
        {
            "mark": {"type": "rule", "strokeWidth": 2},
            "encoding": {**ends, "y": up, **_look(analysis, dashed=True)},
        },
        {
            "mark": {"type": "point", "size": 60, "strokeWidth": 2, "opacity": 1},
            "encoding": {"x": {**across, "field": "difference"}, "y": up, **marks},
        },
        {
            "transform": [{"filter": "labelled"}],
            "mark": {"type": "text", **said},
            "encoding": {"x": {"value": "width"}, "y": up, "text": {"field": "verdict"}},
        },
    ]
    return {**_spec(layers, METRICS[analysis.primary.metric]), "height": STEP * len(rows.rows)}


def _arm_rows(analysis: Analysis, rows: Rows) -> Spec:
    """The axis on which every arm has a row, called by its label."""
    names = {arm: short(text) for arm, text in zip(arms(analysis), labels(analysis), strict=True)}
    axis = {
        "title": None,
        "labelExpr": f"{json.dumps(names)}[datum.value]",
        "labelLimit": {"expr": "labelled ? 240 : 112"},
        "labelFontSize": 12,
        "labelColor": "var(--ink)",
    }
    order = [arms(analysis)[row[0]] for row in rows.rows]
    scale = {"domain": order}  # an arm that is switched off leaves its row empty
    return {"field": "arm", "type": "nominal", "scale": scale, "axis": axis, "title": None}


DIFFERENCE_HINTS = {
    "label": "arm",
    "difference": "difference",
    "low": "95% from",
    "high": "95% to",
    "n": "n, pairs",
    "p": "p after Holm",
    "verdict": "verdict",
}


def _spec(layers: Sequence[Spec], title: str) -> Spec:
    """A chart around its layers; ``usermeta`` is for the page and for `figure`."""
    return {
        "$schema": SCHEMA,
        "usermeta": {"title": title},
        "config": config(),
        "params": [dict(one) for one in PARAMS],
        "width": "container",
        "height": HEIGHT,
        "transform": [{"filter": "indexof(off, datum.arm) < 0"}],
        "layer": list(layers),
        "resolve": {"scale": {"color": "independent"}},
    }


def _look(analysis: Analysis, dashed: bool = False) -> Spec:
    """Colour, and dashes for a line, by arm: the same in every chart."""
    names = arms(analysis)
    places = range(len(names))
    shades = {"domain": names, "range": [colour(i) for i in places]}
    made = {"color": {"field": "arm", "type": "nominal", "scale": shades, "legend": None}}
    if dashed:
        strokes = {"domain": names, "range": [dashes(i) for i in places]}
        made["strokeDash"] = {**made["color"], "scale": strokes}
    else:
        made["detail"] = {"field": "arm", "type": "nominal"}
    return made


def _answering(analysis: Analysis, rows: Rows, up: Spec, x: Spec, y: Spec) -> Spec:
    """A mark per arm and point that is seen, with its numbers, when the pointer is nearest."""
    every = 2 if len(arms(analysis)) <= 10 else 4  # points: a page of many arms must stay quick
    near = {"type": "point", "nearest": True, "on": "pointerover", "clear": "pointerout"}
    seen = {"condition": {"param": "near", "empty": False, "value": 1}, "value": 0}
    hints = {"label": "arm", x["field"]: x["field"], y["field"]: y["title"]}
    hints |= {"low": "95% from", "high": "95% to", "n": "n, runs"}
    return {
        "params": [{"name": "near", "select": near}],
        "transform": [
            {"window": [{"op": "row_number", "as": "turn"}], "groupby": ["arm"]},
            {"filter": f"datum.turn % {every} == 1"},
        ],
        "mark": {"type": "point", "filled": True, "size": 55},
        "encoding": {"y": up, **_look(analysis), "opacity": seen, "tooltip": _tooltip(hints)},
    }


def _focus(opacity: float) -> Spec:
    """Opacity of an arm's marks: less while the reader points at another arm's name."""
    lit = {"test": "!focus || focus === datum.arm", "value": opacity}
    return {"condition": lit, "value": 0.15 * opacity}


def _tooltip(hints: dict[str, str]) -> Spec:
    """What a mark says: field to how it is called.

    The pointer's nearest mark is a cell that holds the mark's row as its ``datum``.
    """
    formats = {"decisions": ",.0f", "n": ",.0f", "p": ".2~g"}
    row = "(datum.datum || datum)"
    said = {
        title: f"{row}.{field}"
        if field in ("label", "verdict")
        else f"format({row}.{field}, '{formats.get(field, ',.4~r')}')"
        for field, title in hints.items()
    }
    told = ", ".join(f"{json.dumps(title)}: {value}" for title, value in said.items())
    return {"value": {"expr": f"{{{told}}}"}}


def _ends(
    analysis: Analysis, rows: Rows, field: str, domain: tuple[float, float]
) -> list[dict[str, Any]]:
    """Each line's last value and where its name goes, so that no two names overlap."""
    column = rows.columns.index(field)
    last = {row[0]: row[column] for row in rows.rows}
    low, high = domain
    per = HEIGHT / (high - low)
    goes = apart([(high - value) * per for value in last.values()], ROOM, HEIGHT)
    return [
        {
            "arm": arms(analysis)[place],
            "text": short(labels(analysis)[place]),
            "end": high - pixels / per,
        }
        for place, pixels in zip(last, goes, strict=True)
    ]


def _names(analysis: Analysis, ends: list[dict[str, Any]], up: Spec) -> Spec:
    """The lines' names, right of the chart, in darker shades of the lines' colours."""
    names = arms(analysis)
    shades = {"domain": names, "range": [word_colour(i) for i in range(len(names))]}
    return {
        "data": {"values": ends},
        "transform": [{"filter": "labelled && indexof(off, datum.arm) < 0"}],
        "mark": {"type": "text", "align": "left", "baseline": "middle", "dx": 7},
        "encoding": {
            "x": {"value": "width"},
            "y": {**up, "field": "end"},
            "text": {"field": "text"},
            "color": {"field": "arm", "type": "nominal", "scale": shades, "legend": None},
        },
    }


def _padded(low: float, high: float, share: float = 0.04) -> tuple[float, float]:
    margin = share * (high - low) or 1.0
    return low - margin, high + margin


def short(text: str) -> str:
    """A label that leaves the chart its room."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
