"""The comparison table: the published systems' rows from their raw scores, and the own runs'."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pgx.atari.normalise import SIGNED, ZERO, Summary, inverted, normalise, rule_of, summarise
from pgx.atari.own import OwnRow
from pgx.atari.scores import TITLES, Published, Scores
from pgx.sheets import Sheet

HUMAN = "human starts"  #: of every published row


@dataclass(frozen=True)
class Row:
    """One system of the table.

    Attributes:
        name: what it is called.
        kind: ``published`` or ``own``.
        time: how long it trained, as published.
        start: the start protocol; an own row's says sticky actions and the like as well.
        measure: which episodes the scores are means of.
        rule: how a game was treated whose random player beats the human.
        scores: game → raw score.
        normalized: game → percent.
        published: the figures that the paper prints.
        runs: game → number of runs; published rows do not count them.
        frames: the fewest and the most of a run.
    """

    name: str
    kind: str
    time: str | None
    start: str
    measure: str
    rule: str
    scores: dict[str, float]
    normalized: dict[str, float]
    published: Summary | None = None
    runs: dict[str, int] = field(default_factory=dict)
    frames: tuple[int, int] | None = None

    @property
    def summary(self) -> Summary:
        """Mean and median over its games, in percent."""
        return summarise(self.normalized)


def build(scores: Scores, rule: str, own: Iterable[OwnRow] = ()) -> list[Row]:
    """Every row: the published systems in the published order, then the own ones.

    Args:
        scores: of `pgx.atari.scores.load`.
        rule: ``published`` or ``signed``, see `pgx.atari.normalise.rule_of`.
        own: of `pgx.atari.own.own_rows`.
    """
    rows = [_published(scores, line, rule_of(rule, line.system)) for line in scores.published]
    return rows + [_own(scores, row, rule_of(rule, None)) for row in own]


def _published(scores: Scores, line: Published, rule: str) -> Row:
    raw = dict(scores.raw[line.system, "human_start"])
    return Row(
        name=TITLES[line.system],
        kind="published",
        time=line.training_time,
        start=HUMAN,
        measure="paper",
        rule=rule,
        scores=raw,
        normalized=normalise(raw, scores.reference("human_start"), rule),
        published=Summary(line.mean, line.median),
    )


def _own(scores: Scores, row: OwnRow, rule: str) -> Row:
    start, play, measure = row.protocol
    reference = scores.reference("human_start" if start == HUMAN else "noop_start")
    return Row(
        name=row.name,
        kind="own",
        time=None,
        start=f"{start}, {play}",
        measure=measure,
        rule=rule,
        scores=row.scores,
        normalized=normalise(row.scores, reference, rule),
        runs=row.runs,
        frames=row.frames,
    )


_HEAD = (
    *("system", "training time", "mean %", "median %", "published mean %", "published median %"),
    *("games", "runs", "frames per run", "start protocol", "scores of", "rule"),
)


def summary_sheet(scores: Scores, rows: Sequence[Row], left_out: Sequence[str] = ()) -> Sheet:
    """A row per system: training time, mean and median, what they are of."""
    cells = []
    for row in rows:
        published = row.published or (None, None)
        games, runs = len(row.normalized), sum(row.runs.values()) or None
        made = (games, runs, _span(row.frames), row.start, row.measure, row.rule)
        cells.append((row.name, row.time, *row.summary, *published, *made))
    title = "Atari: human-normalized score, mean and median over games"
    return Sheet(title, _HEAD, tuple(cells), notes(scores, rows, left_out))


def game_sheet(scores: Scores, rows: Sequence[Row], left_out: Sequence[str] = ()) -> Sheet:
    """A row per game, a column per system: human-normalized scores in percent."""
    head = ("game", *(label(row) for row in rows))
    cells = [(game, *(row.normalized.get(game) for row in rows)) for game in scores.games]
    title = "Atari: human-normalized score of every game, %"
    return Sheet(title, head, tuple(cells), notes(scores, rows, left_out))


def label(row: Row) -> str:
    """A row's name where nothing else tells rows of one arm apart."""
    return row.name if row.kind == "published" else f"{row.name} ({row.start}, {row.measure})"


def notes(scores: Scores, rows: Sequence[Row], left_out: Sequence[str] = ()) -> tuple[str, ...]:
    """What a reader of the table has to know, Video Pinball first among it."""
    found = ["A game's score is 100 (score − random) / (human − random): 0 is random, 100 human."]
    reference = scores.reference("human_start")
    for game in inverted(reference):
        random, human = reference[game]
        found.append(
            f"The published random score of {game} with human starts ({random}) is above the human "
            f"score ({human}), and this one game decides the means. {_both(scores)} "
            f"The published figures of DQN and Gorila follow with '{SIGNED}', those of the other "
            f"six with '{ZERO}'."
        )
    if any(row.kind == "own" for row in rows):
        found.append(
            "Rows named study/arm are this project's runs, not the papers'. They are normalized by "
            "the references with human starts if that is how they started, else by those with "
            "no-op starts; frames are 4 × decisions. Compare rows of the same start "
            "protocol and the same games only."
        )
    return (*found, *left_out)


def _both(scores: Scores) -> str:
    """The last system's figures under either rule, in a sentence."""
    system, reference = scores.published[-1].system, scores.reference("human_start")
    raw, figures = scores.raw[system, "human_start"], []
    for rule in (SIGNED, ZERO):
        mean, median = summarise(normalise(raw, reference, rule))
        figures.append(f"{mean:.1f} / {median:.1f}")
    return (
        f"{TITLES[system]} has mean and median {figures[0]} with the denominator's sign kept "
        f"('{SIGNED}'), {figures[1]} with that random score taken as 0 ('{ZERO}')."
    )


def _span(frames: tuple[int, int] | None) -> str | None:
    if frames is None:
        return None
    least, most = frames
    return f"{least:,}" if least == most else f"{least:,}–{most:,}"


def as_json(row: Row, per_game: bool) -> dict[str, Any]:
    """A row in plain values; with ``per_game`` every game's raw and normalized score."""
    mean, median = row.published or (None, None)
    least, most = row.frames or (None, None)
    found: dict[str, Any] = {
        "system": row.name,
        "kind": row.kind,
        "training_time": row.time,
        "mean": row.summary.mean,
        "median": row.summary.median,
        "published_mean": mean,
        "published_median": median,
        "games": len(row.normalized),
        "runs": sum(row.runs.values()) or None,
        "frames_least": least,
        "frames_most": most,
        "start": row.start,
        "measure": row.measure,
        "rule": row.rule,
    }
    if per_game:
        found["scores"] = {
            game: {"raw": raw, "normalized": row.normalized[game], "runs": row.runs.get(game)}
            for game, raw in row.scores.items()
        }
    return found
