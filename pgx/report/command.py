"""``pgx report`` and ``pgx verify``: a study as a page that can be sent, and the check of one.

The command line imports this module for its options; what they need is imported when it runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from pgx.errors import ConfigError


def report(
    study: Annotated[
        str, typer.Argument(metavar="STUDY", help="A study's name, or a report to draw anew.")
    ],
    against: Annotated[
        str | None, typer.Option(metavar="ARM", help="Instead of the study's reference.")
    ] = None,
    to: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Without it, <output>/<study>/report.")
    ] = None,
    anonymous: Annotated[
        bool, typer.Option("--anonymous", help="Without user, host, paths, remotes, commit.")
    ] = False,
    output: Annotated[
        Path, typer.Option("--output", metavar="DIR", help="Where runs were written.")
    ] = Path("outputs"),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead.")] = False,
) -> int:
    """One page with figures, tables, and the episodes behind them."""
    from pgx.analysis.words import headline
    from pgx.report.anonymous import scrubbed
    from pgx.report.markup import one_line
    from pgx.report.write import PAGE, write_report

    evidence, target, reference = _evidence(study, against, to, output)
    evidence = scrubbed(evidence, output) if anonymous else evidence
    analysis = write_report(evidence, target, reference)
    if as_json:
        return _print_json(
            {
                "study": analysis.study.name,
                "report": str(target / PAGE),
                "headline": headline(analysis),
                "changed": list(analysis.changed),
                "files": sorted(str(path) for path in target.rglob("*") if path.is_file()),
            }
        )
    for line in (headline(analysis), *(f"changed: {line}" for line in analysis.changed)):
        typer.echo(one_line(line))
    typer.echo(target / PAGE)
    return 0


def _evidence(study: str, against: str | None, to: Path | None, output: Path) -> tuple[Any, ...]:
    """The evidence, where its report goes, and the arm that the others are held against."""
    from pgx.report.shipped import RUNS, read_shipped

    made = Path(study).parent if study.endswith(".html") else Path(study)
    if not (output / study).is_dir() and (made / RUNS).is_file():
        shipped = read_shipped(made)
        if shipped.altered:
            raise ConfigError(f"{made}: {shipped.altered[0]}; pgx verify lists them all")
        return shipped.evidence, to or made, against or shipped.against
    from pgx.analysis.gather import gather

    evidence = gather(output, study)
    return evidence, to or output / evidence.study.name / "report", against


def verify(
    report: Annotated[Path, typer.Argument(metavar="REPORT", help="report.html or its directory.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead.")] = False,
) -> int:
    """Recompute every number of a report from the episodes shipped with it."""
    from pgx.report.markup import one_line
    from pgx.report.verify import verify as check

    found = check(report)
    if as_json:
        _print_json(found.as_json())
    else:
        for line in found.lines():
            typer.echo(one_line(line))
    return int(bool(found.differences))


def _print_json(value: Any) -> int:
    import json

    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))
    return 0
