"""The command line: what each command is called, and which exit status an ending gets.

A command imports what it needs when it runs, so that ``pgx --help`` answers at once. Every
command returns its exit status, and `pgx.guard` alone turns an exception into one.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from pgx import __version__
from pgx.analysis.command import compare
from pgx.atari.command import table
from pgx.guard import guard
from pgx.report.command import report, verify
from pgx.sharing.command import commands as sharing
from pgx.spinning import spin_briefly
from pgx.sweep.command import sweep
from pgx.usage import GRADIENTS_HELP, TRAIN_HELP

OutputOption = Annotated[
    Path, typer.Option("--output", metavar="DIR", help="Where runs were written.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


class Verbatim(TyperCommand):
    """A command that takes its arguments as they are: the grammar is another program's."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Keep every argument, in order, in ``ctx.args``."""
        ctx.args = list(args)
        return []


app = typer.Typer(
    name="pgx",
    help="Which ingredient of a policy-gradient method does what, and how sure are we?",
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"pgx-lab {__version__}")
        raise typer.Exit(0)


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Which ingredient of a policy-gradient method does what, and how sure are we?"""


@app.command(cls=Verbatim, add_help_option=False)
def train(context: typer.Context) -> int:
    """Train one arm, all its seeds: pgx train experiment=a2c seeds=10."""
    if {"--help", "-h"} & set(context.args):
        typer.echo(TRAIN_HELP, nl=False)
        return 0
    from pgx.tracking.mirror import prepared

    with prepared(context.args):  # before torch is imported, which takes longer
        from pgx.sweep.lone import check_arm
        from pgx.train import main as run

        return run(context.args, check_arm)


app.command(cls=Verbatim, add_help_option=False)(sweep)


@app.command(cls=Verbatim, add_help_option=False)
def gradients(context: typer.Context) -> int:
    """Bias and variance of gradient estimates at one θ, against the truth."""
    if {"--help", "-h"} & set(context.args):
        typer.echo(GRADIENTS_HELP, nl=False)
        return 0
    from pgx.gradients.command import main as run

    return run(context.args)


@app.command()
def status(
    study: Annotated[str | None, typer.Argument(help="A study's name; all without one.")] = None,
    output: OutputOption = Path("outputs"),
    as_json: JsonOption = False,
) -> int:
    """Done, running, interrupted, failed: where every run stands."""
    from pgx.status import render
    from pgx.status import status as collect

    rows = collect(study, output)
    if as_json:
        return _print_json(rows)
    from rich.console import Console

    render(rows, Console())
    return 0


@app.command()
def export(
    study: Annotated[str, typer.Argument(help="A study's name; a lone `pgx train` is in adhoc.")],
    format: Annotated[str, typer.Option(help="csv or parquet.")] = "csv",
    to: Annotated[
        Path | None, typer.Option("--to", metavar="FILE", help="Where to write the rows.")
    ] = None,
    output: OutputOption = Path("outputs"),
    as_json: JsonOption = False,
) -> int:
    """Tidy rows of every episode of a study, all seeds joined."""
    from pgx.export import export as write

    path = write(study, output, format, to)
    if as_json:
        return _print_json({"study": study, "format": format, "path": str(path)})
    typer.echo(path)
    return 0


@app.command("eval")
def evaluate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A part's directory.")],
    episodes: Annotated[int, typer.Option(min=1, max=100_000, help="Per seed.")] = 100,
    deterministic: Annotated[
        bool | None,
        typer.Option(
            "--deterministic/--stochastic",
            help="The likeliest action or the mean, or sampled; as the run's config says.",
        ),
    ] = None,
    seeds: Annotated[str | None, typer.Option(help="Only these: 0-4, or 0,3.")] = None,
    video: Annotated[
        Path | None,
        typer.Option(metavar="FILE.mp4", help="A film of the first episode of the first seed."),
    ] = None,
    allow_targets: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Trust classes of this module.")
    ] = None,
    output: OutputOption = Path("outputs"),
    as_json: JsonOption = False,
) -> int:
    """Play a checkpoint under a stated protocol: mean returns with intervals."""
    from pgx.evaluate import evaluate as play
    from pgx.evaluate import render
    from pgx.restore import find_part

    part = find_part(run, output)
    found = play(part, episodes, deterministic, seeds, video, allow_targets or ())
    if as_json:
        return _print_json(found)
    from rich.console import Console

    render(found, Console())
    return 0


app.command()(table)
app.command()(compare)
app.command()(report)
app.command()(verify)
app.add_typer(sharing, name="wandb")


@app.command()
def bench(
    repeats: Annotated[int, typer.Option(min=1, help="Interleaved repeats per row.")] = 5,
    replicas: Annotated[list[int], typer.Option(min=1, help="R of a pgx row; repeatable.")] = (
        1,
        32,
    ),
    decisions: Annotated[int, typer.Option(min=1, help="Per replica, of every run.")] = 300_000,
    tracking: Annotated[
        bool, typer.Option("--tracking", help="What tracker=wandb costs, instead.")
    ] = False,
    faults: Annotated[
        bool, typer.Option("--faults", help="Whether a W&B server that fails slows it, instead.")
    ] = False,
    seconds: Annotated[
        float | None, typer.Option(min=1, help="Of a run: with --tracking 75, with --faults 120.")
    ] = None,
    as_json: JsonOption = False,
) -> int:
    """Training rates here, beside Stable-Baselines3 on the same work."""
    if faults:
        from pgx.bench.faults import main as face

        return face(seconds or 120.0, as_json)
    if tracking:
        from pgx.bench.tracking import main as compare

        return compare(repeats, list(replicas), seconds or 75.0, as_json)
    from pgx.bench import main as run

    return run(repeats, list(replicas), decisions, as_json)


@app.command()
def doctor(output: OutputOption = Path("outputs"), as_json: JsonOption = False) -> int:
    """What is installed, missing or known bad."""
    from pgx.doctor import examine, render

    findings = examine(output)
    if as_json:
        _print_json([finding._asdict() for finding in findings])
    else:
        render(findings)
    return int(any(finding.status == "bad" for finding in findings))


@app.command()
def init(
    directory: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where to write.")] = Path(),
    as_json: JsonOption = False,
) -> int:
    """Files to start from: a study, an arm and an estimator."""
    from pgx.init import next_step, write_starter

    written = write_starter(directory)
    if as_json:
        return _print_json([str(path) for path in written])
    for path in written:
        typer.echo(path)
    typer.echo(next_step(directory))
    return 0


def main(arguments: Sequence[str]) -> int:
    """Run one command and return its exit status."""
    spin_briefly()
    words = list(arguments) or ["--help"]
    return guard(lambda: app(words, prog_name="pgx", standalone_mode=False))


def _print_json(value: Any) -> int:
    import json

    typer.echo(json.dumps(value, indent=2, default=str))
    return 0
