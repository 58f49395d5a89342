"""The book's two figures, by episode: made of the episodes that the report ships.

    python experiments/005_corridor/measure.py

writes ``measured.csv`` (mean return of bands of episodes, over runs) and ``figures/episodes.svg``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from pgx.report.looks import DASHES, LIGHT, config, painted

FOLDER = Path(__file__).parent
EPISODES = 1000  #: as many as the book's figures show
BANDS = ((1, 20), (81, 100), (181, 200), (381, 400), (901, 1000))
LABELS = {
    "rate_12": "REINFORCE, α = 2⁻¹²",
    "rate_13": "REINFORCE, α = 2⁻¹³",
    "rate_14": "REINFORCE, α = 2⁻¹⁴",
    "value": "with value baseline, α = 2⁻⁹",
    "exact": "exact gradient, α = 2⁻¹³",
}
BEST = -11.656854  #: J of the best policy, p = 2 − √2


def episodes() -> pl.DataFrame:
    """Every run's first episodes: arm, seed, episode from 1, return."""
    rows = pl.read_parquet(FOLDER / "report" / "episodes.parquet").sort("arm", "seed", "decisions")
    number = pl.col("decisions").cum_count().over("arm", "seed").alias("number")
    kept = rows.with_columns(number).filter(pl.col("number") <= EPISODES)
    return kept.select(pl.col("arm").cast(pl.String), "seed", "number", "return_raw")


def bands(rows: pl.DataFrame) -> pl.DataFrame:
    """Mean return of a band's episodes, its standard error over runs, and how many runs."""
    made = []
    for first, last in BANDS:
        own = rows.filter(pl.col("number").is_between(first, last))
        runs = own.group_by("arm", "seed").agg(pl.col("return_raw").cast(pl.Float64).mean())
        mean = pl.col("return_raw").mean().round(4).alias("mean")
        error = (pl.col("return_raw").std() / pl.len().sqrt()).round(4).alias("standard_error")
        told = runs.group_by("arm").agg(mean, error, pl.len().alias("runs"))
        made.append(told.with_columns(first=pl.lit(first), last=pl.lit(last)))
    order = pl.col("arm").replace_strict({arm: place for place, arm in enumerate(LABELS)})
    table = pl.concat(made).sort(order, "first")
    return table.select("arm", "first", "last", "mean", "standard_error", "runs")


def chart(rows: pl.DataFrame) -> dict[str, Any]:
    """Mean return by episode, over runs; the first figures of the chapter."""
    near = rows.with_columns(number=((pl.col("number") + 9) // 10) * 10)
    means = near.group_by("arm", "number").agg(pl.col("return_raw").cast(pl.Float64).mean())
    values = means.with_columns(arm=pl.col("arm").replace_strict(LABELS)).sort("arm", "number")
    names = list(LABELS.values())
    line = {
        "mark": {"type": "line", "strokeWidth": 1.5},
        "encoding": {
            "x": {"field": "number", "type": "quantitative", "title": "episode"},
            "y": {
                "field": "return_raw",
                "type": "quantitative",
                "title": "return, mean of 100 runs",
            },
            "color": {
                "field": "arm",
                "sort": names,
                "scale": {"domain": names, "range": [LIGHT[i] for i in (2, 1, 3, 4, 0)]},
                "legend": {"title": None, "labelLimit": 260},
            },
            "strokeDash": {
                "field": "arm",
                "sort": names,
                "scale": {"domain": names, "range": [[1, 0]] * 4 + [list(DASHES[1])]},
                "legend": None,
            },
        },
    }
    best = {
        "mark": {"type": "rule", "color": LIGHT[7], "strokeDash": [2, 2]},
        "data": {"values": [{"y": BEST}]},
        "encoding": {"y": {"field": "y", "type": "quantitative"}},
    }
    title = {
        "text": "Short corridor with switched actions",
        "subtitle": [
            "One update per episode; means of ten neighbouring episodes. Softmax over two",
            "numbers, no action less probable than .05. Dotted: the best policy.",
        ],
        "anchor": "start",
    }
    layers = [{"data": {"values": values.to_dicts()}, **line}, best]
    return {"width": 520, "height": 320, "title": title, "layer": layers}


def main() -> None:
    """Write the table and the figure."""
    import vl_convert

    rows = episodes()
    bands(rows).write_csv(FOLDER / "measured.csv")
    (FOLDER / "figures").mkdir(exist_ok=True)
    spec = {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        **chart(rows),
        "config": {**config(), "background": "white"},
    }
    (FOLDER / "figures" / "episodes.svg").write_text(vl_convert.vegalite_to_svg(painted(spec)))


if __name__ == "__main__":
    main()
