"""The measurements as tables: on a terminal, and as sheets for files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pgx.gradients.verdicts import UNSEEN
from pgx.gradients.words import short
from pgx.sheets import Cell, Sheet
from pgx.tables import plain_table, printable, show

if TYPE_CHECKING:
    from rich.console import Console

_FIRST = ("estimator", "baseline", "bias", "verdict", "variance")
HEAD = (*_FIRST, "signal-to-noise", "cosine", "per decision", "per second")
WIDE = 150  #: columns of a terminal on which a row needs no second line
_INTERVALS = ("bias", "variance", "signal_to_noise", "cosine", "per_decision", "per_second")


def render(found: dict[str, Any], console: Console) -> None:
    """Print a block for each θ, then the notes; ``found`` is `pgx.gradients.record.record`'s."""
    from rich.text import Text

    for point in found["points"]:
        line(point["heading"], console, "bold")
        line(point["truth"]["said"], console)
        narrow = console.is_terminal and console.width < WIDE
        table = plain_table(*(_folded(name) if narrow else name for name in HEAD))
        for place in (2, 4, 5, 6, 7, 8):
            table.columns[place].justify = "right"
        for column in table.columns[:2]:
            column.no_wrap = True
        for row in point["rows"]:
            words, sound = cells(row), row["verdict"] == UNSEEN
            if narrow:  # what follows a number goes below it
                words = [word.replace(" [", "\n[").replace(" within", "\nwithin") for word in words]
            words[3] = Text(words[3], style="green" if sound else "red")
            table.add_row(*words)
        show(table, console)
    for note in found["notes"]:
        line(note, console, "dim")


def _folded(name: str) -> str:
    return name.replace("signal-to-noise", "signal to noise")


def line(text: str, console: Console, style: str = "") -> None:
    """Print one line, however long."""
    shown = printable(text, console)
    console.print(shown, style=style, markup=False, highlight=False, soft_wrap=True)


def cells(row: dict[str, Any]) -> list[Any]:
    """A row for people."""
    within = f" within ±{short(row['within'])}" if row["verdict"] == UNSEEN else ""
    return [
        row["estimator"],
        row["baseline"],
        _with_ends(row["bias"]),
        f"{row['verdict']}{within}",
        _with_ends(row["variance"]),
        short(row["signal_to_noise"]["value"]),
        short(row["cosine"]["value"]),
        short(row["per_decision"]["value"]),
        short(row["per_second"]["value"]),
    ]


def _with_ends(figure: dict[str, float | None]) -> str:
    ends = "" if figure["low"] is None else f" [{short(figure['low'])}, {short(figure['high'])}]"
    return f"{short(figure['value'])}{ends}"


def sheet(found: dict[str, Any]) -> Sheet:
    """For people: rounded, intervals in their cells."""
    rows: list[tuple[Cell, ...]] = [
        (point["seed"], point["decisions_trained"], *cells(row))
        for point in found["points"]
        for row in point["rows"]
    ]
    said = [f"{point['heading']}; {point['truth']['said']}" for point in found["points"]]
    title = f"Gradient estimates against the truth: {found['environment']}, {found['policy']}"
    head = ("seed", "decisions trained", *HEAD)
    return Sheet(title, head, tuple(rows), (*said, *found["notes"]))


def data(found: dict[str, Any]) -> Sheet:
    """For programs: every number unrounded, the ends of intervals in columns of their own."""
    plain = ("estimator", "baseline", "verdict", "within", "p", "p_adjusted")
    counts = ["decisions_per_trajectory", "seconds_per_trajectory", "trajectories_per_draw"]
    counts += ["draws", "explained_variance"]
    ends = [f"{name}_{end}" for name in _INTERVALS for end in ("value", "low", "high")]
    rows: list[tuple[Cell, ...]] = [
        (
            *_place(point),
            *(row[name] for name in plain),
            *(row[name][end] for name in _INTERVALS for end in ("value", "low", "high")),
            *(row[name] for name in counts),
        )
        for point in found["points"]
        for row in point["rows"]
    ]
    head = ("seed", "decisions_trained", "truth", *plain, *ends, *counts)
    return Sheet("Gradient estimates against the truth", head, tuple(rows), ())


def parameters(found: dict[str, Any]) -> Sheet:
    """For programs: a row for each parameter of each arm."""
    rows: list[tuple[Cell, ...]] = [
        (
            *_place(point),
            row["estimator"],
            row["baseline"],
            name,
            truth,
            one["mean"],
            *(one[what][end] for what in ("bias", "variance") for end in ("value", "low", "high")),
        )
        for point in found["points"]
        for row in point["rows"]
        for name, truth, one in zip(
            point["parameters"], point["truth"]["gradient"], row["parameters"], strict=True
        )
    ]
    ends = [f"{what}_{end}" for what in ("bias", "variance") for end in ("value", "low", "high")]
    head = ("seed", "decisions_trained", "truth_kind", "estimator", "baseline", "parameter")
    return Sheet("Parameter by parameter", (*head, "truth", "mean", *ends), tuple(rows), ())


def curves(found: dict[str, Any]) -> Sheet:
    """For programs: the variance of a batch's estimate, by the batch's size."""
    rows: list[tuple[Cell, ...]] = [
        (*_place(point), row["estimator"], row["baseline"], size, variance)
        for point in found["points"]
        for row in point["rows"]
        for size, variance in zip(row["batch_sizes"], row["batch_variance"], strict=True)
        if variance is not None
    ]
    head = ("seed", "decisions_trained", "truth", "estimator", "baseline", "batch", "variance")
    return Sheet("Variance against batch size", head, tuple(rows), ())


def _place(point: dict[str, Any]) -> tuple[Cell, ...]:
    return point["seed"], point["decisions_trained"], point["truth"]["kind"]
