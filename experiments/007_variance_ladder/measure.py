"""Every rung's variance, exact and measured, and the cases in which the folklore fails.

    python experiments/007_variance_ladder/measure.py

writes ``measured.csv``, a row for each arm of each case, and ``figures/``. At one θ the arms are
measured on the same episodes; the repeats at p = .5 share nothing, so that their intervals may be
counted.

Softmax policies have a parameter for each action; what is written is with respect to the logits of
the second action, so half the trace over both.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from pgx.gradients import unsampled
from pgx.gradients.asked import parse
from pgx.gradients.command import where
from pgx.gradients.measure import measure
from pgx.gradients.record import record
from pgx.gradients.verdicts import judge
from pgx.report.drawing import alone

HERE = Path(__file__).resolve().parent
SAMPLES = 6_000  #: episodes at each θ, the same for all arms
SEED = 7  #: whose they are
REPEATS = 20  #: further seeds at p = .5 of each of `UNBIASED`: do the intervals cover?
FEW = 2_000  #: episodes of each of them
ROUNDING = 1e-6  #: θ is float32: what is below this is 0
FIT = 60  #: iterations that V is fitted for, two episodes each
CRITIC = "value:hidden=[]:learning_rate=0.004"  #: V = w s + b, and the corridor's s is always 1
OTHER = "leave_one_out:scope=trajectory"  #: the other trajectory's return: there are two
BEST = "constant:value=best"  #: the constant of least variance, put in by `best`
LADDER = (
    ("reinforce", "none"),
    ("reinforce", "constant"),
    ("reinforce", OTHER),
    ("reinforce", BEST),
    ("reward_to_go", "none"),
    ("reward_to_go", "leave_one_out"),
    ("reward_to_go", "optimal"),
    ("reward_to_go", CRITIC),
    ("reward_to_go", "exact_value"),
    ("reward_to_go", "constant"),
    ("reward_to_go", BEST),
    ("gae", CRITIC),
    ("td", CRITIC),
    ("gae", "exact_value"),
    ("n_step:steps=3", "exact_value"),
    ("td", "exact_value"),
)
SHORT = tuple(LADDER[place] for place in (0, 1, 4, 8, 9, 15))  #: what neither learns nor compares
PROBABILITIES = {"p=.05": 0.05, "p=.25": 0.25, "p=.5": 0.5, "p=p*": 2 - 2**0.5, "p=.95": 0.95}
PROCESSES = range(12)  #: seeds of random processes, not measured
GARNET = ("states=5", "actions=2", "branching=2", "ending=0.2")  #: as in the study's sweep
UNBIASED = (LADDER[0], LADDER[4], LADDER[8], LADDER[14], LADDER[15])  #: of very different tails
SCALES = {"bias": 0.5, "variance": 1.0, "signal_to_noise": 0.0}  #: powers of `Case.scale`
COMMON = (
    *("estimator=reward_to_go", "estimator.discount=1", "optimizer=sgd", "environment.slots=2"),
)
FIELDS = (
    *("environment", "point", "estimator", "baseline", "how", "trajectories"),
    *("exact_bias", "exact_variance", "exact_signal_to_noise"),
    *("bias", "bias_low", "bias_high", "variance", "variance_low", "variance_high"),
    *("signal_to_noise", "signal_to_noise_low", "signal_to_noise_high", "episodes", "seed"),
)


@dataclass(frozen=True)
class Case:
    """An environment and a θ.

    Attributes:
        environment: the option, or the file's name.
        point: of θ, in words.
        overrides: of everything.
        arms: which are looked at.
        scale: what a trace is multiplied by to be one with respect to logits.
        sampled: whether it is measured as well.
    """

    environment: str
    point: str
    overrides: tuple[str, ...]
    arms: tuple[tuple[str, str], ...]
    scale: float = 0.5
    sampled: bool = True


def cases() -> Iterator[Case]:
    """The corridor at five θ, what contradicts the folklore, and random processes."""
    softmax = ("policy=categorical_floor", "policy.floor=0")
    for name, p in PROBABILITIES.items():
        half = math.log(p / (1 - p)) / 2
        start = (*softmax, f"policy.initial_logits=[{-half},{half}]")
        place = ("environment=corridor", "environment.max_steps=null")
        yield Case("corridor", name, (*place, *start), LADDER)
    clamp = ("environment.rewards=[0,1]", "policy=clamp", "policy.initial_probability=0.2")
    simple = (LADDER[4], LADDER[8])
    yield Case("two_action", "θ=.2", ("environment=two_action", *clamp), simple, scale=1.0)
    for name in ("deposit", "lottery"):
        file = f"environment.file={HERE / name}.yaml"
        yield Case(name, "even", ("environment=table", file, *softmax), SHORT)
    for seed in PROCESSES:
        sizes = (f"environment.{key}" for key in (f"mdp_seed={seed}", *GARNET))
        place = ("environment=random_mdp", *sizes, *softmax)
        yield Case("random_mdp", f"process {seed}", place, SHORT, sampled=False)


def rows(
    case: Case, seeds: Sequence[int] = (SEED,), episodes: int = SAMPLES
) -> Iterator[dict[str, Any]]:
    """A row for each arm and seed, what is known without sampling beside what is measured."""
    for estimator, baselines in by_estimator(case).items():
        exact = said(case, estimator, baselines, seeds[:1], episodes, "--exact")[0]
        sampled = [name for name in baselines if name != "optimal"] if case.sampled else []
        each = said(case, estimator, sampled, seeds, episodes) if sampled else [{}]
        for seed, seen in zip(seeds, each, strict=True):
            for name, known in exact.items():
                row = {"environment": case.environment, "point": case.point}
                row |= {"estimator": estimator, "baseline": name, "how": known["how"]}
                row["trajectories"] = known["trajectories_per_draw"]
                row |= {f"exact_{figure}": scaled(case, figure, known[figure]) for figure in SCALES}
                if name in seen:
                    row |= {"episodes": episodes, "seed": seed, **ends(case, seen[name])}
                yield row


def by_estimator(case: Case) -> dict[str, list[str]]:
    """The baselines of each estimator, with the best constants put in."""
    found: dict[str, list[str]] = {}
    for estimator, baseline in case.arms:
        name = f"constant:value={best(case, estimator)!r}" if baseline == BEST else baseline
        found.setdefault(estimator, []).append(name)
    return found


def best(case: Case, estimator: str) -> float:
    """The constant of least variance: a constant's variance A − 2 c B + c² C is known at three."""
    tried = [f"constant:value={c!r}" for c in (-1.0, 0.0, 1.0)]
    known = said(case, estimator, tried, (SEED,), SAMPLES, "--exact")[0]
    below, none, above = (known[name]["variance"] for name in tried)
    return (below - above) / 2 / (below + above - 2 * none)


