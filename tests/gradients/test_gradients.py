"""``pgx gradients`` as a user meets it: the corridor's exact figures, JSON, files and mistakes."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch

from pgx.checkpoint import load_checkpoint
from pgx.cli import main
from pgx.config import compose_config
from pgx.gradients.arms import combine
from pgx.gradients.asked import Choice, choices, parse
from pgx.gradients.measure import measure
from pgx.gradients.moments import GROUPS
from pgx.gradients.plan import Plan
from pgx.gradients.theta import along, fresh, parameter_names
from pgx.gradients.truth import exact
from pgx.gradients.yardsticks import YARDSTICKS
from pgx.names import parse_seeds

CORRIDOR = ("environment=corridor", "policy=categorical_linear", "estimator.discount=1")
QUICK = ("--samples", "200", "--fit", "2")


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(capsys, *words: str, status: int = 0) -> str:
    assert main(["gradients", *words]) == status
    caught = capsys.readouterr()
    return caught.err if status else caught.out


def told(capsys, *words: str) -> dict:
    return json.loads(run(capsys, *words, "--json"))


def rows(point: dict) -> dict[str, dict]:
    return {f"{row['estimator']} × {row['baseline']}": row for row in point["rows"]}


#: Of one episode's estimate at p = ½, with respect to one logit (GROUND_TRUTH 1).
VARIANCES = {
    "reinforce × none": 1959.0,
    f"reinforce × constant:value={-65 / 3}": 550 + 2 / 3,  # E[S² G] / E[S²] = −65 / 3
    "reward_to_go × none": 733.0,
    "reward_to_go × constant:value=-12": 277.0,
    "reward_to_go × exact_value": 295.0,
}


def test_the_corridors_exact_variances_lie_in_their_intervals(capsys):
    """The total return's tails are heavy: its kurtosis is 53."""
    named = f"none,constant:value=-12,constant:value={-65 / 3},exact_value"
    words = ("--estimators", "reinforce,reward_to_go", "--baselines", named)
    found = told(capsys, *CORRIDOR, "seeds=[3]", *words, "--samples", "20000")
    (point,) = found["points"]
    place = point["parameters"].index("b1[1]")
    assert point["truth"]["kind"] == "exact" and point["truth"]["objective"] == pytest.approx(-12)
    assert point["truth"]["gradient"][place] == pytest.approx(2.0)
    for label, wanted in VARIANCES.items():
        row = rows(point)[label]
        one = row["parameters"][place]
        assert one["variance"]["low"] < wanted < one["variance"]["high"], label
        assert one["variance"]["high"] < 1.35 * one["variance"]["low"], label
        assert one["bias"]["low"] < 0 < one["bias"]["high"], label
        assert row["verdict"] == "none seen" and row["bias"]["low"] < 0 < row["bias"]["high"]
        # four parameters that move together: each has the variance of the one
        assert row["variance"]["value"] == pytest.approx(4 * one["variance"]["value"], rel=1e-4)
        assert row["signal_to_noise"]["value"] == pytest.approx(16 / row["variance"]["value"])
        assert row["decisions_per_trajectory"] == pytest.approx(12, rel=0.03)


def test_td_with_a_wrong_constant_is_biased_as_it_should_be_and_exactly_not_otherwise(capsys):
    """V = c: δ = −1, and −1 − c at the end, which is always a step right from state 2.

    As E[Σ_t ∇log π] = 0 the mean is −c/2 for each of the logits, so that ‖bias‖ = 2 |c/2 + 2|.
    """
    words = (*CORRIDOR, "baseline.hidden=[]", "--estimators", "td,gae:trace_decay=0")
    words += ("--baselines", "value,exact_value", "--fit", "0", "--samples", "2000")
    asked = parse(words)
    critic = combine(compose_config(asked.overrides), asked, 0, True)[0][0].baseline
    c = float(critic.net.frozen()(torch.ones(1, 1, 1)))
    by_label = rows(told(capsys, *words)["points"][0])
    for name in ("td", "gae:trace_decay=0"):
        wrong, right = by_label[f"{name} × value"], by_label[f"{name} × exact_value"]
        assert wrong["verdict"] == "biased" and wrong["p_adjusted"] < 1e-6
        assert wrong["bias"]["low"] < abs(c + 4.0) < wrong["bias"]["high"]
        assert right["verdict"] == "none seen" and right["bias"]["low"] < 0 < right["bias"]["high"]
    assert by_label["td × value"]["variance"] == by_label["gae:trace_decay=0 × value"]["variance"]


