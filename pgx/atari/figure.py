"""The table as a figure: every game's human-normalized score, one mark per system."""

from __future__ import annotations

import importlib.util
import io
import itertools
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Literal

from pgx.atari.normalise import SIGNED
from pgx.atari.table import Row, label
from pgx.errors import ConfigError
from pgx.tracking.atomic import replacing

if TYPE_CHECKING:
    import altair

SUFFIXES = (".svg", ".pdf", ".png")
LINEAR = 10  #: percent on either side of 0 within which the axis is about linear
TICKS = (-1000, -100, -10, 0, 10, 100, 1000, 10_000, 100_000)

#: Okabe and Ito's colours, told apart with any colour vision; shapes tell them apart in print.
COLOURS = ("#000000", "#999999", "#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#0072B2", "#D55E00")
SHAPES = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross")
#: Own rows have others, whatever their number.
OWN_COLOURS = ("#D00000", "#6A3D9A", "#7A4A00", "#005F5F")
OWN_SHAPES = ("triangle-right", "triangle-left", "M0,-1L.3,-.3L1,0L.3,.3L0,1L-.3,.3L-1,0L-.3,-.3Z")


def check(path: Path) -> None:
    """Refuse a figure that cannot be made, before anything is.

    Raises:
        ConfigError: the name says no known format, or the packages are not installed.
    """
    if path.suffix not in SUFFIXES:
        raise ConfigError(f"--figure: {path} does not end in one of {', '.join(SUFFIXES)}")
    for package in ("altair", "vl_convert"):
        if importlib.util.find_spec(package) is None:
            raise ConfigError(
                f"--figure: needs the package {package}: pip install 'pgx-lab[report]'"
            )


def draw(rows: Sequence[Row], path: Path) -> None:
    """Write the figure, whole or not at all.

    Args:
        rows: of `pgx.atari.table.build`.
        path: its suffix says the format.

    Raises:
        ConfigError: it cannot be made or written.
    """
    check(path)
    kind: Literal["svg", "pdf", "png"] = path.suffix[1:]  # type: ignore[assignment]
    buffer = io.StringIO() if kind == "svg" else io.BytesIO()
    chart(rows).save(buffer, format=kind, scale_factor=2 if kind == "png" else 1)
    made = buffer.getvalue()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            file.write(made.encode() if isinstance(made, str) else made)
    except OSError as error:
        raise ConfigError(f"--figure: {path} cannot be written ({error.strerror})") from error


def order(rows: Sequence[Row]) -> list[str]:
    """The games, best first: by the median over the systems that have a score."""
    games = sorted({game for row in rows for game in row.normalized})
    middle = {g: median(r.normalized[g] for r in rows if g in r.normalized) for g in games}
    return sorted(games, key=lambda game: -middle[game])


def chart(rows: Sequence[Row]) -> altair.LayerChart:
    """Games on the y-axis, percent on a symmetric-log x-axis, lines at random and at human play."""
    import altair as alt

    lines = (
        alt.Chart(alt.Data(values=[{"percent": 0}, {"percent": 100}]))
        .mark_rule(color="#555555", strokeDash=[4, 3])
        .encode(x="percent:Q")
    )
    said = "Dashed: random play (0) and the human (100). Best game first, by the median."
    title = alt.Title(
        "Atari: human-normalized score",
        subtitle=[said, rule_line(rows)],
        anchor="start",
        offset=12,
    )
    return (lines + _points(rows)).properties(title=title, width=640, height=alt.Step(16))


def _points(rows: Sequence[Row]) -> altair.Chart:
    """One mark per system and game."""
    import altair as alt

    marks: list[dict[str, Any]] = [
        {"game": game, "percent": percent, "system": label(row)}
        for row in rows
        for game, percent in row.normalized.items()
    ]
    least, most = span([mark["percent"] for mark in marks])
    axis = alt.Axis(
        values=[tick for tick in TICKS if least <= tick <= most],
        format=",d",
        orient="top",
        gridColor="#dddddd",
    )
    scale = alt.Scale(type="symlog", constant=LINEAR, nice=False, domain=[least, most])
    games = alt.Axis(grid=True, gridColor="#eeeeee", labelLimit=200)
    names, legend = [label(row) for row in rows], alt.Legend(title=None, labelLimit=500)
    colours, shapes = (
        alt.Scale(domain=names, range=looks(rows, *of))
        for of in ((COLOURS, OWN_COLOURS), (SHAPES, OWN_SHAPES))
    )
    return (
        alt.Chart(alt.Data(values=marks))
        .mark_point(size=60, filled=True, opacity=0.9, stroke="white", strokeWidth=0.6)
        .encode(
            x=alt.X("percent:Q", title="%, symmetric log", scale=scale, axis=axis),
            y=alt.Y("game:N", sort=order(rows), title=None, axis=games),
            color=alt.Color("system:N", scale=colours, legend=legend),
            shape=alt.Shape("system:N", scale=shapes, legend=legend),
        )
    )


def looks(rows: Sequence[Row], published: Sequence[str], own: Sequence[str]) -> list[str]:
    """A colour or shape per row, taken in turn from those of its kind."""
    turns = {"published": itertools.cycle(published), "own": itertools.cycle(own)}
    return [next(turns[row.kind]) for row in rows]


def span(values: Sequence[float]) -> tuple[float, float]:
    """The axis: every value and random and human play, with room for a whole mark at the ends."""
    return min(-LINEAR, 1.5 * min(values)), max(200, 1.5 * max(values))


def rule_line(rows: Sequence[Row]) -> str:
    """What the figure says of the rule: rows by how they treat a random player above the human."""
    kept = [label(row) for row in rows if row.rule == SIGNED]
    if len(kept) == len(rows):
        return "Where the human is below random play, the denominator's sign is kept."
    but = f", but not for {' and '.join(kept)}" if kept else ""
    return f"Where the human is below random play, the random score is taken as 0{but}."
