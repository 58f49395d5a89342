"""The published scores: complete, as published, and refused when damaged."""

from __future__ import annotations

from importlib import resources

import pytest

from pgx.atari.scores import TITLES, load, parse


def texts() -> tuple[str, str]:
    data = resources.files("pgx.atari") / "data"
    raw, table = (data / name for name in ("raw_scores.csv", "table1_published.csv"))
    return raw.read_text(encoding="utf-8"), table.read_text(encoding="utf-8")


def test_every_system_has_its_games() -> None:
    scores = load()
    counts = {system: len(scores.raw[system, "human_start"]) for system in TITLES}
    assert counts == {**dict.fromkeys(TITLES, 57), "dqn": 49, "gorila": 49}
    assert len(scores.games) == 57
    assert scores.raw["a3c_lstm", "human_start"]["video_pinball"] == 470310.5
    assert scores.reference("human_start")["video_pinball"] == (20452.0, 15641.1)
    assert scores.reference("noop_start")["video_pinball"] == (16256.9, 17667.9)


def test_the_published_rows_are_in_the_published_order() -> None:
    published = load().published
    assert [row.system for row in published] == list(TITLES)
    assert (published[1].training_time, published[1].mean) == ("4 days, 100 machines", 215.2)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("human,human_start,pong,15.5,", "human,human_start,alien,15.5,", "two scores of alien"),
        ("human,human_start,pong,15.5,", "human,human_start,pong,nan,", "pong is nan"),
        ("human,human_start,pong,15.5,", "human,human_start,ping,15.5,", "57 games need a human"),
        ("human,noop_start,", "human,human,", "noop_start: 57 games"),
        ("gorila,human_start,pong", "gorila,human_start,ping", "gorila: its games"),
    ],
)
def test_damaged_scores_are_refused(old: str, new: str, message: str) -> None:
    raw, table = texts()
    assert old in raw
    with pytest.raises(ValueError, match=message):
        parse(raw.replace(old, new), table)


def test_a_published_row_that_is_gone_is_refused() -> None:
    raw, table = texts()
    with pytest.raises(ValueError, match="published systems"):
        parse(raw, "\n".join(table.splitlines()[:-1]))
