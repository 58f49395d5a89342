"""The cost of tracking: its arithmetic by hand, and a run of the kind that is hardest to start."""

from __future__ import annotations

import json

import pytest

from pgx.bench import tracking
from pgx.bench.tracking import KINDS, Timed, costs, main, timed, waited_s

FOUND = {
    "files": [Timed(100.0, 10.0, 0.0), Timed(50.0, 20.0, 0.0), Timed(90.0, 10.0, 0.0)],
    "wandb, offline": [Timed(80.0, 12.0, 1.5), Timed(50.0, 21.0, 1.0), Timed(100.0, 11.0, 2.0)],
}


def test_a_cost_is_the_ratio_within_a_repeat() -> None:
    files, offline = costs(32, FOUND)
    assert files.slowdown == files.longer == [0.0] * 3
    assert offline.slowdown == pytest.approx([0.25, 0.0, -0.1])
    assert offline.longer == pytest.approx([0.2, 0.05, 0.1])
    assert (offline.replicas, offline.rate, offline.wait_s) == (32, 80.0, [1.5, 1.0, 2.0])


def test_the_wait_is_read_off_the_log() -> None:
    assert waited_s("12:00 INFO finished\n12:01 INFO W&B: the mirror ended after 1.25 s\n") == 1.25
    assert waited_s("12:00 INFO finished\n") == 0.0


def prepare(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, int]]:
    """Known runs in the place of real ones; what was asked for, in order."""
    asked = []

    def one(kind: str, replicas: int, decisions: int) -> Timed:
        asked.append((kind, replicas, decisions))
        return Timed(1000.0 if kind == "files" else 800.0, 10.0, 0.5)

    monkeypatch.setattr(tracking, "timed", one)
    return asked


def test_kinds_take_turns_and_last_as_long_as_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = prepare(monkeypatch)
    assert main(2, [4], 60.0, as_json=True) == 0
    first, second = KINDS
    assert [kind for kind, _, _ in asked[1:]] == [first, second, second, first]
    assert {decisions for _, _, decisions in asked[1:]} == {1000 * 60 // 4}
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [row["kind"] for row in rows] == list(KINDS)
    assert rows[1]["slowdown"] == pytest.approx([0.25, 0.25])


def test_figures_are_printed_for_people(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare(monkeypatch)
    main(1, [1], 60.0, as_json=False)
    text = capsys.readouterr().out
    assert "+25.0% (+25.0% – +25.0%)" in text
    assert "0.50 s" in text
    assert "runs of about 60 s, n = 1 repeats" in text


def test_a_run_with_a_mirror_is_timed() -> None:
    found = timed("wandb, offline", 1, 10 * 1024)
    assert found.rate > 100
    assert 0.1 < found.wait_s < found.total_s
