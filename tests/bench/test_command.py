"""What `pgx bench` prints, and when it ends with status 1."""

from __future__ import annotations

import json

import pytest

from pgx.bench import command
from pgx.bench.contenders import StableBaselines3
from pgx.bench.rates import Measurement
from pgx.bench.startup import Startup
from pgx.bench.tabular import Rate


class Scripted:
    """A contender whose repeats are known."""

    def __init__(self, name: str, rates: list[float], final_return: float) -> None:
        self.name, self.rates, self.final_return = name, rates, final_return
        self.turns: list[int] = []

    def measure(self, decisions: int, seed: int) -> Measurement:
        self.turns.append(seed)
        return Measurement(self.rates[seed], self.final_return)


def prepare(monkeypatch: pytest.MonkeyPatch, final_return: float) -> list[Scripted]:
    everyone = [
        Scripted("pgx, R=1", [100.0, 500.0, 120.0], final_return),
        Scripted(StableBaselines3("same", 1).name, [30.0, 30.0, 10.0], 90.0),
    ]
    monkeypatch.setattr(command, "contenders", lambda replicas: everyone)
    startup = Startup([0.2, 0.1, 0.3], [4.0, 5.0, 6.0], [("torch", 1.5)])
    monkeypatch.setattr(command, "measure", lambda repeats: startup)
    rates = [Rate("corridor", [1e6, 3e6, 2e6], [4e6, 6e6, 5e6])]
    monkeypatch.setattr(command, "measure_tabular", lambda repeats: rates)
    return everyone


def test_figures_are_printed_for_people(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    everyone = prepare(monkeypatch, final_return=200.0)
    assert command.main(3, [1], 5000, as_json=False) == 0
    assert [contender.turns for contender in everyone] == [[0, 1, 2], [0, 1, 2]]
    text = capsys.readouterr().out
    (line,) = (line for line in text.splitlines() if line.startswith("pgx, R=1"))
    assert line.split()[2:] == ["120", "100", "–", "500", "4.0", "200"]
    assert "pgx --help: 0.20 s (0.10 – 0.30)" in text
    assert "torch 1.50" in text
    told = "corridor: 2,000,000 (1,000,000 – 3,000,000); by processor time 5,000,000"
    assert told in text


def test_a_contender_that_did_not_learn_ends_with_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare(monkeypatch, final_return=22.0)
    assert command.main(3, [1], 5000, as_json=True) == 1
    found = json.loads(capsys.readouterr().out)
    assert [row["learned"] for row in found["rows"]] == [False, True]
    assert found["rows"][0]["ratio"] == pytest.approx(4.0)
    assert found["start_s"] == [4.0, 5.0, 6.0]
    assert found["tabular"][0]["cpu"] == [4e6, 6e6, 5e6]
