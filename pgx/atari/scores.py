"""The published scores, as they were published: package data, checked when loaded."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

REFERENCES = ("human", "random")
STARTS = ("human_start", "noop_start")
GAMES = 57  #: that the references cover, under each start

#: What Table 1 of Mnih et al. 2016 calls its systems, in its order.
TITLES = {
    "dqn": "DQN",
    "gorila": "Gorila",
    "double_dqn": "D-DQN",
    "dueling_dqn": "Dueling D-DQN",
    "prioritized_dqn": "Prioritized DQN",
    "a3c_ff_1day": "A3C, FF, 1 day",
    "a3c_ff": "A3C, FF",
    "a3c_lstm": "A3C, LSTM",
}


@dataclass(frozen=True)
class Published:
    """One row of the published table: system, training time, and its mean and median in percent."""

    system: str
    training_time: str
    mean: float
    median: float


@dataclass(frozen=True)
class Scores:
    """What the papers report.

    Attributes:
        raw: (system, start) → game → raw score; the references are systems here.
        published: the rows that the raw scores have to give, in the published order.
    """

    raw: Mapping[tuple[str, str], Mapping[str, float]]
    published: tuple[Published, ...]

    def reference(self, start: str) -> dict[str, tuple[float, float]]:
        """Game → (random, human) raw scores under a start protocol."""
        random, human = self.raw["random", start], self.raw["human", start]
        return {game: (random[game], human[game]) for game in random}

    @property
    def games(self) -> tuple[str, ...]:
        """Every game's id, sorted."""
        return tuple(sorted(self.raw["random", "human_start"]))


@cache
def load() -> Scores:
    """The scores that pgx carries.

    Raises:
        ValueError: the files are not what they were published as: the installation is damaged.
    """
    data = resources.files("pgx.atari") / "data"
    return parse(
        (data / "raw_scores.csv").read_text(encoding="utf-8"),
        (data / "table1_published.csv").read_text(encoding="utf-8"),
    )


def parse(raw: str, published: str) -> Scores:
    """Scores from the text of the two CSV files, ``raw_scores`` and ``table1_published``.

    Raises:
        ValueError: a score is there twice or no finite number, or a game lacks a reference.
    """
    scores: dict[tuple[str, str], dict[str, float]] = {}
    for row in csv.DictReader(raw.splitlines()):
        games, score = scores.setdefault((row["system"], row["start"]), {}), float(row["score"])
        if row["game"] in games:
            raise ValueError(f"{row['system']} has two scores of {row['game']}, {row['start']}")
        if not math.isfinite(score):
            raise ValueError(f"{row['system']}'s score of {row['game']} is {score}")
        games[row["game"]] = score
    table = tuple(
        Published(
            row["system"],
            row["training_time"],
            float(row["mean_percent"]),
            float(row["median_percent"]),
        )
        for row in csv.DictReader(published.splitlines())
    )
    _check(scores, table)
    return Scores(scores, table)


def _check(
    scores: Mapping[tuple[str, str], Mapping[str, float]], table: tuple[Published, ...]
) -> None:
    for start in STARTS:
        human, random = (scores.get((name, start), {}).keys() for name in REFERENCES)
        if human != random or len(human) != GAMES:
            raise ValueError(f"{start}: {GAMES} games need a human and a random score each")
    if tuple(row.system for row in table) != tuple(TITLES):
        raise ValueError(f"the published systems are {', '.join(TITLES)}")
    known = scores["human", "human_start"].keys()
    for system in TITLES:
        games = scores.get((system, "human_start"), {}).keys()
        if not games or games - known:
            raise ValueError(f"{system}: its games are not those of the references")
