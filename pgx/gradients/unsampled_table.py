"""What is known without sampling, as tables: on a terminal, and as sheets for files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pgx.gradients.table import line
from pgx.gradients.unsampled import cells
from pgx.sheets import Cell, Sheet
from pgx.tables import plain_table, show

if TYPE_CHECKING:
    from rich.console import Console

HEAD = ("estimator", "baseline", "bias", "variance", "signal-to-noise", "cosine", "per decision")
FIGURES = ("bias", "variance", "signal_to_noise", "cosine", "per_decision")


def render(found: dict[str, Any], console: Console) -> None:
    """Print a block for each θ, then the notes; ``found`` is `unsampled.record`'s."""
    for point in found["points"]:
        line(heading(found, point), console, "bold")
        line(point["truth"]["said"], console)
        table = plain_table(*HEAD, "how")
        for place in range(2, 7):
            table.columns[place].justify = "right"
        for row in point["rows"]:
            table.add_row(*cells(row))
        show(table, console)
    for note in found["notes"]:
        line(note, console, "dim")


def heading(found: dict[str, Any], point: dict[str, Any]) -> str:
    """Which θ this is."""
    where = f"{found['environment']}, {found['policy']}"
    return f"{where}: seed {point['seed']}, {point['theta']}, without sampling"


def sheet(found: dict[str, Any]) -> Sheet:
    """For people: rounded."""
    rows: list[tuple[Cell, ...]] = [
        (point["seed"], point["decisions_trained"], *cells(row))
        for point in found["points"]
        for row in point["rows"]
    ]
    said = [f"{heading(found, point)}; {point['truth']['said']}" for point in found["points"]]
    title = f"Gradient estimates without sampling: {found['environment']}, {found['policy']}"
    return Sheet(
        title, ("seed", "decisions trained", *HEAD, "how"), tuple(rows), (*said, *found["notes"])
    )


def data(found: dict[str, Any]) -> Sheet:
    """For programs: every number unrounded."""
    names = (*FIGURES, "trajectories_per_draw")
    rows: list[tuple[Cell, ...]] = [
        (
            *(point[name] for name in ("seed", "decisions_trained", "decisions_per_trajectory")),
            *(row[name] for name in ("estimator", "baseline", "how", "unknown")),
            *(row.get(name) for name in names),
        )
        for point in found["points"]
        for row in point["rows"]
    ]
    head = ("seed", "decisions_trained", "decisions_per_trajectory", "estimator", "baseline")
    return Sheet("Without sampling", (*head, "how", "unknown", *names), tuple(rows), ())


def parameters(found: dict[str, Any]) -> Sheet:
    """For programs: a row for each parameter of each arm."""
    rows: list[tuple[Cell, ...]] = [
        (
            *(point[name] for name in ("seed", "decisions_trained")),
            *(row["estimator"], row["baseline"], name, truth),
            *(one[what] for what in ("mean", "bias", "variance")),
        )
        for point in found["points"]
        for row in point["rows"]
        if row["unknown"] is None
        for name, truth, one in zip(
            point["parameters"], point["truth"]["gradient"], row["parameters"], strict=True
        )
    ]
    head = ("seed", "decisions_trained", "estimator", "baseline", "parameter", "truth")
    return Sheet("Parameter by parameter", (*head, "mean", "bias", "variance"), tuple(rows), ())
