"""What a sweep says of itself: a row per job, how the rows look, and the sum of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from statistics import median
from typing import TYPE_CHECKING

from pgx.errors import ConfigError
from pgx.sweep.gauge import Gauge
from pgx.sweep.job import Job
from pgx.tables import NOTHING, duration, number, plain_table, seed_span, status_text

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

#: How soon a row gives way to others where not all fit: what happens now is shown first.
_SHOWN_FIRST = ("running", "failed", "interrupted", "waiting", "finished")
_AROUND = 8  # lines that are no rows: the title, the head, its line, the totals, what is around
_BAR = 16  # columns of a bar


class Row:
    """One job as the table shows it.

    Args:
        job: which.
        expected: seconds that it should take, if that is known.

    Attributes:
        state: ``waiting``, ``running``, or how it ended: ``finished``, ``failed``, ``interrupted``.
    """

    def __init__(self, job: Job, expected: float | None = None) -> None:
        self.job, self.expected, self.state = job, expected, "waiting"
        self._gauge: Gauge | None = None
        self._begun = self._took = 0.0
        self._final: tuple[list[int], float | None] | None = None

    def start(self, now: float) -> None:
        """Its process has been started."""
        self.state, self._begun, self._gauge = "running", now, Gauge(self.job)

    def read(self, now: float) -> None:
        """Bring it up to date, if it runs."""
        if self.state == "running" and self._gauge is not None:
            self._gauge.read(now)
            self._took = now - self._begun

    def end(self, now: float, state: str, took_s: float | None = None) -> None:
        """Its process has ended: it is ``finished``, ``failed`` or ``interrupted``."""
        self.read(now)
        self._took = self._took if took_s is None else took_s
        self.state, self._final = state, _final(self.job)
        self.close()

    def close(self) -> None:
        """Let go of its files."""
        if self._gauge is not None:
            self._gauge.close()

    @property
    def decisions(self) -> list[int]:
        """Of every seed."""
        if self._final is not None:
            return self._final[0]
        return self._gauge.decisions.tolist() if self._gauge else [0] * len(self.job.seeds)

    @property
    def recent_return(self) -> float | None:
        """The median over seeds of their last-100 means."""
        if self._final is not None:
            return self._final[1]
        return self._gauge.recent_return if self._gauge else None

    @property
    def rate(self) -> float | None:
        """Decisions per second, summed over seeds; of a row that runs."""
        return self._gauge.rate if self._gauge and self.state == "running" else None

    @property
    def took_s(self) -> float:
        """Seconds since it began, or that it took."""
        return self._took

    @property
    def left_s(self) -> float | None:
        """Seconds that it still needs; None if nothing is known about that."""
        if self.state == "waiting":
            return self.expected
        if self.state != "running":
            return 0.0
        left = self._gauge.left_s if self._gauge else None
        if left is None and self.expected is not None:
            return max(0.0, self.expected - self._took)
        return left

    @property
    def cost_s(self) -> float | None:
        """Seconds per decision of a seed's budget, from start to end, by what is seen so far."""
        left = self.left_s
        if self.state in ("running", "finished") and left is not None and self.job.budget:
            return (self._took + left) / self.job.budget
        return None


def _final(job: Job) -> tuple[list[int], float | None] | None:
    """What the part's files say at its end; None if they cannot say."""
    from pgx.records import read_part, seed_rows

    try:
        rows = seed_rows(read_part(job.directory))
    except ConfigError:
        return None
    returns = [row["recent_return"] for row in rows if row["recent_return"] is not None]
    return [row["decisions"] for row in rows], median(returns) if returns else None


def left_s(rows: Sequence[Row], at_a_time: int) -> float | None:
    """Seconds until all rows are done; None before anything is known about the rows that wait.

    A row that waits costs what was expected, or what the others cost per decision.
    """
    costs = [cost for row in rows if (cost := row.cost_s) is not None]
    usual = sum(costs) / len(costs) if costs else None
    left = []
    for row in rows:
        own = row.left_s
        if own is None and usual is not None:
            own = max(0.0, usual * row.job.budget - row.took_s)
        if own is None:
            return None
        left.append(own)
    return max(max(left), sum(left) / at_a_time)


def totals(rows: Sequence[Row], at_a_time: int, width: int = 10_000) -> str:
    """About all rows: how many are done, run, wait and failed; the rate and the time left.

    They stand in one line where a terminal of this width has room for that.
    """
    states = [row.state for row in rows]
    counts = [f"{states.count('finished')} of {_parts(rows)} done"]
    for state in ("running", "waiting", "interrupted", "failed"):
        if count := states.count(state):
            counts.append(f"{count} {state}")
    pace = []
    if rate := sum(row.rate or 0.0 for row in rows):
        pace.append(f"{rate:,.0f} decisions/s")
    if {"running", "waiting"} & set(states):
        left = left_s(rows, at_a_time)
        pace.append(f"{duration(left)} left" if left is not None else "time left not known yet")
    line = ", ".join([*counts, *pace])
    return line if len(line) <= width else ", ".join(counts) + "\n" + ", ".join(pace)


def _parts(rows: Sequence[Row]) -> str:
    return f"{len(rows)} part{'' if len(rows) == 1 else 's'}"


