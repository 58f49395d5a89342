"""What a plan will cost: by what was recorded, by what was measured, and by what then happens."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pgx.study import Study
from pgx.sweep import estimate as module
from pgx.sweep.estimate import Cost, estimate, makespan, measured, recorded
from pgx.sweep.job import Job
from pgx.sweep.measure import Rates
from pgx.sweep.plan import Plan
from pgx.sweep.render_plan import estimate_lines, size
from pgx.sweep.work import Work
from pgx.tracking.manifest import Manifest, read_manifest
from tests.conftest import environment

RATES = Rates(
    seconds=4.0,
    taken=2000,
    rate=1000.0,
    rise=4.0,
    around_s=5.0,
    bytes_all=7000.0,
    bytes_fixed=5000.0,
    bytes_iterations=2.0,
    bytes_episodes=8.0,
    growth=16.0,
    ended=False,
)


def job(root: Path, arm: str, seeds: tuple[int, ...] = (0, 1), key: str = "", **more: Any) -> Job:
    words = (f"arm={arm}", f"seeds={list(seeds)}")
    name = f"seeds-{seeds[0]}-{seeds[-1]}"
    made = Job(
        arm=arm,
        environment="cartpole-v1",
        seeds=seeds,
        action="train",
        overrides=words,
        directory=root / "s" / arm / "cartpole-v1" / name,
        config_hash=key or arm,
        budget=10_000,
    )
    return replace(made, **more)


def plan(root: Path, *jobs: Job) -> tuple[Plan, Work]:
    study = Study("s", "", "", "a", "area", 100, (0, 1), {}, {})
    return Plan(study, root, jobs, ()), Work("s", root, jobs, parallel=2)


def record(one: Job, elapsed_s: float, status: str | None = None, rows: int = 3000) -> None:
    """A part as it is after so many seconds, with 10,000 decisions of every seed."""
    manifest = Manifest.begin(
        one.directory,
        study="s",
        arm=one.arm,
        environment=one.environment,
        seeds=one.seeds,
        budget=one.budget,
        config_hash=one.config_hash,
        environment_class="CartPole",
    )
    manifest.progress(dict.fromkeys(one.seeds, 10_000))
    manifest.end(status, exit=0)
    path = one.directory / "manifest.json"
    path.write_text(json.dumps({**read_manifest(one.directory), "elapsed_s": elapsed_s}))
    (one.directory / "episodes.parquet").write_bytes(b"0" * rows)


@pytest.mark.parametrize(
    ("spans", "at_a_time", "expected"),
    [([], 2, 0.0), ([5.0], 2, 5.0), ([1.0, 2.0, 3.0], 2, 3.0), ([4.0, 3.0, 3.0, 2.0], 3, 5.0)],
)
def test_parts_share_the_cores_longest_first(
    spans: list[float], at_a_time: int, expected: float
) -> None:
    assert makespan(spans, at_a_time) == expected
    assert makespan(spans, 1) == sum(spans)


def test_a_finished_part_of_the_same_kind_tells_the_rate(tmp_path: Path) -> None:
    before, now = job(tmp_path, "a"), job(tmp_path, "a", (2, 3))
    record(before, elapsed_s=40.0)
    cost = recorded(plan(tmp_path, now)[0])[now.directory]
    assert cost.rate == pytest.approx(20_000 / 40.0)
    assert (cost.basis, cost.seconds) == ("recorded", pytest.approx(module.AROUND_S + 40.0))
    assert 3000 < cost.bytes < 30_000


@pytest.mark.parametrize("odd", ["seeds", "config", "status", "hardware"])
def test_a_part_of_another_kind_tells_nothing(tmp_path: Path, odd: str) -> None:
    now = job(tmp_path, "a", (2, 3))
    before = job(tmp_path, "a", (0, 1, 2) if odd == "seeds" else (0, 1))
    key = "other" if odd == "config" else "a"
    record(replace(before, config_hash=key), 40.0, "interrupted" if odd == "status" else None)
    if odd == "hardware":
        path = before.directory / "manifest.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "hardware": {"cpu": "6502"}}))
    assert recorded(plan(tmp_path, now)[0]) == {}


def test_a_measured_rate_is_extrapolated_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def fake(tasks: Any, workers: int) -> dict[str, Rates]:
        asked.append((tasks, workers))
        return {task.key: RATES for task in tasks}

    monkeypatch.setattr(module, "_measure", fake)
    jobs = [job(tmp_path, "a"), job(tmp_path, "b"), job(tmp_path, "c", key="a")]
    said: list[str] = []
    made, work = plan(tmp_path, *jobs)
    found = estimate(made, work, said.append, planned_s=7.0)
    ((tasks, workers),) = asked
    assert [task.overrides[0] for task in tasks] == ["arm=a", "arm=b"]  # c is like a
    assert "threads=1" in tasks[0].overrides and workers == 2
    one = 5.0 + 4.0 + (20_000 - 2000) / (1000.0 * 2.0)
    assert [found.parts[j.directory].seconds for j in jobs] == pytest.approx([one] * 3)
    assert found.seconds == pytest.approx(7.0 + 2 * one)
    assert found.bytes == pytest.approx(3 * (5000 + 20_000 * (2.0 + 8.0 / 4.0)))
    assert said == ["measuring 2 parts for 4 s each, 2 at a time"]
    assert found.basis == (
        "measured: 1,000 decisions/s over 4 s, 3 parts",
        "3 parts of complete episodes, which grow: up to 2.0 times as fast",
    )
    assert estimate_lines(found, work)[0] == "estimate: about 43s and 255 kB, 2 parts at a time"
    json.dumps(found.as_json())


def test_a_part_that_ended_while_it_was_measured_is_not_extrapolated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = replace(RATES, ended=True, seconds=1.5)
    monkeypatch.setattr(module, "_measure", lambda tasks, workers: {t.key: ended for t in tasks})
    one = job(tmp_path, "a")
    costs, _ = measured([one], plan(tmp_path, one)[1], lambda line: None)
    assert costs[one].seconds == pytest.approx(6.5)
    assert costs[one].bytes == 7000.0


def test_what_a_resumed_part_has_done_costs_nothing_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_measure", lambda tasks, workers: {t.key: RATES for t in tasks})
    one = job(tmp_path, "a", action="resume", budget=15_000)
    record(one, 40.0, "interrupted")
    costs, _ = measured([one], plan(tmp_path, one)[1], lambda line: None)
    assert costs[one].seconds == pytest.approx(5.0 + 10_000 / 2000.0)


def test_many_arms_are_measured_in_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fake(tasks: Any, workers: int) -> dict[str, Rates]:
        assert len(tasks) <= module.MOST and {task.seconds for task in tasks} == {2.0}
        return {task.key: RATES for task in tasks}

    monkeypatch.setattr(module, "_measure", fake)
    jobs = [job(tmp_path, f"a{i}") for i in range(2 * module.MOST)]
    made, work = plan(tmp_path, *jobs)
    found = estimate(made, work, lambda line: None)
    assert found.basis[2] == f"the median of these for {module.MOST} more"
    assert len({cost.seconds for cost in found.parts.values()}) == 1


def test_what_cannot_be_measured_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_measure", lambda tasks, workers: {})
    one = job(tmp_path, "a")
    found = estimate(*plan(tmp_path, one), lambda line: None)
    assert found.parts[one.directory] == Cost(0.0, 0.0, "unknown")
    assert found.basis == ("1 part could not be measured and counts as nothing",)


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (25_300, "25 kB"), (999_600, "1.0 MB")],
)
def test_sizes_have_a_unit(count: float, text: str) -> None:
    assert size(count) == text


STUDY = """
name: small
reference: reinforce
seeds: 3
decisions: 100000
environments: {cartpole: }
arms:
  reinforce: experiment=reinforce
  a2c: experiment=a2c
"""


@pytest.mark.slow
def test_the_estimate_is_within_a_factor_of_two(tmp_path: Path) -> None:
    (tmp_path / "conf/study").mkdir(parents=True)
    (tmp_path / "conf/study/small.yaml").write_text(STUDY)

    def sweep(*words: str) -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, "-m", "pgx_lab", "sweep", "study=small", "--json", *words],
            cwd=tmp_path,
            env={**environment(), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    told = sweep("--dry-run")["estimate"]
    assert not (tmp_path / "outputs").exists()
    assert told["basis"][0].startswith("measured: ")
    begun = time.monotonic()
    outcomes = sweep()["outcomes"]
    took = time.monotonic() - begun
    parts = [Path(tmp_path, outcome["directory"]) for outcome in outcomes]
    written = sum(f.stat().st_size for p in parts for f in p.rglob("*") if f.is_file())
    if os.getloadavg()[0] < 2 * (os.cpu_count() or 1):  # a crowded machine has no steady rate
        assert told["seconds"] / 2 < took < told["seconds"] * 2
    assert told["bytes"] / 2 < written < told["bytes"] * 2
