"""The book's two figures, by episode: made of the episodes that the report ships.

    python experiments/005_corridor/measure.py

writes ``measured.csv`` (mean return of bands of episodes, over runs) and ``figures/episodes.svg``.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pgx.report.looks import DASHES, LIGHT

sys.path.append(str(Path(__file__).resolve().parents[1]))  # what two studies share is there

from by_episode import Line, write

FOLDER = Path(__file__).resolve().parent
LINES = {
    "rate_12": Line("REINFORCE, α = 2⁻¹²", LIGHT[2]),
    "rate_13": Line("REINFORCE, α = 2⁻¹³", LIGHT[1]),
    "rate_14": Line("REINFORCE, α = 2⁻¹⁴", LIGHT[3]),
    "value": Line("with value baseline, α = 2⁻⁹", LIGHT[4]),
    "exact": Line("exact gradient, α = 2⁻¹³", LIGHT[0], tuple(DASHES[1])),
}
SUBTITLE = [
    "One update per episode; means of ten neighbouring episodes. Softmax over two",
    "numbers, no action less probable than .05. Dotted: the best policy.",
]


def main() -> None:
    """Write the table and the figure."""
    write(FOLDER, LINES, SUBTITLE)


if __name__ == "__main__":
    main()
