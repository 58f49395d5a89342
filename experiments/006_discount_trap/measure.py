"""The update with γᵗ and without, as expectations over all trajectories: nothing is sampled.

    python experiments/006_discount_trap/measure.py

writes ``measured.csv`` and ``figures/field.svg``. Every number is the mean or the variance that
`pgx.gradients` gives for ``estimator=reward_to_go``, or made of such means.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from pgx.build import build_environment
from pgx.config import compose_config
from pgx.environments.base import Environment
from pgx.gradients.arms import Arm, combine
from pgx.gradients.asked import Asked, choices
from pgx.gradients.exact import exact_moments
from pgx.report.drawing import alone
from pgx.report.looks import LIGHT

FOLDER = Path(__file__).resolve().parent
ESTIMATORS = {"with": "reward_to_go", "without": "reward_to_go:discount_weighting=false"}
PROCESSES = {"large": ("nota_thomas", 0.4), "minimal": ("nota_thomas_minimal", 0.5)}  #: and γ
STARTS = (0.1, 0.5, 0.9)  #: p where slopes are measured, and where ascent begins
RATE, STEPS = 20.0, 50  #: of ascent along the expected update, of the one logit
GAMMA, POINT = 0.5, (0.3, -0.2)  #: of the two sigmoids, and where their Jacobian is taken
STEP = 1e-3  #: of its differences
GRID = np.linspace(-3.0, 3.0, 9)  #: of the field, both logits
CORNER = 2.0  #: the loop is the square from −2 to 2
LONGEST = 0.62  #: arrow of the figure, in units of θ
COLUMNS = ("quantity", "process", "update", "first", "second", "value")
Row = tuple[Any, ...]


class Update:
    """An update in an environment, as a function of the logits of its policy.

    Args:
        env: tabular.
        arm: estimator and policy, in float64.
        place: int64 ``[L]``, where in θ the logits are; all else is 0.
    """

    def __init__(self, env: Environment, arm: Arm, place: torch.Tensor) -> None:
        self.env, self.arm, self.place = env, arm, place

    def moments(self, *logits: float) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance of one episode's estimate, by each logit."""
        with torch.no_grad():
            flat = self.arm.policy.flat.zero_()
            flat[0, self.place] = torch.tensor(logits, dtype=torch.float64)
        found = exact_moments(self.env, self.arm)
        assert not isinstance(found, str), found
        return found.mean[self.place].numpy(), found.variance[self.place].numpy()

    def __call__(self, *logits: float) -> np.ndarray:
        """The expected update ``[L]``."""
        return self.moments(*logits)[0]


def updates(words: list[str], discount: float, two: bool = False) -> dict[str, Update]:
    """With γᵗ and without; the logit is π(right)'s bias, or a1's weight in each of two states."""
    words = [*words, "policy=categorical_linear", "baseline=none"]
    made = compose_config([*words, "estimator=reward_to_go", f"estimator.discount={discount}"])
    asked = Asked(
        estimators=choices("--estimators", ",".join(ESTIMATORS.values())),
        baselines=choices("--baselines", "none"),
    )
    arms, _ = combine(made, asked, 0, True)
    env = build_environment(made, [0], 1)
    net: Any = arms[0].policy.net
    weight, bias = net.layers(torch.arange(net.flat.shape[1])[None])[0]
    place = weight[0, :2, 0] if two else bias.reshape(-1)[1:]
    for arm in arms:
        arm.policy.double()
    return {name: Update(env, arm, place) for name, arm in zip(ESTIMATORS, arms, strict=True)}


def sigmoids() -> dict[str, Update]:
    """The process of two decisions with a logit each."""
    words = ["environment=table", f"environment.file='{FOLDER / 'two_sigmoids.yaml'}'"]
    return updates([*words, "environment.max_steps=null"], GAMMA, two=True)


def slopes(process: str) -> list[Row]:
    """Slopes at every start, divided by p(1−p), and variances of one episode's estimate."""
    option, gamma = PROCESSES[process]
    weighted = updates([f"environment={option}"], gamma)
    whole = {"undiscounted": updates([f"environment={option}"], 1.0)["with"]}
    rows: list[Row] = []
    for name, update in {**weighted, **whole}.items():
        for chance in STARTS:
            mean, variance = update.moments(_logit(chance))
            slope = mean.item() / (chance * (1 - chance))
            rows.append(("slope", process, name, chance, None, slope))
            rows.append(("variance", process, name, chance, None, variance.item()))
    return rows


def limits(process: str) -> list[Row]:
    """Where ascent along the expected update ends, from every start."""
    option, gamma = PROCESSES[process]
    return [
        ("limit", process, name, start, None, limit(update, _logit(start)))
        for name, update in updates([f"environment={option}"], gamma).items()
        for start in STARTS
    ]


def limit(update: Update, logit: float) -> float:
    """p after `STEPS` steps along the expected update."""
    for _ in range(STEPS):
        logit += RATE * update(logit).item()
    return 1 / (1 + math.exp(-logit))


def field(update: Update, name: str) -> list[Row]:
    """The expected update on the grid, its Jacobian at the point, its work around the square."""
    place = ("two_sigmoids", name)
    rows: list[Row] = []
    for first in GRID:
        for second in GRID:
            for number, value in enumerate(update(first, second), 1):
                rows.append((f"field_{number}", *place, first, second, value))
    slope = jacobian(update, np.array(POINT))
    for row, column in np.ndindex(2, 2):
        rows.append((f"jacobian_{row + 1}{column + 1}", *place, *POINT, slope[row, column]))
    rows.append(("asymmetry", *place, *POINT, slope[0, 1] - slope[1, 0]))
    rows.append(("circulation", *place, None, None, circulation(update)))
    return rows


