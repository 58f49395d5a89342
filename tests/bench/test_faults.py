"""Failing servers, a training in front of one from start to end, and what is said of it."""

from __future__ import annotations

import json
import time
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest

from pgx.bench import faults
from pgx.bench.faults import Clocked, Faced, face, main
from pgx.bench.faulty_server import FAULTS, Fault, failing
from pgx.stats.bootstrap import Interval
from pgx.tracking.blocks import BlockWriter


def asked(url: str, query: str = "mutation { upsertBucket }") -> tuple[int, object]:
    """Status and content of one answer."""
    connection = HTTPConnection(urlsplit(url).netloc, timeout=10)
    body = json.dumps({"query": query, "variables": {"name": "x"}})
    connection.request("POST", "/graphql", body)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def test_a_server_fails_as_it_is_told_to() -> None:
    assert [fault.name for fault in FAULTS[:1]] == ["down"]
    with failing(FAULTS[0]) as url, pytest.raises(ConnectionRefusedError):
        asked(url)
    for status in (500, 429):
        with failing(Fault("x", status)) as url:
            assert asked(url) == (status, {})
    with failing(Fault("x", 200, delay_s=0.5)) as url:
        begun = time.monotonic()
        status, content = asked(url)
        assert time.monotonic() - begun >= 0.5
        assert status == 200
        assert content["data"]["upsertBucket"]["bucket"]["name"] == "x"  # type: ignore[index]


def test_a_server_can_be_well_at_first() -> None:
    with failing(Fault("x", 500, after_s=0.6)) as url:
        assert asked(url)[0] == 200
        time.sleep(0.7)
        assert asked(url)[0] == 500


def test_rows_are_put_on_this_clock(tmp_path: Path) -> None:
    """Training's clock is 100 s behind; rows are read up to 20 ms after they were written."""
    path = tmp_path / "metrics.blocks"
    writer = BlockWriter(path, {"wall_s": "float64", "decisions": "int64"})
    rows, truth = Clocked(path), []
    for number in range(1, 6):
        truth.append(time.monotonic())
        writer.append({"wall_s": [truth[-1] - 100.0], "decisions": [8 * number]})
        time.sleep(0.02 / number)
        rows.read()
        rows.read()
    times, decisions = rows.rows()
    assert decisions.tolist() == [8, 16, 24, 32, 40]
    late = times - np.array(truth)
    assert late == pytest.approx(np.full(5, late[0]), abs=1e-6)
    assert 0.004 <= late[0] < 0.02


def test_a_training_in_front_of_a_server_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends by itself with 0, and the mirror that was stopped meanwhile has done its work."""
    monkeypatch.setattr(faults, "FIRST_S", 0.5)
    found = face(FAULTS[0], decisions=400_000, window_s=0.3)
    assert found.status == 0
    assert found.slowdown.runs == len(found.pairs) >= 2
    assert found.slowdown.estimate == pytest.approx(np.mean(found.pairs))
    assert min(found.pairs) > -1.0
    assert 0.3 < found.mirror_s < 30.0


def test_figures_are_printed_and_a_training_that_did_not_end_well_is_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked_for = []

    def known(fault: Fault, decisions: int) -> Faced:
        asked_for.append((fault.name, decisions))
        span = Interval(0.0012, -0.004, 0.0068, 24)
        return Faced(fault.name, span, [0.0012] * 24, int(fault.status == 429), 2.5, 1.25)

    monkeypatch.setattr(faults, "face", known)
    monkeypatch.setattr(faults, "measured_rate", lambda: 1000.0)
    assert main(110.0, as_json=False) == 1
    assert asked_for == [(fault.name, 120_000) for fault in FAULTS]
    lines = capsys.readouterr().out.splitlines()
    (line,) = (line for line in lines if line.startswith("429"))
    figures = ["429", "24", "+0.12%", "-0.40%", "–", "+0.68%", "1", "2.5", "s", "1.2", "s"]
    assert line.split() == figures
    monkeypatch.setattr(faults, "FAULTS", FAULTS[:3])
    assert main(110.0, as_json=True) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["slowdown"]["high"] for row in found["rows"]] == [0.0068] * 3
