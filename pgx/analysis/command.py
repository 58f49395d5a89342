"""``pgx compare``: which arm of a study is better, worse or undecided, and how sure that is.

The command line imports this module for its options; what they need is imported when it runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pgx.errors import ConfigError, check_choice

if TYPE_CHECKING:
    from pgx.analysis.model import Analysis, Evidence


def compare(
    study: Annotated[str, typer.Argument(help="A study's name; a lone `pgx train` is in adhoc.")],
    against: Annotated[
        str | None, typer.Option(metavar="ARM", help="Arm to hold the others against.")
    ] = None,
    metric: Annotated[
        str | None, typer.Option(help="area or final.", show_default="the study's")
    ] = None,
    environment: Annotated[
        str | None, typer.Option(metavar="ENV", help="Show only this one's tables.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of every resample and test.")] = 0,
    format: Annotated[
        str | None, typer.Option(help="markdown, csv or latex, instead of the terminal's.")
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", metavar="DIR", help="Where runs were written.")
    ] = Path("outputs"),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> int:
    """Which arm is better, worse or undecided: figures, differences, verdicts."""
    from pgx.analysis.render import FORMATS
    from pgx.study import METRICS

    if metric is not None:
        check_choice("--metric", metric, METRICS)
    if format is not None:
        check_choice("--format", format, FORMATS)
        if as_json:
            raise ConfigError(f"--format={format}: --json is a format of its own; drop one")
    show(study, against, metric, environment, seed, "json" if as_json else format, output)
    return 0


def show(
    name: str,
    against: str | None,
    metric: str | None,
    environment: str | None,
    seed: int,
    format: str | None,
    output: Path,
) -> None:
    """Analyse a study and print what is said about it.

    Args:
        name: the study's.
        against: arm; None: the study's reference.
        metric: that the tables are about; None: the study's.
        environment: whose tables are shown; None: all.
        seed: of every generator.
        format: ``json``, of `pgx.analysis.render.FORMATS`, or None: for a terminal.
        output: the output directory.
    """
    from rich.console import Console

    from pgx.analysis.analyse import analyse
    from pgx.analysis.gather import gather
    from pgx.analysis.render import FORMATS, remarks, render, visible
    from pgx.analysis.words import headline

    evidence = judged_by(gather(output, name), metric)
    if environment is not None:
        slugs = {place.option: slug for slug, place in evidence.study.places.items()}
        environment = slugs.get(environment, environment)
        check_choice("--environment", environment, evidence.study.places)
    analysis = analyse(evidence, against, seed)
    places = [environment] if environment else list(evidence.study.places)
    if format is None:
        render(analysis, places, metric, Console())
    elif format == "json":
        typer.echo(as_text(analysis, places))
    else:
        typer.echo(FORMATS[format](analysis, places, metric), nl=False)
        for line in [headline(analysis), *remarks(analysis, metric)] if format == "csv" else ():
            typer.echo(visible(line), err=True)


def judged_by(evidence: Evidence, metric: str | None) -> Evidence:
    """The evidence with another primary metric, where no study has fixed one.

    A study names its metric before it has runs; choosing it afterwards would void the verdicts.
    """
    from dataclasses import replace

    if metric is None or evidence.study.reference:
        return evidence
    return replace(evidence, study=replace(evidence.study, metric=metric))


def as_text(analysis: Analysis, places: list[str]) -> str:
    """The analysis as JSON: question and prediction, what is said, and every number."""
    import json

    from pgx.analysis.numbers import numbers
    from pgx.analysis.words import headline, sentences

    found: dict[str, Any] = numbers(analysis)
    found["environments"] = {place: found["environments"][place] for place in places}
    told = {
        "question": analysis.study.question,
        "prediction": analysis.study.prediction,
        "headline": headline(analysis),
        "sentences": sentences(analysis),
    }
    return json.dumps(told | found, indent=2, ensure_ascii=False, allow_nan=False)