def said(
    case: Case,
    estimator: str,
    baselines: Sequence[str],
    seeds: Sequence[int],
    episodes: int,
    *exact: str,
) -> list[dict[str, dict[str, Any]]]:
    """What ``pgx gradients`` says of an estimator with each of these baselines, for every seed."""
    names = ("--estimators", estimator, "--baselines", ",".join(baselines))
    counts = ("--fit", str(FIT), *(exact or ("--samples", str(episodes))))
    asked = parse([*case.overrides, *COMMON, f"seeds={list(seeds)}", *names, *counts])
    whole, thetas = where(asked)
    if exact:
        found = unsampled.record(whole, asked, thetas)
    else:
        measures = [measure(whole, asked, theta) for theta in thetas]
        found = record(whole, asked, measures, judge(measures))
    return [{row["baseline"]: row for row in point["rows"]} for point in found["points"]]


def scaled(case: Case, name: str, value: float | None) -> float | None:
    """A figure of both logits as one of the second action's."""
    return None if value is None else case.scale ** SCALES[name] * value


def ends(case: Case, row: dict[str, Any]) -> dict[str, float | None]:
    """Every figure with the ends of its interval."""
    return {
        name + suffix: scaled(case, name, row[name][end])
        for name in SCALES
        for end, suffix in (("value", ""), ("low", "_low"), ("high", "_high"))
    }


def repeats() -> Iterator[dict[str, Any]]:
    """Rows of seeds that share nothing: how often does an interval hold the exact figure?"""
    middle = next(case for case in cases() if case.point == "p=.5")
    for place, arm in enumerate(UNBIASED):
        case = replace(middle, point="p=.5 again", arms=(arm,))
        first = 1000 + REPEATS * place
        yield from rows(case, range(first, first + REPEATS), FEW)


def written(value: Any) -> str:
    """As the table holds it: eight digits at most, nothing where nothing is known."""
    if isinstance(value, float):
        return f"{value:.8g}" if abs(value) > ROUNDING else "0"
    return "" if value is None else str(value)


