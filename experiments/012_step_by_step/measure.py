"""The book's figures again, with θ moved after every decision as its program moves it.

    python experiments/012_step_by_step/measure.py

writes ``measured.csv`` (mean return of bands of episodes, over runs), ``book.csv`` (the same of
`book`, a program of its own, a minute and a half) and ``figures/episodes.svg``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import polars as pl

from pgx.report.looks import DASHES, LIGHT

sys.path.extend(map(str, Path(__file__).resolve().parents[:2]))  # of `book` and `by_episode`

from book import CURVES, EPISODES, RUNS, returns
from by_episode import Line, bands, write

FOLDER = Path(__file__).resolve().parent
SUM = tuple(DASHES[1])
STUCK = -20.0  #: mean return of the last hundred episodes of a run that is lost
LINES = {
    "rate_12": Line("α = 2⁻¹², one by one", LIGHT[2]),
    "rate_13": Line("α = 2⁻¹³, one by one", LIGHT[1]),
    "rate_14": Line("α = 2⁻¹⁴, one by one", LIGHT[3]),
    "value": Line("with value baseline, α = 2⁻⁹, one by one", LIGHT[4]),
    "sum_12": Line("α = 2⁻¹², sum", LIGHT[2], SUM),
    "sum_13": Line("α = 2⁻¹³, sum", LIGHT[1], SUM),
}
SUBTITLE = [
    "θ moves after every decision of a finished episode, in the order of time. Dashed: an",
    "episode's sum, applied at once. Means of ten neighbouring episodes. Softmax over two",
    "numbers, no action less probable than .05. Dotted: the best policy.",
]


def book() -> pl.DataFrame:
    """The bands of the book's program, as `bands` has them, and how many runs end below −20."""
    number, run = (grid.ravel() for grid in np.mgrid[1 : EPISODES + 1, :RUNS])
    tables = []
    for seed, (arm, rates) in enumerate(CURVES.items()):
        found = returns(rates, seed)
        rows = {"arm": arm, "seed": run, "number": number, "return_raw": found.ravel()}
        stuck = int((found[-100:].mean(0) < STUCK).sum())
        tables.append(bands(pl.DataFrame(rows), CURVES).with_columns(stuck=pl.lit(stuck)))
    return pl.concat(tables)


def main() -> None:
    """Write the tables and the figure."""
    write(FOLDER, LINES, SUBTITLE)
    book().write_csv(FOLDER / "book.csv")


if __name__ == "__main__":
    main()
