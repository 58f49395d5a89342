"""``pgx table``: published results as tables, the project's own runs as further rows.

The command line imports this module for its options; what they need is imported when it runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pgx.errors import ConfigError, check_choice

TABLES = ("atari",)


def table(
    what: Annotated[str, typer.Argument(metavar="TABLE", help="atari")],
    rule: Annotated[
        str, typer.Option(help="Where random beats the human: published or signed.")
    ] = "published",
    per_game: Annotated[bool, typer.Option("--per-game", help="A row per game.")] = False,
    format: Annotated[
        str | None, typer.Option(help="markdown, csv, latex or html.", show_default="markdown")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    figure: Annotated[
        Path | None, typer.Option(metavar="FILE.svg", help="Also draw it: svg, pdf or png.")
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", metavar="DIR", help="Where runs were written.")
    ] = Path("outputs"),
) -> int:
    """The Atari table of the A3C paper, from raw scores; own runs as rows."""
    from pgx.atari.normalise import RULES
    from pgx.sheets import FORMATS

    check_choice("TABLE", what, TABLES)
    check_choice("--rule", rule, RULES)
    if format is not None:
        check_choice("--format", format, FORMATS)
        if as_json:
            raise ConfigError(f"--format={format}: --json is a format of its own; drop one")
    made = show(rule, per_game, None if as_json else format or "markdown", figure, output)
    typer.echo(made, nl=False)
    return 0


def show(rule: str, per_game: bool, format: str | None, figure: Path | None, output: Path) -> str:
    """What the command prints, after it has drawn the figure if one is asked for.

    Args:
        rule: of `pgx.atari.normalise.RULES`.
        per_game: a row per game instead of one per system.
        format: of `pgx.sheets.FORMATS`; None is JSON.
        figure: file to draw.
        output: the output directory, for the own rows.
    """
    import json

    from pgx.atari.own import own_rows
    from pgx.atari.scores import load
    from pgx.atari.table import as_json, build, game_sheet, summary_sheet
    from pgx.sheets import FORMATS

    scores = load()
    if figure is not None:
        from pgx.atari.figure import check

        check(figure)
    own, left_out = own_rows(output, scores.games)
    rows = build(scores, rule, own)
    sheet = (game_sheet if per_game else summary_sheet)(scores, rows, left_out)
    if figure is not None:
        from pgx.atari.figure import draw

        draw(rows, figure)
    if format is None:
        made = {
            "rule": rule,
            "rows": [as_json(row, per_game) for row in rows],
            "notes": list(sheet.notes),
            "figure": None if figure is None else str(figure),
        }
        return json.dumps(made, indent=2, ensure_ascii=False) + "\n"
    for line in sheet.notes if format == "csv" else ():
        typer.echo(f"note: {line}", err=True)
    return FORMATS[format](sheet)