def test_dropping_the_discount_is_a_bias(capsys):
    words = ("--estimators", "reward_to_go,reward_to_go:discount_weighting=false")
    words += ("--baselines", "exact_value", "estimator.discount=0.5", "--samples", "2000")
    found = told(capsys, "environment=corridor", "policy=categorical_linear", *words)
    kept, dropped = found["points"][0]["rows"]
    assert (kept["verdict"], dropped["verdict"]) == ("none seen", "biased")


def test_the_json_holds_every_figure_with_its_interval(capsys):
    (point,) = told(capsys, *CORRIDOR, *QUICK)["points"]
    assert [f"{row['estimator']} × {row['baseline']}" for row in point["rows"]] == [
        *(f"reinforce × {b}" for b in ("none", "leave_one_out", "value", "exact_value")),
        *(f"reward_to_go × {b}" for b in ("none", "leave_one_out", "value", "exact_value")),
        *("td × value", "td × exact_value", "gae × value", "gae × exact_value"),
    ]
    assert point["episodes"] == 800 and point["parameters"] == [
        "W1[0,0]",
        "W1[0,1]",
        "b1[0]",
        "b1[1]",
    ]
    for row in point["rows"]:
        for name in ("bias", "variance", "signal_to_noise", "per_decision"):
            assert row[name]["low"] <= row[name]["value"] <= row[name]["high"]
        assert len(row["parameters"]) == 4
        assert row["draws"] * row["trajectories_per_draw"] == 800
        timed = row["baseline"] not in YARDSTICKS
        assert (row["per_second"]["value"] is not None) == timed
    eight = rows(point)["reward_to_go × leave_one_out"]
    assert eight["trajectories_per_draw"] == 8


def test_the_same_command_says_the_same(capsys):
    words = (*CORRIDOR, "seeds=[4]", "--estimators", "reward_to_go", "--baselines", "none", *QUICK)
    first, again = (told(capsys, *words)["points"][0] for _ in range(2))
    other = told(capsys, *words, "seeds=[5,4]")["points"]
    for row, same, beside in zip(first["rows"], again["rows"], other[1]["rows"], strict=True):
        assert row["bias"] == same["bias"] == beside["bias"]
        assert row["variance"] == same["variance"] == beside["variance"]
    assert other[0]["seed"] == 5 and other[0]["rows"][0]["bias"] != first["rows"][0]["bias"]


def test_without_a_known_truth_a_reference_run_takes_its_place(capsys):
    """Pretended: the corridor with normalised observations, whose bias is 0 all the same."""
    words = (*CORRIDOR, "normalization.observations=true")
    words += ("--estimators", "reward_to_go", "--baselines")
    found = told(capsys, *words, "none", "--samples", "2000", "--reference", "8000")
    (point,) = found["points"]
    assert point["truth"]["kind"] == "reference" and point["truth"]["reference_episodes"] == 8000
    norm = point["truth"]["norm_squared"]
    assert norm["low"] < 16 < norm["high"] and norm["value"] != 16
    (row,) = point["rows"]
    assert row["verdict"] == "none seen" and "observations are normalised" in point["truth"]["said"]


