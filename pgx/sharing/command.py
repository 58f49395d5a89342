"""``pgx wandb``: a study goes to W&B, and a report about it.

The command line imports this module for its options; what they need is imported when it runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

StudyArgument = Annotated[str, typer.Argument(help="A study's name; a lone run is in adhoc.")]
ProjectOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="W&B project; as the runs' configs say.")
]
EntityOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="W&B user or team; the account's own.")
]
AgainstOption = Annotated[
    str | None, typer.Option(metavar="ARM", help="Hold the arms against this one.")
]
OutputOption = Annotated[
    Path, typer.Option("--output", metavar="DIR", help="Where runs were written.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]

NOT_PUSHED = "`pgx wandb push {}` has sent nothing there yet; panels show what was mirrored online"

commands = typer.Typer(
    help="Send what was recorded offline; build the W&B Report.", add_completion=False
)


@commands.command()
def push(
    study: StudyArgument,
    project: ProjectOption = None,
    entity: EntityOption = None,
    against: AgainstOption = None,
    at_once: Annotated[int, typer.Option(min=1, max=64, help="Runs open at once.")] = 8,
    rate: Annotated[float, typer.Option(min=0.1, help="Points per second, at most.")] = 1000.0,
    output: OutputOption = Path("outputs"),
    as_json: JsonOption = False,
) -> int:
    """Send a study's runs, and a summary per arm; what is there is not sent twice."""
    import json
    from dataclasses import asdict

    from rich.console import Console

    from pgx.sharing.push import push as send

    console = Console(stderr=as_json)
    with console.status("W&B") as status:
        sent = send(
            *(output, study, project, entity, against, at_once, rate),
            heard=lambda so_far: status.update(f"W&B: {so_far.line}"),
        )
    if as_json:
        typer.echo(json.dumps({"study": study, **asdict(sent)}, indent=2))
    else:
        typer.echo(f"W&B: {sent.line}")
        for note in [*sent.notes, *sent.damaged]:
            typer.echo(f"note: {note}")
        typer.echo(sent.url)
    return int(bool(sent.damaged))


@commands.command()
def report(
    study: StudyArgument,
    share: Annotated[
        bool, typer.Option("--share", help="Make the link with which anyone can read it.")
    ] = False,
    dry_run: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the specification, and send nothing.")
    ] = None,
    project: ProjectOption = None,
    entity: EntityOption = None,
    against: AgainstOption = None,
    output: OutputOption = Path("outputs"),
    as_json: JsonOption = False,
) -> int:
    """Build the W&B Report of a study that was pushed, or bring it up to date."""
    import json

    from pgx.sharing.report import report as build

    made = build(output, study, project, entity, against, share, dry_run)
    if as_json:
        typer.echo(json.dumps({"study": study, **made}, indent=2))
    elif dry_run is not None:
        typer.echo(made["path"])
    else:
        typer.echo(made["url"])
        if not made["pushed"]:
            typer.echo(f"note: {NOT_PUSHED.format(study)}")
        if made["share_url"]:
            typer.echo(f"to share: {made['share_url']}")
    return 0
