"""Study 007: what is exact is computed again, and what the README claims is read off the rows."""

from __future__ import annotations

import csv
import json

import pytest
from scipy.stats import binom

from tests.support.experiments import EXPERIMENTS, measure

FOLDER = EXPERIMENTS / "007_variance_ladder"
TOTAL, TO_GO, TD = "reinforce", "reward_to_go", "td"


LADDER = measure(FOLDER.name)
with (FOLDER / "measured.csv").open(encoding="utf-8") as file:
    ROWS = list(csv.DictReader(file))
REPEATED = [row for row in ROWS if row["point"] == "p=.5 again"]
ONCE = [row for row in ROWS if row["variance"] and row["point"] != "p=.5 again"]


def row(environment: str, point: str, estimator: str, baseline: str) -> dict[str, str]:
    """The one row of this arm; ``best`` is a constant with its number."""
    wanted = "constant:value=" if baseline == "best" else baseline
    found = [
        one
        for one in ROWS
        if (one["environment"], one["point"], one["estimator"]) == (environment, point, estimator)
        and (one["baseline"] == wanted or (baseline == "best" and wanted in one["baseline"]))
    ]
    assert len(found) == 1
    return found[0]


def variance(*arm: str) -> float:
    return float(row(*arm)["exact_variance"])


def covered(rows: list[dict[str, str]], figure: str) -> tuple[int, int]:
    """How many intervals hold the exact figure, and of how many."""
    held = [
        float(one[f"{figure}_low"]) <= float(one[f"exact_{figure}"]) <= float(one[f"{figure}_high"])
        for one in rows
    ]
    return sum(held), len(held)


def readme() -> str:
    return " ".join((FOLDER / "README.md").read_text(encoding="utf-8").split())


@pytest.mark.parametrize(
    ("environment", "point"),
    [
        ("corridor", "p=.5"),
        ("two_action", "θ=.2"),
        ("deposit", "even"),
        ("lottery", "even"),
        ("random_mdp", "process 3"),
    ],
)
def test_what_is_exact_is_computed_again(environment: str, point: str) -> None:
    case = next(
        one for one in LADDER.cases() if (one.environment, one.point) == (environment, point)
    )
    for estimator, baselines in LADDER.by_estimator(case).items():
        known = [name for name in baselines if not name.startswith("value")]
        for name, found in LADDER.said(case, estimator, known, (0,), 200, "--exact")[0].items():
            committed = row(environment, point, estimator, "best" if "=-" in name else name)
            expected = float(committed["exact_variance"])
            assert LADDER.scaled(case, "variance", found["variance"]) == pytest.approx(
                expected, rel=1e-6, abs=1e-6
            )


def test_the_ladder_has_the_figures_of_the_book_s_corridor() -> None:
    exact = [(TOTAL, "none", 1959), (TOTAL, "best", 1652 / 3), (TO_GO, "none", 733)]
    exact += [(TO_GO, "constant", 277), (TO_GO, "exact_value", 295)]
    for estimator, baseline, expected in exact:
        assert variance("corridor", "p=.5", estimator, baseline) == pytest.approx(
            expected, rel=1e-6
        )


def test_a_measurement_is_made_again_as_it_was() -> None:
    case = next(one for one in LADDER.cases() if one.environment == "two_action")
    again = LADDER.said(case, TO_GO, ["none", "exact_value"], (LADDER.SEED,), LADDER.SAMPLES)[0]
    for name, found in again.items():
        committed = row("two_action", "θ=.2", TO_GO, name)
        for figure, value in LADDER.ends(case, found).items():
            assert float(committed[figure]) == pytest.approx(value, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize(
    ("environment", "point", "less", "more"),
    [
        ("two_action", "θ=.2", (TO_GO, "none"), (TO_GO, "exact_value")),  # V worse than none
        ("deposit", "even", (TOTAL, "none"), (TO_GO, "none")),  # reward-to-go worse than total
        ("lottery", "even", (TO_GO, "exact_value"), (TD, "exact_value")),  # TD above Monte Carlo
        ("lottery", "even", (TO_GO, "none"), (TD, "exact_value")),
        ("deposit", "even", (TO_GO, "none"), (TO_GO, "constant")),  # v(0) worse than none
    ],
)
def test_the_folklore_fails_exactly_and_measured(
    environment: str, point: str, less: tuple[str, str], more: tuple[str, str]
) -> None:
    low, high = row(environment, point, *less), row(environment, point, *more)
    assert float(low["exact_variance"]) < float(high["exact_variance"])
    assert float(low["variance_high"]) < float(high["variance_low"])


def test_at_every_theta_a_constant_beats_the_value_of_the_state() -> None:
    for point in LADDER.PROBABILITIES:
        constant = variance("corridor", point, TO_GO, "constant")
        assert constant < variance("corridor", point, TO_GO, "exact_value")
        assert variance("corridor", point, TO_GO, "best") < constant
        measured = row("corridor", point, TO_GO, "constant")
        assert float(measured["variance"]) < float(
            row("corridor", point, TO_GO, "exact_value")["variance"]
        )


def test_random_processes_are_as_the_folklore_has_it() -> None:
    for seed in LADDER.PROCESSES:
        ladder = [(TOTAL, "none"), (TO_GO, "none"), (TO_GO, "constant"), (TO_GO, "exact_value")]
        ladder += [(TD, "exact_value")]
        found = [variance("random_mdp", f"process {seed}", *arm) for arm in ladder]
        assert found == sorted(found, reverse=True)


def test_only_a_value_that_is_not_the_state_s_biases() -> None:
    for one in ONCE:
        if one["baseline"] == LADDER.CRITIC and one["estimator"] == TD:
            assert float(one["exact_bias"]) > 1 and float(one["bias_low"]) > 1
        elif one["baseline"] != LADDER.CRITIC or one["estimator"] == TO_GO:
            assert float(one["exact_bias"]) == 0


def test_intervals_hold_the_exact_figure_as_often_as_they_say() -> None:
    """Repeats share nothing, so that the count is binomial; those at one θ share episodes."""
    for figure in ("variance", "bias"):
        held, count = covered(REPEATED, figure)
        assert count == LADDER.REPEATS * len(LADDER.UNBIASED)
        assert binom.cdf(held, count, 0.95) > 0.01
        assert f"{held} of {count} intervals of the {figure}" in readme()
        fair = [one for one in ONCE if figure == "variance" or float(one["exact_bias"]) == 0]
        shared, all_of_them = covered(fair, figure)
        assert f"{shared} of {all_of_them} of the {figure}" in readme()


def test_the_readme_has_the_table() -> None:
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    for line in LADDER.told(ROWS):
        assert line in text


def test_td_has_the_least_variance_and_the_worst_curve() -> None:
    arms = [(one["estimator"], one["baseline"]) for one in ONCE if one["point"] == "p=.05"]
    assert min(arms, key=lambda arm: variance("corridor", "p=.05", *arm))[0] == TD
    said = json.loads((FOLDER / "report" / "numbers.json").read_text())["environments"]
    area = said["corridor"]["metrics"]["area"]
    means = {name: one["mean"]["estimate"] for name, one in area["summaries"].items()}
    assert min(means, key=means.get) == "td" and max(means, key=means.get) == "exact"
    for name, mean in means.items():
        if name != "gae":
            assert f"−{-mean:.1f}" in readme()
    for place in said.values():
        assert place["metrics"]["area"]["comparisons"]["exact"]["verdict"] == "better"
