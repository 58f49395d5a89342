"""The two-action example in full, as expectations over both trajectories: nothing is sampled.

    python experiments/009_clamp/measure.py

writes ``measured.csv`` and ``figures/variance.svg``. Every number is what ``estimator=reinforce``
and ``policy=clamp`` answer, or the mean or variance that `pgx.gradients` gives for them.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from pgx.build import build_environment
from pgx.config import compose_config
from pgx.environments.base import Environment
from pgx.environments.exact import probabilities
from pgx.environments.tabular import Tabular
from pgx.gradients.arms import Arm, combine
from pgx.gradients.asked import Asked, choices
from pgx.gradients.enumerate import Listing, every_trajectory
from pgx.gradients.exact import exact_moments
from pgx.gradients.yardsticks import Constant
from pgx.report.drawing import alone
from pgx.report.looks import DASHES, LIGHT

FOLDER = Path(__file__).resolve().parent
START = 0.2  #: θ of the example
REWARDS = ((1.0, 0.0), (0.0, 1.0), (-1.0, -2.0), (2.0, 1.0))  #: of left and right
DRAWN = REWARDS[:2]  #: whose parabolas the figure shows
CONSTANTS = np.linspace(-0.5, 1.5, 21)  #: baselines of the parabolas
THETAS = (-0.3, 0.0, 1.0, 1.3)  #: outside and at the ends
RATE = 0.1  #: of a step, as in the study
COLUMNS = ("quantity", "left", "right", "theta", "project", "baseline", "constant", "value")
Row = tuple[Any, ...]


class Example:
    """One pair of rewards.

    Args:
        rewards: of left and right.
        project: whether θ is put back into [0, 1] after a step.
    """

    def __init__(self, rewards: tuple[float, float], project: bool = False) -> None:
        words = [f"environment.rewards=[{rewards[0]},{rewards[1]}]", f"policy.project={project}"]
        words += ["environment=two_action", "policy=clamp", "estimator=reinforce", "baseline=none"]
        made = compose_config([*words, "estimator.discount=1", "environment.slots=2"])
        asked = Asked(
            estimators=choices("--estimators", "reinforce"),
            baselines=choices("--baselines", "none,optimal"),
        )
        (self.none, self.optimal), _ = combine(made, asked, 0, True)
        env: Environment = build_environment(made, [0], 1)
        assert isinstance(env, Tabular)
        self.env, self.rewards, self.project = env, rewards, project
        for arm in (self.none, self.optimal):
            arm.policy.double()

    def row(
        self, quantity: str, theta: float, name: str | None, constant: Any, value: float
    ) -> Row:
        return (quantity, *self.rewards, theta, self.project, name, constant, value)

    @torch.no_grad()
    def at(self, theta: float) -> Listing:
        """Put θ there, and list the trajectories that are possible."""
        for arm in (self.none, self.optimal):
            arm.policy.flat[:, arm.policy.free] = theta
        chosen = probabilities(self.env.mdp, self.none.policy)[0]
        return every_trajectory(self.env.mdp, chosen, None)

    def subtracting(self, constant: float) -> Arm:
        """The arm that subtracts this number."""
        return replace(self.none, baseline=Constant(self.none.parts, 1.0, float(constant)))

    def estimates(self, arm: Arm, listing: Listing) -> dict[str, float]:
        """What the estimator makes of each trajectory, by its action."""
        found = arm.estimator.trajectories(
            arm.policy, listing.rollout, arm.baseline(listing.rollout)
        )
        values = found[0][:, arm.policy.free][:, 0].tolist()
        names = [("left", "right")[action] for action in listing.rollout.action[0, 0].tolist()]
        return dict(zip(names, values, strict=True))

    def moments(self, arm: Arm) -> tuple[float, float]:
        """Mean and variance of one trajectory's estimate."""
        found = exact_moments(self.env, arm)
        assert not isinstance(found, str), found
        free = arm.policy.free
        return found.mean[free].item(), found.variance[free].item()

    def best(self, listing: Listing) -> float:
        """b*, the ratio of the two expectations that ``baseline=optimal`` estimates."""
        terms = self.optimal.estimator.best_constants(self.optimal.policy, listing.rollout)
        over, under = (listing.probability @ one[0][:, self.none.policy.free] for one in terms)
        return (over / under).item()

    def truth(self) -> tuple[float, float]:
        """J and its derivative by θ."""
        policy = self.none.policy
        value = self.env.objective(policy, 1.0).sum()
        (slope,) = torch.autograd.grad(value, policy.flat)
        return value.item(), slope[0][policy.free].item()


def worked(rewards: tuple[float, float]) -> list[Row]:
    """The example at θ = .2: estimates, means and variances with no baseline, V, and b*."""
    example = Example(rewards)
    listing = example.at(START)
    value, slope = example.truth()
    rows = [
        example.row("objective", START, None, None, value),
        example.row("slope", START, None, None, slope),
    ]
    for name, constant in (("none", 0.0), ("value", value), ("optimal", example.best(listing))):
        arm = example.subtracting(constant)
        for action, estimate in example.estimates(arm, listing).items():
            rows.append(example.row(f"estimate_{action}", START, name, constant, estimate))
        for quantity, number in zip(("mean", "variance"), example.moments(arm), strict=True):
            rows.append(example.row(quantity, START, name, constant, number))
    for quantity, number in zip(
        ("mean", "variance"), example.moments(example.optimal), strict=True
    ):
        rows.append(example.row(quantity, START, "leave_one_out", None, number))
    return rows