def jacobian(update: Update, point: np.ndarray) -> np.ndarray:
    """∂F_i/∂θ_j ``[2, 2]`` by central differences of fourth order."""
    columns = []
    for one in np.eye(2) * STEP:
        near = update(*(point + one)) - update(*(point - one))
        far = update(*(point + 2 * one)) - update(*(point - 2 * one))
        columns.append((8 * near - far) / (12 * STEP))
    return np.stack(columns, axis=1)


def circulation(update: Update) -> float:
    """∮ F · dθ once around the square, to the left; 0 of every gradient."""
    nodes, weights = np.polynomial.legendre.leggauss(10)
    total = 0.0
    for along, sign, fixed in ((0, 1, -CORNER), (1, 1, CORNER), (0, -1, CORNER), (1, -1, -CORNER)):
        for node, weight in zip(nodes * CORNER, weights * CORNER, strict=True):
            point = (node, fixed) if along == 0 else (fixed, node)
            total += sign * weight * update(*point)[along]
    return total


def _logit(chance: float) -> float:
    return math.log(chance / (1 - chance))


def measured() -> pl.DataFrame:
    """Everything, as tidy rows."""
    rows = [row for process in PROCESSES for row in (*slopes(process), *limits(process))]
    rows += [row for name, update in sigmoids().items() for row in field(update, name)]
    table = pl.DataFrame(rows, schema=COLUMNS, orient="row")
    value = pl.col("value").round(12)
    return table.with_columns(pl.when(value == 0).then(0.0).otherwise(value).alias("value"))


def arrows(table: pl.DataFrame, name: str) -> list[dict[str, float]]:
    """Where each arrow begins and ends, and its head's angle from upwards."""
    longest, made = 0.0, []
    for (_, update), own in table.filter(pl.col("quantity").str.starts_with("field")).group_by(
        "process", "update", maintain_order=True
    ):
        wide = own.pivot("quantity", index=["first", "second"], values="value")
        for x, y, u, v in wide.iter_rows():
            size = math.hypot(u, v)
            longest = max(longest, size)
            if update == name and size > 0:
                made.append((x, y, u / size, v / size, size))
    return [
        {
            "x": x,
            "y": y,
            "x2": x + u * LONGEST * math.sqrt(size / longest),
            "y2": y + v * LONGEST * math.sqrt(size / longest),
            "angle": math.degrees(math.atan2(u, v)),
        }
        for x, y, u, v, size in made
    ]


def panel(table: pl.DataFrame, name: str) -> dict[str, Any]:
    """One field, with the square that its work is taken around."""
    told = {row[0]: row[5] for row in table.filter(pl.col("update") == name).iter_rows()}
    kind = "a gradient" if name == "with" else "the gradient of no function"
    title = {
        "text": f"{name} the discount weight: {kind}",
        "subtitle": [
            f"asymmetry of its Jacobian at the dot: {told['asymmetry']:.4g}",
            f"work once around the square: {told['circulation']:.4g}",
        ],
        "anchor": "start",
        "offset": 10,
    }
    scale, colour = {"domain": [-3.6, 3.6], "nice": False}, LIGHT[1 if name == "with" else 2]
    ends = {"x2": {"field": "x2"}, "y2": {"field": "y2"}}
    names = {"x": "logit of a1 in s0", "y": "logit of a1 in s1"}

    def at(suffix: str) -> dict[str, Any]:
        return {
            key: {"field": f"{key}{suffix}", "type": "quantitative", "title": title, "scale": scale}
            for key, title in names.items()
        }

    edge = [{"x": -CORNER, "y": -CORNER, "x2": CORNER, "y2": CORNER}]
    head = {"field": "angle", "type": "quantitative", "scale": None}
    square = {"type": "rect", "filled": False, "stroke": LIGHT[7], "strokeDash": [3, 3]}
    dot = {"type": "point", "filled": True, "size": 45, "color": LIGHT[0], "opacity": 1}
    tip = {"type": "point", "shape": "triangle-up", "filled": True, "size": 26, "color": colour}
    values = {"values": arrows(table, name)}
    layers: list[dict[str, Any]] = [
        {"data": {"values": edge}, "mark": square, "encoding": {**at(""), **ends}},
        {"data": values, "mark": {"type": "rule", "color": colour}, "encoding": at("") | ends},
        {"data": values, "mark": {**tip, "opacity": 1}, "encoding": at("2") | {"angle": head}},
        {"data": {"values": [{"x": POINT[0], "y": POINT[1]}]}, "mark": dot, "encoding": at("")},
    ]
    return {"width": 300, "height": 300, "title": title, "layer": layers}


def chart(table: pl.DataFrame) -> dict[str, Any]:
    """Both fields side by side."""
    title = {
        "text": "Where the update points, in expectation, with a discount of .5",
        "subtitle": "An arrow's length is in proportion to the root of the update's norm.",
        "anchor": "start",
        "offset": 18,
    }
    panels = [panel(table, name) for name in ESTIMATORS]
    return {"title": title, "hconcat": panels, "spacing": 36}


def main() -> None:
    """Write the table and the figure."""
    table = measured()
    table.write_csv(FOLDER / "measured.csv")
    (FOLDER / "figures").mkdir(exist_ok=True)
    (FOLDER / "figures" / "field.svg").write_text(alone(chart(table)), encoding="utf-8")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
