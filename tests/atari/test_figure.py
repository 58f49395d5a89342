"""The figure: what is in it, in which order, and a file that is whole or absent."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from pgx.atari.figure import chart, check, draw, order, rule_line, span
from pgx.atari.scores import load
from pgx.atari.table import Row, build
from pgx.errors import ConfigError

ROWS = build(load(), "published")
MAGIC = {"svg": b"<svg", "pdf": b"%PDF", "png": b"\x89PNG"}


def row(name: str, **normalized: float) -> Row:
    return Row(name, "published", None, "human starts", "paper", "signed", normalized, normalized)


def test_games_are_sorted_by_the_median_over_those_who_have_a_score() -> None:
    rows = [row("a", x=1.0, y=9.0), row("b", x=2.0, y=0.0), row("c", x=3.0, z=5.0, y=1.0)]
    assert order(rows) == ["z", "x", "y"]


def test_one_mark_per_system_and_game() -> None:
    made = chart(ROWS).to_dict()
    points = made["layer"][1]
    marks = points["data"]["values"]
    assert len(marks) == 2 * 49 + 6 * 57
    found = {m["game"]: m["percent"] for m in marks if m["system"] == "A3C, LSTM"}
    assert found == ROWS[-1].normalized
    assert points["encoding"]["y"]["sort"] == order(ROWS)
    assert points["encoding"]["x"]["scale"]["type"] == "symlog"
    least, most = points["encoding"]["x"]["scale"]["domain"]
    assert all(least < mark["percent"] < most for mark in marks)
    for channel in ("color", "shape"):
        scale = points["encoding"][channel]["scale"]
        assert scale["domain"] == [r.name for r in ROWS]
    assert [v["percent"] for v in made["layer"][0]["data"]["values"]] == [0, 100]


def test_no_two_rows_look_alike_and_own_ones_are_told_from_published_ones() -> None:
    mine = [replace(ROWS[0], name=f"atari/{i}", kind="own") for i in range(12)]
    encoding = chart([*ROWS, *mine]).to_dict()["layer"][1]["encoding"]
    pairs = list(zip(*(encoding[c]["scale"]["range"] for c in ("color", "shape")), strict=True))
    assert len(set(pairs)) == len(pairs) == 8 + 12
    for of in zip(*pairs, strict=True):
        assert not set(of[:8]) & set(of[8:])


def test_the_axis_shows_random_and_human_play_whatever_the_scores() -> None:
    assert span([3.0, 40.0]) == (-10, 200)
    assert span([-100.0, 1000.0]) == (-150.0, 1500.0)


def test_the_rule_is_in_the_figure() -> None:
    assert rule_line(ROWS).endswith("taken as 0, but not for DQN and Gorila.")
    assert rule_line(ROWS[2:]).endswith("taken as 0.")
    assert rule_line(build(load(), "signed")).endswith("sign is kept.")


@pytest.mark.parametrize("kind", MAGIC)
def test_a_file_of_every_kind(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "new" / f"atari.{kind}"
    draw([row("a", pong=50.0, alien=-3.0), row("b", pong=120.0)], path)
    assert path.read_bytes().startswith(MAGIC[kind])
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    if kind == "svg":
        words = {e.text for e in ElementTree.parse(path).iter() if e.text}
        assert {"pong", "alien", "a", "b", "Atari: human-normalized score"} <= words


def test_mistakes_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"does not end in one of \.svg, \.pdf, \.png"):
        check(tmp_path / "atari.jpg")
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"--figure: .* cannot be written"):
        draw([row("a", pong=50.0)], tmp_path / "file" / "atari.svg")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'pgx-lab\[report\]'"):
        check(tmp_path / "atari.svg")
