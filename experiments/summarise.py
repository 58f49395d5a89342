"""What a study's README says of its outcome, made of the episodes that its report ships.

    python experiments/summarise.py experiments/001_lecture_ladder

replaces what stands between ``<!-- outcome: begin -->`` and ``<!-- outcome: end -->`` there.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pgx.analysis.render import markdown
from pgx.report.shipped import read_shipped
from pgx.report.write import analysed

BEGIN, END = "<!-- outcome: begin -->", "<!-- outcome: end -->"


def outcome(folder: Path) -> str:
    """The verdict in words, the tables, and how they were made, as Markdown."""
    analysis = analysed(read_shipped(folder / "report"))
    return f"{BEGIN}\n{markdown(analysis, list(analysis.study.places), None).strip()}\n{END}"


def renewed(text: str, block: str) -> str:
    """A README with this outcome in the place of the one it has."""
    before, found, rest = text.partition(BEGIN)
    if not found or END not in rest:
        raise SystemExit(f"the README has no place for it: write {BEGIN} and {END} into it")
    return before + block + rest.partition(END)[2]


if __name__ == "__main__":
    for name in sys.argv[1:]:
        readme = Path(name) / "README.md"
        readme.write_text(renewed(readme.read_text(), outcome(Path(name))))
        print(readme)