def parabola(rewards: tuple[float, float]) -> list[Row]:
    """The variance with every constant."""
    example = Example(rewards)
    example.at(START)
    return [
        example.row(
            "variance", START, "constant", number, example.moments(example.subtracting(number))[1]
        )
        for number in CONSTANTS
    ]


def ends(rewards: tuple[float, float], project: bool) -> list[Row]:
    """What is expected at the ends of [0, 1] and outside, without a baseline and with V."""
    example, rows = Example(rewards, project), []
    policy = example.none.policy
    for theta in THETAS:
        example.at(theta)
        policy.project()
        inside = policy.flat[0, policy.free].item()
        value, slope = example.truth()
        rows += [
            example.row("start", theta, None, None, inside),
            example.row("objective", theta, None, None, value),
            example.row("slope", theta, None, None, slope),
        ]
        for name, constant in (("none", 0.0), ("value", value)):
            example.at(inside)
            mean, _ = example.moments(example.subtracting(constant))
            rows.append(example.row("mean", theta, name, constant, mean))
            example.at(inside + RATE * mean)
            policy.project()
            after = policy.flat[0, policy.free].item()
            rows.append(example.row("after", theta, name, constant, after))
    return rows


def measured() -> pl.DataFrame:
    """Everything, as tidy rows."""
    rows = [row for rewards in REWARDS for row in worked(rewards)]
    rows += [row for rewards in DRAWN for row in parabola(rewards)]
    rows += [row for rewards in REWARDS for way in (False, True) for row in ends(rewards, way)]
    table = pl.DataFrame(rows, schema=COLUMNS, orient="row", infer_schema_length=None)
    made = []
    for name in ("constant", "value"):
        rounded = pl.col(name).round(9)
        made.append(pl.when(rounded == 0).then(0.0).otherwise(rounded).alias(name))  # no −0
    return table.with_columns(made)


def places(table: pl.DataFrame) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The parabolas' points, and those with a name, which stands beside the curve."""
    names = {"none": "none", "value": "V", "optimal": "best"}
    own = table.filter(pl.col("quantity") == "variance").filter(pl.col("constant").is_not_null())
    lines, marks = [], []
    for left, right in DRAWN:
        pair = own.filter((pl.col("left") == left) & (pl.col("right") == right))
        best = pair.filter(pl.col("baseline") == "optimal")["constant"].item()
        for row in pair.iter_rows(named=True):
            place = {"b": row["constant"], "variance": row["value"], "pair": _said(left, right)}
            if row["baseline"] == "constant":
                lines.append(place)
            else:
                rising = row["constant"] > best
                marks.append({**place, "name": names[row["baseline"]], "rising": rising})
    return lines, marks


def _said(left: float, right: float) -> str:
    return f"R = ({left:g}, {right:g})"


def chart(table: pl.DataFrame) -> dict[str, Any]:
    """The variance against the baseline, and where no baseline, V and b* lie on it."""
    lines, marks = places(table)
    domain = [_said(*pair) for pair in DRAWN]
    axes = {
        "x": {
            "field": "b",
            "type": "quantitative",
            "title": "baseline, subtracted from the reward",
        },
        "y": {"field": "variance", "type": "quantitative", "title": "variance of one estimate"},
    }
    looks = {
        name: {
            "field": "pair",
            "type": "nominal",
            "scale": {"domain": domain, "range": shown},
            "legend": {"title": None},
        }
        for name, shown in (("color", [LIGHT[1], LIGHT[2]]), ("strokeDash", list(DASHES[:2])))
    }
    colour = {"color": {**looks["color"], "legend": None}}
    layers: list[dict[str, Any]] = [
        {
            "data": {"values": lines},
            "mark": {"type": "line", "strokeWidth": 1.5},
            "encoding": axes | looks,
        },
        {
            "data": {"values": marks},
            "mark": {"type": "point", "filled": True, "size": 55, "opacity": 1},
            "encoding": axes | colour,
        },
    ]
    for rising, side in ((False, 8), (True, -8)):
        align = "right" if rising else "left"
        text = {"type": "text", "dx": side, "dy": -9, "align": align, "fontSize": 11}
        beside = [mark for mark in marks if mark["rising"] == rising]
        named = {**axes, **colour, "text": {"field": "name"}}
        layers.append({"data": {"values": beside}, "mark": text, "encoding": named})
    title = {
        "text": "Variance against the baseline: two actions, left with probability .2",
        "subtitle": "Exact. V is the state's value; best is the constant that leaves no variance.",
        "anchor": "start",
        "offset": 12,
    }
    return {"width": 460, "height": 300, "title": title, "layer": layers}


def main() -> None:
    """Write the table and the figure."""
    table = measured()
    table.write_csv(FOLDER / "measured.csv")
    (FOLDER / "figures").mkdir(exist_ok=True)
    (FOLDER / "figures" / "variance.svg").write_text(alone(chart(table)), encoding="utf-8")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
