"""Mean return by episode on the corridor, over runs: a table of bands of episodes, and a figure.

Shared by the studies that show the book's two figures. A study's ``measure.py`` says how its arms
are drawn; the episodes are those that its report ships.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from pgx.report.drawing import alone
from pgx.report.looks import LIGHT

EPISODES = 1000  #: as many as the book's figures show
BANDS = ((1, 20), (81, 100), (181, 200), (381, 400), (901, 1000))
BEST = -11.656854  #: J of the best policy, p = 2 − √2


@dataclass(frozen=True)
class Line:
    """An arm of the figure: its name there, its colour and its dashes."""

    label: str
    colour: str
    dashes: tuple[int, ...] = (1, 0)


def episodes(folder: Path) -> pl.DataFrame:
    """Every run's first episodes, of a study's folder: arm, seed, episode from 1, return."""
    rows = pl.read_parquet(folder / "report" / "episodes.parquet").sort("arm", "seed", "decisions")
    number = pl.col("decisions").cum_count().over("arm", "seed").alias("number")
    kept = rows.with_columns(number).filter(pl.col("number") <= EPISODES)
    return kept.select(pl.col("arm").cast(pl.String), "seed", "number", "return_raw")


def bands(rows: pl.DataFrame, order: Iterable[str]) -> pl.DataFrame:
    """Mean return of a band's episodes, its standard error over runs, and how many runs.

    Args:
        rows: as `episodes` has them.
        order: of the arms; all that are in the rows.
    """
    made = []
    for first, last in BANDS:
        own = rows.filter(pl.col("number").is_between(first, last))
        runs = own.group_by("arm", "seed").agg(pl.col("return_raw").cast(pl.Float64).mean())
        mean = pl.col("return_raw").mean().round(4).alias("mean")
        error = (pl.col("return_raw").std() / pl.len().sqrt()).round(4).alias("standard_error")
        told = runs.group_by("arm").agg(mean, error, pl.len().alias("runs"))
        made.append(told.with_columns(first=pl.lit(first), last=pl.lit(last)))
    place = pl.col("arm").replace_strict({arm: place for place, arm in enumerate(order)})
    table = pl.concat(made).sort(place, "first")
    return table.select("arm", "first", "last", "mean", "standard_error", "runs")


def chart(rows: pl.DataFrame, lines: Mapping[str, Line], subtitle: list[str]) -> dict[str, Any]:
    """Mean return by episode, over runs; the first figures of the chapter.

    Args:
        rows: as `episodes` has them.
        lines: arm to how it is drawn, in the legend's order; all arms that are in the rows.
        subtitle: its lines of text.
    """
    near = rows.with_columns(number=((pl.col("number") + 9) // 10) * 10)
    means = near.group_by("arm", "number").agg(pl.col("return_raw").cast(pl.Float64).mean())
    labels = {arm: line.label for arm, line in lines.items()}
    values = means.with_columns(arm=pl.col("arm").replace_strict(labels)).sort("arm", "number")
    y = {"field": "return_raw", "type": "quantitative"}
    y["title"] = f"return, mean of {rows['seed'].n_unique()} runs"
    x = {"field": "number", "type": "quantitative", "title": "episode"}
    mark = {"type": "line", "strokeWidth": 1.5}
    along = {"mark": mark, "encoding": {"x": x, "y": y, **_looks(list(lines.values()))}}
    best = {
        "mark": {"type": "rule", "color": LIGHT[7], "strokeDash": [2, 2]},
        "data": {"values": [{"y": BEST}]},
        "encoding": {"y": {"field": "y", "type": "quantitative"}},
    }
    title = {
        "text": "Short corridor with switched actions",
        "subtitle": subtitle,
        "anchor": "start",
    }
    layers = [{"data": {"values": values.to_dicts()}, **along}, best]
    return {"width": 520, "height": 320, "title": title, "layer": layers, "padding": 5}


def _looks(lines: list[Line]) -> dict[str, Any]:
    """The colours and dashes of lines; the legend shows dashes where colours are shared."""
    names, colours = [line.label for line in lines], [line.colour for line in lines]
    arm = {"field": "arm", "sort": names}
    dashes = {"domain": names, "range": [list(line.dashes) for line in lines]}
    legend = {"title": None, "labelLimit": 260}
    shared = len(set(colours)) < len(colours)
    return {
        "color": {**arm, "scale": {"domain": names, "range": colours}, "legend": legend},
        "strokeDash": {**arm, "scale": dashes, "legend": legend if shared else None},
    }


def write(folder: Path, lines: Mapping[str, Line], subtitle: list[str]) -> None:
    """A study's ``measured.csv`` and ``figures/episodes.svg``."""
    rows = episodes(folder)
    bands(rows, lines).write_csv(folder / "measured.csv")
    (folder / "figures").mkdir(exist_ok=True)
    drawn = alone(chart(rows, lines, subtitle))
    (folder / "figures" / "episodes.svg").write_text(drawn, encoding="utf-8")
