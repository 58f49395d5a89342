"""Variance against batch size on two logarithmic axes, one line for each arm."""

from __future__ import annotations

import importlib.util
import textwrap
from typing import Any

from pgx.errors import ConfigError
from pgx.report.looks import DASHES, LIGHT

SIZE = (420, 300)  #: of the panel, pixels
WRAP = 96  #: characters of a line of the caption
SHAPES = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross")


def check_installed() -> None:
    """Refuse to begin without what draws.

    Raises:
        ConfigError: the extra is not installed.
    """
    if importlib.util.find_spec("vl_convert") is None:
        raise ConfigError(
            "--output: the figure needs the package vl_convert: pip install 'pgx-lab[report]'"
        )


def files(found: dict[str, Any]) -> dict[str, bytes]:
    """The figure of every θ as SVG, PDF and PNG, by the file's name; same bytes each time."""
    import vl_convert

    from pgx.report.drawing import alone, ordered

    made: dict[str, bytes] = {}
    for name, spec in charts(found).items():
        svg = alone(spec)
        made[f"{name}.svg"] = svg.encode()
        made[f"{name}.pdf"] = ordered(vl_convert.svg_to_pdf(svg))
        made[f"{name}.png"] = vl_convert.svg_to_png(svg, scale=2)
    return made


def charts(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """A chart for each θ that has a curve, and one along training if there are several points.

    A variance that is 0 or not finite has no place on a logarithmic axis, nor has a chart of none
    but those.
    """
    made = {}
    for point in found["points"]:
        trained = f"-{point['decisions_trained']}" if len(found["points"]) > 1 else ""
        if any(row["batch_sizes"] for row in point["rows"]):
            made[f"variance-seed-{point['seed']}{trained}"] = _batches(found, point)
    for seed in dict.fromkeys(point["seed"] for point in found["points"]):
        points = [point for point in found["points"] if point["seed"] == seed]
        if len(points) > 1:
            made[f"along-seed-{seed}"] = _along(found, points)
    return {name: chart for name, chart in made.items() if chart["data"]["values"]}


def _batches(found: dict[str, Any], point: dict[str, Any]) -> dict[str, Any]:
    values = [
        {"arm": _label(row), "x": size, "y": variance}
        for row in point["rows"]
        for size, variance in zip(row["batch_sizes"], row["batch_variance"], strict=True)
        if variance
    ]
    signal = point["truth"]["norm_squared"]["value"]
    caption = (
        f"{point['heading']}; γ = {found['discount']:g}, {point['episodes']:,} episodes. Trace of "
        "the covariance of a batch's estimate, no interval shown. Dashed: ‖∇J‖², "
        f"{point['truth']['kind']}; above it noise outweighs the gradient."
    )
    title = "Variance against batch size"
    return _chart(values, ("trajectories of a batch", "variance"), title, caption, signal)


def _along(found: dict[str, Any], points: list[dict[str, Any]]) -> dict[str, Any]:
    values = [
        {"arm": _label(row), "x": point["decisions_trained"], "y": row["variance"]["value"]}
        for point in points
        for row in point["rows"]
        if row["variance"]["value"]
    ]
    caption = (
        f"{found['environment']}, {found['policy']}: seed {points[0]['seed']}, γ = "
        f"{found['discount']:g}, {points[0]['episodes']:,} episodes at each point. Trace of the "
        "covariance of one trajectory's estimate, no interval shown."
    )
    axes = ("decisions trained", "variance")
    return _chart(values, axes, "Variance along training", caption, None, x_scale="linear")


def _label(row: dict[str, Any]) -> str:
    return f"{row['estimator']} × {row['baseline']}"


def _chart(
    values: list[dict[str, Any]],
    axes: tuple[str, str],
    title: str,
    caption: str,
    signal: float | None,
    x_scale: str = "log",
) -> dict[str, Any]:
    layers = [_lines(list(dict.fromkeys(value["arm"] for value in values)), axes, x_scale)]
    if signal is not None and signal > 0:
        rule = {"type": "rule", "strokeDash": [6, 3], "color": "#59616b"}
        layers.append({"mark": rule, "encoding": {"y": {"datum": signal, "type": "quantitative"}}})
    heading = {"text": title, "subtitle": textwrap.wrap(caption, WRAP)}
    return {
        "data": {"values": values},
        "width": SIZE[0],
        "height": SIZE[1],
        "title": {**heading, "anchor": "start", "offset": 12},
        "layer": layers,
    }


def _lines(arms: list[str], axes: tuple[str, str], x_scale: str) -> dict[str, Any]:
    """A line and its points for each arm."""
    scales: dict[str, dict[str, Any]] = {"x": {"type": x_scale}, "y": {"type": "log"}}
    if x_scale == "log":
        scales["x"] |= {"base": 2, "nice": False}
    formats = {"x": "~s", "y": "~g"}
    places = {
        name: {
            "field": name,
            "type": "quantitative",
            "title": title,
            "scale": scales[name],
            "axis": {"format": formats[name], "tickCount": 6},
        }
        for name, title in zip(("x", "y"), axes, strict=True)
    }
    points = {"size": 28, "filled": True}
    mark = {"type": "line", "strokeWidth": 1.5, "point": points}
    return {"mark": mark, "encoding": {**places, **_looks(arms)}}


def _looks(arms: list[str]) -> dict[str, Any]:
    """Colours for any colour vision, then dashes and shapes: no two arms look alike in print."""
    rounds = [divmod(place, len(LIGHT)) for place in range(len(arms))]
    legend = {"title": None, "labelLimit": 360, "symbolLimit": len(arms)}
    ranges = {
        "color": [LIGHT[at] for _, at in rounds],
        "strokeDash": [DASHES[turn % len(DASHES)] for turn, _ in rounds],
        "shape": [SHAPES[place % len(SHAPES)] for place in range(len(arms))],
    }
    return {
        name: {
            "field": "arm",
            "type": "nominal",
            "legend": legend,
            "scale": {"domain": arms, "range": values},
        }
        for name, values in ranges.items()
    }
