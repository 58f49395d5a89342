"""Where states look alike, exactly: the best policy of each kind, and what was learned.

    python experiments/010_aliased/measure.py

writes ``measured.csv`` (environment, quantity, x, J) and ``figures/chance.svg``. Every J is exact;
the policies that runs end with are those of the study's own runs, trained again seed by seed.
"""

from __future__ import annotations

import itertools
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import torch
from omegaconf import OmegaConf
from torch import Tensor

from pgx.build import build_environment, build_policy
from pgx.checkpoint import load_checkpoint
from pgx.cli import main as pgx
from pgx.config import compose_config
from pgx.environments.exact import objective
from pgx.environments.mdp import MDP
from pgx.environments.tabular import Tabular
from pgx.report.drawing import alone
from pgx.report.looks import LIGHT

FOLDER = Path(__file__).parent
STUDY = FOLDER.parents[1] / "conf" / "study" / "010_aliased.yaml"
LEARNED = ("stochastic", "deterministic", "value_based")  #: arms whose last policies are measured
EPSILONS = (0.0, 0.01, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1.0)
GREEDY = 0.1  #: ε of the study's value-based arm
RIGHT, DOWN, LEFT = 1, 2, 3  #: actions of the gridworld
SHARES = [share / 200 for share in range(201)]  #: π(right) of the curves


@dataclass(frozen=True)
class Puzzle:
    """A process some of whose states look alike.

    Args:
        name: as the study calls it.
        mdp: the process.
        limit: decisions after which an episode is cut off.
        seen: int64 ``[S]``, which observation a state shows.
        kinds: O, how many observations there are before the end.
    """

    name: str
    mdp: MDP
    limit: int
    seen: Tensor
    kinds: int

    @classmethod
    def of(cls, name: str, env: Tabular) -> Puzzle:
        """The puzzle that an environment is; terminal states show observation 0."""
        live = ~env.mdp.terminal
        distinct, place = torch.unique(env.mdp.features[live], dim=0, return_inverse=True)
        seen = torch.zeros(env.mdp.states, dtype=torch.int64)
        seen[live] = place
        assert env.spec.time_limit is not None
        return cls(name, env.mdp, env.spec.time_limit, seen, len(distinct))

    def returns(self, table: Tensor) -> Tensor:
        """J of policies ``[…, O, A]``, float64 ``[…]``; γ = 1 within the limit."""
        return objective(self.mdp, table[..., self.seen, :], 1.0, self.limit)

    def deterministic(self) -> Tensor:
        """Every policy that has one action for each observation, ``[Aᴼ, O, A]``."""
        actions = range(self.mdp.actions)
        every = torch.tensor(list(itertools.product(actions, repeat=self.kinds)))
        return torch.nn.functional.one_hot(every, self.mdp.actions).double()

    def greedy(self, epsilon: float) -> float:
        """J of the best of them that takes any action at all with probability ε."""
        table = (1.0 - epsilon) * self.deterministic() + epsilon / self.mdp.actions
        return float(self.returns(table).max())

    def best(self) -> Tensor:
        """The policy ``[O, A]`` at which ascent of the exact J ends, from every action alike."""
        logits = torch.zeros(self.kinds, self.mdp.actions, dtype=torch.float64, requires_grad=True)
        steps: dict[str, Any] = {"max_iter": 500, "tolerance_change": 1e-14}
        ascent = torch.optim.LBFGS([logits], line_search_fn="strong_wolfe", **steps)

        def loss() -> Tensor:
            ascent.zero_grad()
            short: Tensor = -self.returns(logits.softmax(-1))
            short.backward()
            return short

        for _ in range(5):
            ascent.step(loss)
        return logits.detach().softmax(-1)

    def shared(self) -> Tensor:
        """Policies ``[X, O, A]`` that go right with a share of `SHARES` where states look alike.

        In the gridworld these are the two grey cells, where the others go left; elsewhere a policy
        does what the best one does.
        """
        right, other = (1, 0) if self.name == "corridor" else (RIGHT, LEFT)
        alike = self.seen[~self.mdp.terminal].bincount().argmax()
        table = self.best().round().repeat(len(SHARES), 1, 1)
        table[:, alike] = 0.0
        table[:, alike, right] = torch.tensor(SHARES, dtype=torch.float64)
        table[:, alike, other] += 1.0 - table[:, alike, right]
        return table


def puzzles() -> dict[str, Puzzle]:
    """The study's two environments."""
    asked, made = OmegaConf.load(STUDY), {}
    for name, place in asked.environments.items():
        settings = compose_config([f"environment={name}", *place.overrides])
        made[str(name)] = Puzzle.of(str(name), build_environment(settings, [0], 1))
    return made