def test_files(capsys, empty_folder: Path):
    words = (*CORRIDOR, "--estimators", "reward_to_go", "--baselines", "none,leave_one_out")
    out = run(capsys, *words, *QUICK, "--output", "made/here")
    made = {path.name for path in (empty_folder / "made/here").iterdir()}
    figures = {f"variance-seed-0.{kind}" for kind in ("svg", "pdf", "png")}
    tables = {f"gradients.{kind}" for kind in ("md", "tex", "html", "csv", "json")}
    assert made == figures | tables | {"parameters.csv", "batches.csv"}
    assert all(f"made/here/{name}" in out for name in made)
    found = json.loads((empty_folder / "made/here/gradients.json").read_text())
    alone, batch = found["points"][0]["rows"]
    assert alone["batch_sizes"][:4] == [1, 2, 4, 8]
    assert alone["batch_variance"][0] == pytest.approx(alone["variance"]["value"])
    assert batch["batch_variance"][0] is None  # of one there are no others
    place = batch["batch_sizes"].index(8)
    assert batch["batch_variance"][place] == pytest.approx(batch["variance"]["value"] / 8)
    lines = (empty_folder / "made/here/gradients.csv").read_text().splitlines()
    assert len(lines) == 3 and "variance_low" in lines[0]
    assert len((empty_folder / "made/here/parameters.csv").read_text().splitlines()) == 9
    svg = (empty_folder / "made/here/variance-seed-0.svg").read_text()
    assert "reward_to_go × leave_one_out" in svg and "trajectories of a batch" in svg


def test_on_a_terminal_everything_is_said_once(capsys):
    out = run(
        capsys, *CORRIDOR, "--estimators", "td,reinforce", "--baselines", "none,value", *QUICK
    )
    assert "truth: exact, J = -12.0, ‖∇J‖ = 4.00" in out
    assert "td × none is left out: it needs a baseline that predicts" in out
    assert out.count("Holm") == 1 and "3 tests" in out
    assert "fitted at θ for 2 iterations of 8 episodes" in out


def test_along_a_training_run_and_from_its_checkpoint(capsys, empty_folder: Path):
    """The last point of ``--along`` is what ``pgx train`` saves, bit for bit."""
    words = (*CORRIDOR, "seeds=2", "decisions=2000", "threads=1")
    words += ("estimator.horizon=64",)
    config = compose_config(words)
    points = along(config, parse_seeds(config.seeds), 3)
    assert [point.seed for point in points] == [0, 0, 0, 1, 1, 1]
    assert [point.decisions for point in points[:3]] == [0, 1024, 2048]
    assert torch.equal(points[0].flat, fresh(config, [0])[0].flat)
    assert main(["train", *words, "arm=mine"]) == 0
    capsys.readouterr()
    place = empty_folder / "outputs/adhoc/mine"
    saved = load_checkpoint(place / "corridor/seeds-0-1")["module"]["parameters"][0]
    for seed in (0, 1):
        assert torch.equal(points[3 * seed + 2].flat[0], saved[seed])
    short = ("--estimators", "reward_to_go", "--baselines", "none", *QUICK)
    found = told(capsys, "--from", "outputs/adhoc/mine", "--seeds", "1", *short)["points"]
    ended = told(capsys, *words, "seeds=[1]", "--along", "2", *short)["points"]
    assert [(point["seed"], point["decisions_trained"]) for point in found] == [(1, 2048)]
    assert [point["decisions_trained"] for point in ended] == [0, 2048]
    assert found[0]["rows"][0]["variance"] == ended[1]["rows"][0]["variance"]
    assert found[0]["truth"]["objective"] == ended[1]["truth"]["objective"] != -12.0


