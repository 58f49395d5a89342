"""Rows of the table: the published systems in order, own runs below, each under its protocol."""

from __future__ import annotations

import pytest

from pgx.atari.own import EVALUATED, TRAINED, OwnRow, Protocol
from pgx.atari.scores import load
from pgx.atari.table import as_json, build, game_sheet, summary_sheet

SCORES = load()


def own(start: str = "no-op starts", measure: str = EVALUATED, **scores: float) -> OwnRow:
    runs = dict.fromkeys(scores, 2)
    return OwnRow("atari/a2c", Protocol(start, "sticky 0.25", measure), scores, runs, (400, 800))


def test_the_published_systems_in_the_published_order() -> None:
    rows = build(SCORES, "published")
    assert [row.name for row in rows][:3] == ["DQN", "Gorila", "D-DQN"]
    assert [len(row.normalized) for row in rows] == [49, 49, *[57] * 6]
    assert {row.start for row in rows} == {"human starts"}
    assert [row.rule for row in rows] == ["signed"] * 2 + ["random as 0"] * 6
    assert {row.rule for row in build(SCORES, "signed")} == {"signed"}


def test_the_summary_carries_both_figures() -> None:
    sheet = summary_sheet(SCORES, build(SCORES, "published"))
    last = dict(zip(sheet.head, sheet.rows[-1], strict=True))
    assert (last["system"], last["training time"]) == ("A3C, LSTM", "4 days on CPU")
    assert last["mean %"] == pytest.approx(623.1, abs=0.05)
    assert (last["published mean %"], last["published median %"]) == (623.0, 112.6)
    assert (last["games"], last["runs"], last["frames per run"]) == (57, None, None)


def test_an_own_row_takes_the_references_of_its_start() -> None:
    # Pong: random −20.7 and human 14.6 with no-ops, −18 and 15.5 with human starts.
    made = [own("no-op starts", pong=4.0), own("as trained", pong=4.0), own("human starts", pong=4)]
    rows = build(SCORES, "published", made)[8:]
    noop, human = 100 * (4 + 20.7) / (14.6 + 20.7), 100 * (4 + 18) / (15.5 + 18)
    assert [row.summary.mean for row in rows] == pytest.approx([noop, noop, human])
    assert rows[0].start == "no-op starts, sticky 0.25"


def test_video_pinballs_rule_holds_for_own_rows_with_human_starts() -> None:
    rows = [own("human starts", video_pinball=15641.1), own("no-op starts", video_pinball=17667.9)]
    means = {
        rule: [row.summary.mean for row in build(SCORES, rule, rows)[8:]]
        for rule in ("published", "signed")
    }
    assert means["published"] == pytest.approx([100.0, 100.0])
    rows = [own("human starts", video_pinball=0.0)]
    (zero,), (signed,) = (build(SCORES, rule, rows)[8:] for rule in ("published", "signed"))
    assert zero.summary.mean == 0.0
    assert signed.summary.mean == pytest.approx(100 * -20452.0 / (15641.1 - 20452.0))


def test_an_own_row_says_its_games_runs_and_frames() -> None:
    # Boxing with no-ops: random 0.1, human 12.1 — so 6.1 is 50%; Pong at the human's 14.6 is 100%.
    rows = build(SCORES, "published", [own(pong=14.6, boxing=6.1)])
    sheet = summary_sheet(SCORES, rows, ["something is left out"])
    cells = dict(zip(sheet.head, sheet.rows[-1], strict=True))
    assert cells["mean %"] == cells["median %"] == pytest.approx(75.0)
    assert (cells["games"], cells["runs"], cells["frames per run"]) == (2, 4, "400–800")
    assert (cells["published mean %"], cells["training time"]) == (None, None)
    assert (cells["scores of"], cells["start protocol"]) == (EVALUATED, "no-op starts, sticky 0.25")
    assert sheet.notes[-1] == "something is left out"
    assert any("this project's runs" in note for note in sheet.notes)


def test_per_game_values_by_hand() -> None:
    sheet = game_sheet(SCORES, build(SCORES, "published", [own(measure=TRAINED, pong=14.6)]))
    table = {row[0]: dict(zip(sheet.head, row, strict=True)) for row in sheet.rows}
    assert len(table) == 57
    # Human starts: pong random −18, human 15.5; DQN 16.2 and A3C, LSTM 10.7.
    assert table["pong"]["A3C, LSTM"] == pytest.approx(100 * 28.7 / 33.5)
    assert table["pong"]["DQN"] == pytest.approx(100 * 34.2 / 33.5)
    assert table["alien"]["A3C, LSTM"] == pytest.approx(100 * (945.3 - 128.3) / (6371.3 - 128.3))
    assert table["video_pinball"]["A3C, LSTM"] == pytest.approx(100 * 470310.5 / 15641.1)
    assert table["surround"]["DQN"] is None
    mine = "atari/a2c (no-op starts, sticky 0.25, last 100 training episodes)"
    assert table["pong"][mine] == pytest.approx(100.0)
    assert table["alien"][mine] is None


def test_video_pinball_is_named_wherever_the_table_is_shown() -> None:
    for rule in ("published", "signed"):
        rows = build(SCORES, rule)
        for sheet in (summary_sheet(SCORES, rows), game_sheet(SCORES, rows)):
            said = " ".join(sheet.notes)
            for word in ("video_pinball", "20452.0", "15641.1", "406.3 / 104.7", "623.1 / 112.6"):
                assert word in said


def test_plain_values_of_a_row() -> None:
    *_, last, mine = build(SCORES, "published", [own(pong=14.6)])
    found = as_json(last, per_game=True)
    assert (found["published_mean"], found["runs"], found["kind"]) == (623.0, None, "published")
    assert found["scores"]["pong"]["raw"] == 10.7
    found = as_json(mine, per_game=False)
    assert (found["runs"], found["frames_least"], found["frames_most"]) == (2, 400, 800)
    assert (found["published_mean"], "scores" in found) == (None, False)
