"""What a study's README says of its outcome, made of the episodes that its report ships.

    python experiments/summarise.py experiments/001_lecture_ladder

replaces what stands between ``<!-- outcome: begin -->`` and ``<!-- outcome: end -->`` there, and
the table of all studies in ``experiments/README.md``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from pgx.analysis.render import markdown
from pgx.report.shipped import read_shipped
from pgx.report.write import analysed

HERE = Path(__file__).resolve().parent
BEGIN, END = "<!-- outcome: begin -->", "<!-- outcome: end -->"


def outcome(folder: Path) -> str:
    """The verdict in words, the tables, and how they were made, as Markdown."""
    analysis = analysed(read_shipped(folder / "report"))
    return f"{BEGIN}\n{markdown(analysis, list(analysis.study.places), None).strip()}\n{END}"


def index() -> str:
    """Every study's question, and the verdict that its README begins with, as a table."""
    lines = ["| study | question | verdict |", "| --- | --- | --- |"]
    for folder in sorted(path.parent for path in HERE.glob("*/report")):
        question = json.loads((folder / "report" / "study.json").read_text())["question"]
        verdict = (folder / "README.md").read_text().partition(BEGIN)[2].split("\n", 2)[1]
        lines.append(f"| [{folder.name}]({folder.name}/README.md) | {question} | {verdict} |")
    return "\n".join([BEGIN, *lines, END])


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
    readme = HERE / "README.md"
    readme.write_text(renewed(readme.read_text(), index()))
