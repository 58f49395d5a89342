"""Rates of environments by themselves."""

from __future__ import annotations

from pgx.bench import tabular_process
from pgx.bench.tabular import Rate, lines, measure
from pgx.bench.tabular_process import PROCESSES, timed
from pgx.environments.corridor import Corridor


def test_every_decision_of_every_slot_counts(monkeypatch):
    ticks = iter(range(100))
    monkeypatch.setattr(tabular_process.time, "perf_counter", lambda: float(next(ticks)))
    monkeypatch.setattr(tabular_process.time, "process_time", lambda: 0.5 * next(ticks))
    env = Corridor([0, 1], 3, max_steps=2)
    wall, cpu = timed(env, repeats=2, steps=7)
    # the clocks are read in turn, each four ticks of the counter apart from its last time: 2 and 2
    assert wall == [7 * 6 / 2] * 2 and cpu == [7 * 6 / (0.5 * 2)] * 2
    assert (env.episode > 5).all()  # two steps an episode: they were reset


def test_a_process_of_its_own_measures_them_all():
    found = measure(1)
    assert [rate.name for rate in found] == list(PROCESSES)
    assert all(min(rate.cpu) >= 0.5 * min(rate.wall) > 0 for rate in found)


def test_lines_are_medians():
    text = "\n".join(lines([Rate("chain", [1.0, 3e6, 2e6], [5e6, 4e6, 6e6])]))
    assert "512 at once" in text
    assert "  chain: 2,000,000 (1 – 3,000,000); by processor time 5,000,000" in text
