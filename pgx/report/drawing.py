"""Charts drawn without a browser and without a network: the page's script, and figures as files."""

from __future__ import annotations

import importlib.util
import json
import re
import textwrap
from pathlib import Path

from pgx.analysis.model import Analysis
from pgx.errors import ConfigError
from pgx.report.captions import caption
from pgx.report.charts import PARAMS, SCHEMA, Spec, charts, short
from pgx.report.data import Rows, arms, datasets, labels
from pgx.report.looks import config, painted
from pgx.tracking.atomic import replacing

KINDS = ("svg", "pdf", "png")  #: of files
SCALE = 2  #: of a PNG
WIDTH = 560  #: of a chart, pixels
PADDING = 8  #: around a chart of a file, pixels
_RESOURCES = re.compile(rb"(?:^ +/[a-z]+[0-9]+ [0-9]+ 0 R\n){2,}", re.MULTILINE)
WRAP = 112  #: characters of a line of the caption


def check_installed() -> None:
    """Refuse to begin without what draws.

    Raises:
        ConfigError: the extra is not installed.
    """
    if importlib.util.find_spec("vl_convert") is None:
        raise ConfigError("report: needs the package vl_convert: pip install 'pgx-lab[report]'")


def bundle() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script, about 0.9 MB."""
    import vl_convert

    code: str = vl_convert.javascript_bundle()
    return f"{{{code}}}"


def draw(analysis: Analysis, directory: Path) -> list[Path]:
    """Every chart as SVG, PDF and PNG; files of one font, which are the same each time.

    Args:
        analysis: what they show.
        directory: for the files; made if absent.
    """
    import vl_convert

    rows, written = datasets(analysis), []
    directory.mkdir(parents=True, exist_ok=True)
    for name, spec in charts(analysis).items():
        svg = vl_convert.vegalite_to_svg(figure(analysis, name, spec, rows[name]))
        made = {
            "svg": svg.encode(),
            "pdf": ordered(vl_convert.svg_to_pdf(svg)),
            "png": vl_convert.svg_to_png(svg, scale=SCALE),
        }
        for kind, content in made.items():
            written.append(directory / f"{name}.{kind}")
            with replacing(written[-1]) as file:
                file.write(content)
    return written


def alone(spec: Spec) -> str:
    """A chart that belongs to no report as an SVG file, in the looks of those that do.

    Args:
        spec: what it shows, in Vega-Lite, with its rows; a padding of its own stands.

    Returns:
        The file's text; the same each time.
    """
    import vl_convert

    around = {"$schema": SCHEMA, "config": config(), "background": "white", "padding": PADDING}
    svg: str = vl_convert.vegalite_to_svg(painted({**around, **spec}))
    return svg


def ordered(pdf: bytes) -> bytes:
    """The same PDF with the names of its resources in order: they come as a hash table has them.

    Nothing changes its place but lines of one list, so that the offsets in the file still hold.
    """
    return _RESOURCES.sub(lambda found: b"".join(sorted(found[0].splitlines(True))), pdf)


def figure(analysis: Analysis, name: str, spec: Spec, rows: Rows) -> Spec:
    """A chart for a file: with its rows, a size, a title, and which line is which."""
    environment = name.partition("-")[2]
    lines = textwrap.wrap(caption(analysis, name), WRAP)
    title = {"text": f"{environment}: {spec['usermeta']['title']}", "subtitle": lines}
    title |= {"anchor": "start", "offset": 12}
    values = rows.values(arms(analysis), labels(analysis))
    size = {"data": {"values": values}, "width": WIDTH, "title": title, "padding": PADDING}
    whole = {**spec, **size, "background": "white"}
    whole["params"] = [*PARAMS[:-1], {"name": "labelled", "value": True}]
    whole["layer"] = [layer for layer in spec["layer"] if "params" not in layer]
    if name.startswith("profiles"):
        names = dict(zip(arms(analysis), map(short, labels(analysis)), strict=True))
        legend = {"title": None, "labelExpr": f"{json.dumps(names)}[datum.label]"}
        legend |= {"symbolType": "stroke", "symbolStrokeWidth": 2, "symbolOpacity": 1}
        whole["layer"] = [_with_legend(layer, legend) for layer in whole["layer"]]
        del whole["resolve"]  # else each layer has a legend of its own
    return painted({key: value for key, value in whole.items() if key != "usermeta"})


def _with_legend(layer: Spec, legend: Spec) -> Spec:
    """The layer with a legend of its lines; layers that share a legend must agree on it."""
    looks = {
        channel: {**layer["encoding"][channel], "legend": legend}
        for channel in ("color", "strokeDash")
        if channel in layer["encoding"]
    }
    return {**layer, "encoding": {**layer["encoding"], **looks}}