def chart(table: list[dict[str, str]]) -> dict[str, Any]:
    """Variance of every rung at the five θ, exact and measured."""
    names = ("exact_variance", "variance", "variance_low", "variance_high")
    values = [
        {"p": row["point"].removeprefix("p="), "arm": label(row)}
        | {name: float(row[name]) for name in names if row[name]}
        for row in table
        if row["environment"] == "corridor" and row["point"] in PROBABILITIES
    ]
    arms = [label({"estimator": first, "baseline": second}) for first, second in LADDER]
    points = [name.removeprefix("p=") for name in PROBABILITIES]
    return {
        "data": {"values": values},
        "title": {"text": "Variance of one episode's gradient on the corridor", "anchor": "start"}
        | {"subtitle": "Black: exact. Blue: 6,000 episodes, the same for all arms, 95% jackknife."},
        "facet": {"column": {"field": "p", "sort": points, "header": {"title": "p = π(right)"}}},
        "spec": {"width": 150, "height": 300, "layer": layers(arms)},
        "padding": 5,  # Vega's own
    }


def layers(arms: list[str]) -> list[dict[str, Any]]:
    """A black tick for what is exact, a blue point and line for what is measured."""
    place = {"type": "quantitative", "scale": {"type": "log"}, "title": "variance"}
    place["axis"] = {"format": "~s", "values": [1, 10, 100, 1000, 10_000, 100_000]}
    arm = {"field": "arm", "type": "nominal", "sort": arms, "title": None}
    arm["axis"] = {"labelLimit": 220, "grid": True}
    blue, black = "var(--c1)", "var(--c0)"
    reach = {"x": {"field": "variance_low", **place}, "x2": {"field": "variance_high"}, "y": arm}
    marks = (
        ({"type": "tick", "color": black, "thickness": 2, "size": 14}, "exact_variance"),
        ({"type": "circle", "color": blue, "size": 28, "opacity": 1}, "variance"),
    )
    rest = [
        {"mark": mark, "encoding": {"x": {"field": name, **place}, "y": arm}}
        for mark, name in marks
    ]
    return [rest[0], {"mark": {"type": "rule", "color": blue}, "encoding": reach}, rest[1]]


def told(table: list[dict[str, str]]) -> Iterator[str]:
    """The README's lines: an arm's exact variance at every θ, and the measured one at p = .5."""
    rows = [row for row in table if row["environment"] == "corridor"]
    for estimator, baseline in LADDER:
        arm = label({"estimator": estimator, "baseline": baseline})
        found = {row["point"]: row for row in rows if label(row) == arm}
        exact = " | ".join(short(found[point]["exact_variance"]) for point in PROBABILITIES)
        middle = found["p=.5"]
        names = [f"variance{end}" for end in ("", "_low", "_high")]
        seen = [short(middle[name]) for name in names if middle[name]]
        yield f"| {arm} | {exact} | {'{} [{}, {}]'.format(*seen) if seen else '–'} |"


def short(figure: str) -> str:
    """A figure of the table with three digits, or as many as it has before the point."""
    return f"{float(figure):,.{max(0, 2 - math.floor(math.log10(float(figure))))}f}"


def label(row: dict[str, str]) -> str:
    """An arm as people write it."""
    first = {"reinforce": "total return", "reward_to_go": "reward-to-go", "td": "TD", "gae": "GAE"}
    second = {"none": "", "constant": " − v(0)", "exact_value": " − v(s)", "value": " − learned V"}
    second |= {"leave_one_out": " − the other's", "optimal": " − b of each term, limit"}
    name = row["baseline"].split(":")[0]
    words = " − best constant" if row["baseline"].startswith("constant:") else second[name]
    estimator = first.get(row["estimator"], "3-step")
    if estimator in ("TD", "GAE", "3-step"):
        return estimator + (", v(s)" if name == "exact_value" else ", learned V: biased")
    return estimator + words


def main() -> None:
    """Write the table and the figure."""
    torch.set_num_threads(1)
    found = [row for case in cases() for row in rows(case)] + list(repeats())
    with (HERE / "measured.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, FIELDS, lineterminator="\n")
        table.writeheader()
        table.writerows({name: written(row.get(name)) for name in FIELDS} for row in found)
    with (HERE / "measured.csv").open(encoding="utf-8") as file:
        drawn = alone(chart(list(csv.DictReader(file))))
    (HERE / "figures").mkdir(exist_ok=True)
    (HERE / "figures" / "variance.svg").write_text(drawn, encoding="utf-8")


if __name__ == "__main__":
    main()
