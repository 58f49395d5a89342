"""The book's figures again, with θ moved after every decision as its program moves it.

    python experiments/012_step_by_step/measure.py

writes ``measured.csv`` (mean return of bands of episodes, over runs) and ``figures/episodes.svg``.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pgx.report.looks import DASHES, LIGHT

sys.path.append(str(Path(__file__).resolve().parents[1]))  # what two studies share is there

from by_episode import Line, write

FOLDER = Path(__file__).resolve().parent
SUM = tuple(DASHES[1])
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


def main() -> None:
    """Write the table and the figure."""
    write(FOLDER, LINES, SUBTITLE)


if __name__ == "__main__":
    main()