#: The words typed, and what the one line must say.
MISTAKES = {
    "unknown estimator": ("--estimators gea", ("estimator=gea", "'gae'")),
    "unknown baseline": ("--baselines valeu", ("baseline=valeu", "'value'", "exact_value")),
    "unknown flag": ("--sample 500", ("--sample", "'--samples'")),
    "too few": ("--samples 10", ("--samples=10", "at least 200")),
    "no number": ("--reference many", ("--reference=many", "whole number")),
    "no value": ("--from", ("--from", "give a value")),
    "one point": ("--along 1", ("--along=1", "at least 2")),
    "twice": ("--baselines none,none", ("none is there twice",)),
    "half a change": ("--estimators gae:trace_decay", ("NAME:KEY=VALUE",)),
    "unknown key": ("--estimators gae:trace_decai=1", ("trace_decai", "'trace_decay'")),
    "key of a yardstick": ("--baselines exact_value:x=1", ("x is not a key", "it has none")),
    "range": ("--estimators gae:trace_decay=2", ("trace_decay=2", "at most 1")),
    "nothing fits": ("--estimators td --baselines none", ("nothing fits", "predicts")),
    "no ∇J": ("--estimators reward_weighted", ("reward_weighted", "reward_to_go")),
    "the truth itself": ("--estimators exact", ("exact", "reward_to_go")),
    "T steps": ("estimator.horizon=7", ("estimator.horizon=7", "leave it out")),
    "a bonus": ("estimator.entropy_coefficient=0.1", ("entropy_coefficient", "leave it out")),
    "not tabular": ("environment=cartpole --baselines exact_value", ("exact_value", "corridor")),
    "J unknown": ("environment=cartpole --baselines constant", ("no exact answer", "corridor")),
    "one of one": (
        "environment.slots=1 --baselines leave_one_out",
        ("environment.slots=1", "at least 2"),
    ),
    "no run": ("--from nowhere", ("nowhere", "does not exist")),
    "override of a run": ("environment=corridor --from x", ("environment=corridor", "--from")),
    "seeds of nothing": ("--seeds 0-1", ("--seeds", "seeds=")),
    "both": ("--from x --along 3", ("--along", "leave --from out")),
    "no folder": ("--output /proc/x", ("/proc", "another folder")),
    "an option's key": ("environment=corridor policy.hidn=3", ("policy.hidn",)),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line(name, capsys, empty_folder: Path):
    words, expected = MISTAKES[name]
    err = run(capsys, *words.split(), status=2)
    assert err.startswith("error: ") and err.count("\n") == 1, err
    for text in expected:
        assert text in err, err
    assert list(empty_folder.iterdir()) == []


def test_choices_are_names_with_changes():
    made = choices("--estimators", "gae:trace_decay=0.5,value:hidden=[8,4],td")
    assert made == (
        Choice("gae", (("trace_decay", 0.5),)),
        Choice("value", (("hidden", [8, 4]),)),
        Choice("td"),
    )
    assert made[0].label == "gae:trace_decay=0.5"
    assert parse(["--samples", "1e4", "a=b"]).reference_episodes == 100_000


@pytest.mark.parametrize(
    ("episodes", "batch", "most", "wanted"),
    [
        (10_000, 1, 838, Plan(500, 20, 5)),
        (10_000, 8, 838, Plan(520, 20, 5)),
        (1_000_000, 8, 838, Plan(776, 1300, 1)),
        (200, 16, 8, Plan(16, 100, 1)),
    ],
)
def test_a_plan_has_equal_groups_of_whole_batches(episodes, batch, most, wanted):
    made = Plan.of(episodes, batch, most)
    assert made == wanted
    assert made.episodes >= episodes and made.slots % batch == 0
    firsts = [made.first(index) for index in range(made.rollouts)]
    filled = [0] * GROUPS
    for first in firsts:
        for group in range(first, first + made.groups_at_once):
            filled[group] += made.slots // made.groups_at_once
    assert len(set(filled)) == 1 and sum(filled) == made.episodes


def test_names_say_where_parameters_lie_and_padding_has_none():
    config = compose_config([*CORRIDOR, "policy=categorical_mlp", "policy.hidden=[3]"])
    (theta,) = fresh(config, [0])
    named = [name for name in theta.names if name]
    assert len(named) == 3 + 3 + 6 + 2 and len(set(named)) == len(named)
    assert {"W1[0,2]", "b1[2]", "W2[2,1]", "b2[1]"} <= set(named)
    assert all(theta.flat[0, place] == 0 for place, name in enumerate(theta.names) if not name)


def test_measuring_leaves_training_as_it_was():
    """Other seeds, so other streams: what training would draw is not drawn."""
    config = compose_config([*CORRIDOR, "decisions=500"])
    before = along(config, [0], 2)[-1].flat
    asked = parse([*CORRIDOR, "--estimators", "reinforce", "--baselines", "none", *QUICK])
    measured = measure(config, asked, fresh(config, [0])[0])
    assert torch.equal(before, along(config, [0], 2)[-1].flat)
    assert measured.episodes == 200 and math.isfinite(measured.rows[0].figures.p)


def test_the_truth_is_that_of_the_environment():
    """dJ/dlogit of right = 2 at p = ½, −2 of left."""
    from pgx.build import build_environment, build_policy

    config = compose_config(CORRIDOR)
    env = build_environment(config, [0], 1)
    policy = build_policy(config, env.spec, [0])
    found = exact(env, policy, 1.0, False)
    names = parameter_names(policy)
    assert found.objective == pytest.approx(-12.0)
    assert found.gradient[names.index("b1[1]")] == pytest.approx(2.0)
    assert found.gradient[names.index("b1[0]")] == pytest.approx(-2.0)
    assert exact(env, policy, 1.0, True) == "observations are normalised"


def test_a_network_without_a_bias_names_its_weights_alone():
    from pgx.build import build_environment, build_policy

    config = compose_config([*CORRIDOR, "policy=categorical_floor"])
    env = build_environment(config, [0], 1)
    named = [name for name in parameter_names(build_policy(config, env.spec, [0])) if name]
    assert named == ["W1[0,0]", "W1[0,1]"]


def test_estimates_that_are_not_finite_are_no_verdict_and_strict_json(capsys, empty_folder: Path):
    """Beside them others keep theirs, as if they alone had been asked for."""
    words = ("environment=two_action", "policy=categorical_linear", *QUICK)
    words += ("--estimators", "reinforce", "--output", "o", "--baselines")
    alone = told(capsys, *words, "none")["points"][0]["rows"][0]

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    both = run(capsys, *words, "none,constant:value=1e39", "--json")
    for text in (both, (empty_folder / "o" / "gradients.json").read_text(encoding="utf-8")):
        (point,) = json.loads(text, parse_constant=refuse)["points"]
        sound, lost = point["rows"]
        assert lost["verdict"] == "not finite"
        for name in ("p", "p_adjusted", "within"):
            assert lost[name] is None
        for name in ("bias", "variance", "signal_to_noise", "cosine", "per_decision"):
            assert lost[name] == {"value": None, "low": None, "high": None}
        for name in ("bias", "variance", "p", "p_adjusted", "verdict"):
            assert sound[name] == alone[name]
    said = run(capsys, *words, "constant:value=1e39")  # of which no chart can be drawn
    assert "not finite" in said and "within" not in said.splitlines()[3]


def test_a_diverged_seed_is_told(capsys):
    words = ("policy=categorical_linear", "optimizer=sgd", "optimizer.learning_rate=1e38")
    words += ("decisions=2000", "output=o", "arm=x", "threads=1")
    assert main(["train", *words]) == 1
    capsys.readouterr()
    arms = ("--estimators", "reward_to_go", "--baselines", "none")
    (point,) = told(capsys, "--from", "o/adhoc/x/cartpole-v1/seeds-0", *QUICK, *arms)["points"]
    assert "the last finite parameters of a seed that diverged at iteration" in point["theta"]


def test_theta_of_a_search_is_measured_like_any_other(capsys):
    words = (*CORRIDOR[:2], "estimator=utility", "optimizer=genetic", "baseline=none")
    points = told(capsys, *words, *QUICK, "--along", "2", "decisions=500")["points"]
    assert [point["decisions_trained"] > 0 for point in points] == [False, True]
    assert {"reinforce × none", "td × value"} <= rows(points[1]).keys()


def test_how_updates_are_taken_does_not_matter_to_a_measurement(capsys):
    words = (*CORRIDOR, *QUICK, "--estimators", "prioritized", "--baselines", "none")
    found = [told(capsys, *words, *more)["points"] for more in ([], ["updates=decision"])]
    assert rows(found[0][0])["prioritized × none"]["variance"]["value"] > 0
    assert found[0][0]["rows"][0]["bias"] == found[1][0]["rows"][0]["bias"]
