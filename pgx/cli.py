"""The command line: what each command is called, and which exit status an ending gets.

A command imports what it needs when it runs, so that ``pgx --help`` answers at once. Every
command returns its exit status, and `guard` alone turns an exception into one: 0 fine, 1 some run
failed or our bug, 2 the user's mistake, 130 Ctrl-C, 143 SIGTERM.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand

from pgx import __version__
from pgx.analysis.command import compare
from pgx.atari.command import table
from pgx.errors import ConfigError, RunFailed
from pgx.sharing.command import commands as sharing
from pgx.usage import TRAIN_HELP

#: What the parser raises for a misspelt command or option; typer does not export the name.
UsageError: type[Exception] = typer.BadParameter.__bases__[0]

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
    from pgx.train import main as run

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
    seconds: Annotated[float, typer.Option(min=1, help="Of a run, with --tracking.")] = 75.0,
    as_json: JsonOption = False,
) -> int:
    """Training rates here, beside Stable-Baselines3 on the same work."""
    if tracking:
        from pgx.bench.tracking import main as compare

        return compare(repeats, list(replicas), seconds, as_json)
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
    words = list(arguments) or ["--help"]
    return guard(lambda: app(words, prog_name="pgx", standalone_mode=False))


def guard(command: Callable[[], int | None]) -> int:
    """Run ``command`` and map how it ended to an exit status: the only place that does.

    With ``PGX_TRACEBACK=1`` in the environment the traceback of any error is shown as well.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _terminate)
    try:
        return int(command() or 0)
    except (ConfigError, UsageError) as error:
        _say(f"error: {_message(error)}", error)
        return 2
    except RunFailed as error:
        _say(f"failed: {_message(error)}", error)
        return 1
    except (KeyboardInterrupt, typer.Abort):
        return 128 + signal.SIGINT
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except Exception as error:  # noqa: BLE001 - saved, named and answered with status 1
        _say(f"error: {type(error).__name__}: {_message(error)} ({_save(error)})", error)
        return 1


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    """Leave through every ``finally`` on SIGTERM, as Ctrl-C does."""
    raise SystemExit(128 + number)


def _message(error: Exception) -> str:
    """What the error says, in one line."""
    text = error.format_message() if hasattr(error, "format_message") else str(error)
    return " ".join(text.split())


def _say(line: str, error: Exception) -> None:
    if os.environ.get("PGX_TRACEBACK") == "1":
        traceback.print_exception(error)
    print(line, file=sys.stderr)


def _save(error: Exception) -> str:
    """Write the traceback to a file of its own and say where it is."""
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", prefix="pgx-traceback-", suffix=".txt", delete=False
    ) as file:
        traceback.print_exception(error, file=file)
    return f"traceback in {file.name}"


def _print_json(value: Any) -> int:
    import json

    typer.echo(json.dumps(value, indent=2, default=str))
    return 0
