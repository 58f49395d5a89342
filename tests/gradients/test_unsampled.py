"""``pgx gradients --exact``: the figures as a command gives them, its files, and its refusals."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from pgx.cli import main

CORRIDOR = ("environment=corridor", "policy=categorical_linear", "estimator.discount=1")
ESTIMATORS = "--estimators=reinforce,reward_to_go,td"
BASELINES = "--baselines=none,optimal,constant:value=-12,exact_value,leave_one_out:scope=trajectory"

#: At p = .5, by the logit (GROUND_TRUTH 1); the trace is four times that: two actions, and W and b.
WANTED = {
    ("reinforce", "none"): 1959.0,
    ("reinforce", "optimal"): 1652 / 3,
    ("reward_to_go", "none"): 733.0,
    ("reward_to_go", "constant:value=-12"): 277.0,
    ("reward_to_go", "exact_value"): 295.0,
    ("td", "exact_value"): 3.0,
}


def asked(*words: str, capsys: pytest.CaptureFixture[str]) -> dict:
    assert main(["gradients", *words, "--exact", "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_figures_of_the_corridor(capsys):
    found = asked(*CORRIDOR, ESTIMATORS, BASELINES, capsys=capsys)
    (point,) = found["points"]
    rows = {(row["estimator"], row["baseline"]): row for row in point["rows"]}
    assert found["exact"] and point["truth"]["objective"] == pytest.approx(-12.0)
    assert point["parameters"] == ["W1[0,0]", "W1[0,1]", "b1[0]", "b1[1]"]
    for name, variance in WANTED.items():
        row = rows[name]
        assert row["variance"] == pytest.approx(4 * variance, rel=1e-6) and row["bias"] == 0.0
        assert row["per_decision"] == pytest.approx(12 * 4 * variance, rel=1e-6)
        assert row["signal_to_noise"] == pytest.approx(16 / (4 * variance), rel=1e-6)
        assert row["cosine"] == pytest.approx(1.0) and row["how"] == "linear equations"
        assert [one["mean"] for one in row["parameters"]] == pytest.approx([-2.0, 2.0] * 2)
    crossed = rows["reward_to_go", "leave_one_out:scope=trajectory"]
    assert "compares trajectories" in crossed["unknown"] and "variance" not in crossed
    pairs = rows["reinforce", "leave_one_out:scope=trajectory"]
    assert pairs["trajectories_per_draw"] == 2 and pairs["bias"] == 0.0


def test_short_episodes_are_listed_and_the_popular_update_is_off(capsys):
    words = ("environment=nota_thomas", "policy=categorical_linear", "estimator.discount=0.4")
    estimators = "--estimators=reward_to_go,reward_to_go:discount_weighting=false"
    found = asked(*words, estimators, "--baselines=none,leave_one_out", capsys=capsys)
    kept, popular = (row for row in found["points"][0]["rows"] if row["baseline"] == "none")
    assert kept["bias"] == 0.0 and popular["bias"] > 0.1 and popular["cosine"] < 0
    assert kept["how"].endswith("trajectories")
    pairs = [row for row in found["points"][0]["rows"] if row["baseline"] == "leave_one_out"]
    assert all(row["how"].endswith("pairs of trajectories") for row in pairs)
    assert all(row["trajectories_per_draw"] == 2 for row in pairs)


def test_files_and_table(tmp_path: Path, capsys):
    words = (
        *CORRIDOR,
        "--estimators=reward_to_go",
        "--baselines=none,leave_one_out:scope=trajectory",
        "--exact",
    )
    assert main(["gradients", *words, f"--output={tmp_path}/made"]) == 0
    shown = capsys.readouterr().out
    assert "2,932" in shown and "linear equations" in shown and "not known" in shown
    names = {path.name for path in (tmp_path / "made").iterdir()}
    assert names == {
        "parameters.csv",
        *(f"gradients.{e}" for e in ("md", "tex", "html", "csv", "json")),
    }
    with (tmp_path / "made" / "gradients.csv").open() as file:
        first, second = csv.DictReader(file)
    assert float(first["variance"]) == pytest.approx(4 * 733) and second["variance"] == ""
    with (tmp_path / "made" / "parameters.csv").open() as file:
        assert [float(row["variance"]) for row in csv.DictReader(file)] == pytest.approx(
            [733.0] * 4
        )


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("environment=cartpole",), "--exact: CartPole-v1 is not tabular"),
        ((*CORRIDOR, "--samples=1000"), "--samples: --exact samples no episodes"),
        ((*CORRIDOR, "normalization.observations=true"), "--exact: observations are normalised"),
    ],
)
def test_what_cannot_be_known_is_refused_in_one_line(words, line, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["gradients", *words, "--exact", "--output=made"]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1 and line in said.err
    assert list(tmp_path.iterdir()) == []