def exact(puzzle: Puzzle) -> list[dict[str, Any]]:
    """Rows of everything that needs no run."""
    alike = torch.full((puzzle.kinds, puzzle.mdp.actions), 1.0 / puzzle.mdp.actions)
    found = [
        ("every_action_alike", None, float(puzzle.returns(alike.double()))),
        ("best_deterministic", None, puzzle.greedy(0.0)),
        ("best_stochastic", None, float(puzzle.returns(puzzle.best()))),
        *(("best_epsilon_greedy", epsilon, puzzle.greedy(epsilon)) for epsilon in EPSILONS),
        *(
            ("right", *pair)
            for pair in zip(SHARES, puzzle.returns(puzzle.shared()).tolist(), strict=True)
        ),
    ]
    return [
        {"environment": puzzle.name, "quantity": quantity, "x": x, "J": round(value, 6)}
        for quantity, x, value in found
    ]


def frozen(name: str, arm: str) -> list[dict[str, Any]]:
    """J of the policy that every run of an arm ends with: it learns no more."""
    asked = OmegaConf.load(STUDY)
    place, seeds = asked.environments[name], list(range(asked.seeds))
    words = [f"environment={name}", *asked.base, *asked.arms[arm], *place.overrides]
    words.append(f"decisions={place.decisions}")
    with tempfile.TemporaryDirectory() as folder:
        about = [f"seeds={asked.seeds}", f"arm={arm}", f"output={folder}", "threads=1"]
        if pgx(["train", *words, *about]):
            raise SystemExit(f"{arm} on {name} failed")
        (part,) = (path.parent for path in Path(folder).rglob("config.yaml"))
        state = load_checkpoint(part)
    assert state is not None
    settings = compose_config(words)
    env = build_environment(settings, seeds, 1)
    policy = build_policy(settings, env.spec, seeds)
    policy.flat.data.copy_(state["module"]["parameters"][0])
    values = env.objective(policy, 1.0).tolist()
    return [
        {"environment": name, "quantity": f"end_of_{arm}", "x": float(seed), "J": round(value, 6)}
        for seed, value in zip(seeds, values, strict=True)
    ]


def chart(rows: pl.DataFrame) -> dict[str, Any]:
    """J against π(right) where states look alike, a panel for each environment."""
    titles = {
        "gridworld": "Aliased gridworld: π(right) in the two cells that look alike",
        "corridor": "Short corridor: π(right) in all three states",
    }
    title = {
        "text": "Where states look alike, the best policy acts by chance",
        "subtitle": [
            "Exact J. Squares: deterministic policies. Circle: the best policy. Dashed: the best",
            f"{GREEDY}-greedy policy. In the gridworld the other cells do what is best there.",
        ],
        "anchor": "start",
        "offset": 12,
    }
    panels = [_panel(rows.filter(pl.col("environment") == name), titles[name]) for name in titles]
    return {"title": title, "hconcat": panels, "spacing": 28}


def _panel(rows: pl.DataFrame, title: str) -> dict[str, Any]:
    curve = rows.filter(pl.col("quantity") == "right").select("x", "J").to_dicts()
    top = max(curve, key=lambda point: float(point["J"]))
    of_greedy = (pl.col("quantity") == "best_epsilon_greedy") & (pl.col("x") == GREEDY)
    greedy = rows.filter(of_greedy).select("J").to_dicts()
    axis = {
        "x": {"field": "x", "type": "quantitative", "title": "π(right)"},
        "y": {"field": "J", "type": "quantitative", "title": "J", "scale": {"zero": False}},
    }
    ends = {"type": "point", "shape": "square", "size": 70, "filled": True, "color": LIGHT[2]}
    peak = {"type": "point", "shape": "circle", "size": 80, "filled": True, "color": LIGHT[1]}
    rule = {"type": "rule", "strokeDash": [6, 3], "color": LIGHT[3]}
    label = {"type": "text", "dy": -10, "color": LIGHT[1], "fontSize": 11}
    told = [{**top, "text": f"{top['J']:.3g} at {top['x']:g}".replace("-", "−")}]
    layers: list[tuple[list[dict[str, Any]], dict[str, Any], dict[str, Any]]] = [
        (greedy, rule, {"y": axis["y"]}),
        (curve, {"type": "line", "color": LIGHT[0]}, axis),
        ([curve[0], curve[-1]], ends, axis),
        ([top], peak, axis),
        (told, label, {**axis, "text": {"field": "text"}}),
    ]
    return {
        "width": 330,
        "height": 260,
        "title": {"text": title, "anchor": "start", "fontSize": 12},
        "layer": [
            {"data": {"values": values}, "mark": mark, "encoding": encoding}
            for values, mark, encoding in layers
        ],
    }


def main() -> None:
    """Write the table and the figure."""
    rows = []
    for name, puzzle in puzzles().items():
        rows += exact(puzzle) + [row for arm in LEARNED for row in frozen(name, arm)]
    table = pl.DataFrame(rows, infer_schema_length=None)
    table.write_csv(FOLDER / "measured.csv")
    (FOLDER / "figures").mkdir(exist_ok=True)
    (FOLDER / "figures" / "chance.svg").write_text(alone(chart(table)), encoding="utf-8")


if __name__ == "__main__":
    main()