def said(row: Row) -> str:
    """One line about a row that has ended."""
    word = {"finished": "done"}.get(row.state, row.state)
    done = f"{_progress(row)} decisions"
    if row.job.budget == 1:  # a smoke test, which ends with the iteration that it begins
        done = f"one iteration, {min(row.decisions):,} decisions"
    taken = f"return {number(row.recent_return)}, {done} in {duration(row.took_s)}"
    return f"{word:<7} {row.job.name}: {taken}"


def _progress(row: Row) -> str:
    """Decisions of the budget, of the seed that has the fewest."""
    return f"{min(row.decisions):,} of {row.job.budget:,}"


def table(rows: Sequence[Row], at_a_time: int, console: Console) -> RenderableType:
    """The rows that a terminal has room for, and the line of totals below them.

    What all rows share, the environment and the budget, stands in the title alone. Columns keep
    their widths from look to look.
    """
    from rich.console import Group
    from rich.text import Text

    shown = _chosen(rows, console.height - _AROUND)
    places = {row.job.environment for row in rows}
    budgets = {row.job.budget for row in rows}
    columns = _columns(rows, places, budgets, console.width)
    made = plain_table(*columns)
    for column in made.columns:
        column.no_wrap, column.min_width = True, columns[str(column.header)]
        if column.header in ("decisions", "return", "per s", "left"):
            column.justify = "right"
    for row in shown:
        cells = _cells(row, columns["arm"], of_budget=len(budgets) > 1)
        made.add_row(*(cells[name] for name in columns))
    made.title, made.title_justify, made.title_style = _title(rows, places, budgets), "left", "bold"
    hidden = len(rows) - len(shown)
    made.caption = f" {hidden} more not shown" if hidden else None
    made.caption_justify = "left"
    return Group(made, Text(totals(rows, at_a_time, console.width)))


def _title(rows: Sequence[Row], places: Collection[str], budgets: Collection[int]) -> str:
    text = _parts(rows)
    if len(places) == 1:
        text += f" on {next(iter(places))}"
    if set(budgets) == {1}:
        return f"{text}, one iteration"
    return text if len(budgets) > 1 else f"{text}, {next(iter(budgets)):,} decisions per seed"


def _columns(
    rows: Sequence[Row], places: Collection[str], budgets: Collection[int], width: int
) -> dict[str, int]:
    """The columns and their widths; arms get what is left. A bar gives way to whole names."""
    digits = len(f"{max(budgets):,}")
    widths = {"environment": max(map(len, (*places, "environment")))} if len(places) > 1 else {}
    widths["seeds"] = max(5, *(len(seed_span(row.job.seeds)) for row in rows))
    widths["progress"] = _BAR
    widths["decisions"] = max(11, digits if len(budgets) == 1 else 2 * digits + 4)
    widths |= {"return": 8, "per s": 8, "left": 9}
    longest = max(len(row.job.arm) for row in rows)
    room = _room(width, widths)
    if room < longest:
        del widths["progress"]
        room = _room(width, widths)
    return {"arm": max(8, min(room, longest)), **widths}


def _room(width: int, widths: Mapping[str, int]) -> int:
    """What columns of these widths leave of a line to one more."""
    return width - sum(widths.values()) - 2 * (len(widths) + 1)


def _chosen(rows: Sequence[Row], room: int) -> list[Row]:
    """As many rows as there is room for, the most telling ones, in the order of the study."""
    order = sorted(rows, key=lambda row: _SHOWN_FIRST.index(row.state))
    kept = {id(row) for row in order[: max(1, room)]}
    return [row for row in rows if id(row) in kept]


def _cells(row: Row, width: int, of_budget: bool) -> dict[str, str | Text]:
    job, rate = row.job, row.rate
    cells: dict[str, str | Text] = {
        "arm": _short(job.arm, width),
        "environment": job.environment,
        "seeds": seed_span(job.seeds),
        "progress": _bar(row),
        "return": number(row.recent_return),
        "per s": f"{rate:,.0f}" if rate else NOTHING,
        "left": duration(row.left_s) if row.state == "running" else NOTHING,
    }
    if row.state == "running":
        done = _progress(row) if of_budget else f"{min(row.decisions):,}"
        cells["decisions"] = done if any(row.decisions) else "starting"
    else:
        cells["decisions"] = _dim("waiting") if row.state == "waiting" else status_text(row.state)
    if row.state == "finished":
        cells["left"] = _dim(f"in {duration(row.took_s)}")
    return cells


def _short(text: str, width: int) -> str:
    """The text, or its two ends: arms often differ in their last characters."""
    if len(text) <= width:
        return text
    head = (width - 1) // 2
    return f"{text[:head]}…{text[len(text) - (width - 1 - head) :]}"


def _dim(text: str) -> Text:
    from rich.text import Text

    return Text(text, style="dim")


def _bar(row: Row) -> Text:
    """How much of the budget is done, as a line whose colour is that of the state."""
    from rich.text import Text

    budget = max(1, row.job.budget)
    done = sum(min(taken, budget) for taken in row.decisions) / (budget * len(row.decisions))
    full = round(done * _BAR)
    colour = {"finished": "green", "failed": "red", "interrupted": "yellow"}.get(row.state, "cyan")
    return Text("━" * full, style=colour).append("─" * (_BAR - full), style="dim")
