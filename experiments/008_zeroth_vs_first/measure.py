"""How far the mean return of m episodes is from the utility it stands for.

    python experiments/008_zeroth_vs_first/measure.py

writes ``measured.csv`` (environment, theta, episodes m, how many means of m, exact utility and
deviation σ of one return, the means' root mean square error, its standard error, and σ/√m),
``figures/error.svg`` and, from the report's episodes, ``figures/regulator.svg``. The study's
policies and its γ; the episodes that are sampled are those of one stated seed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from omegaconf import DictConfig
from torch import Tensor

from pgx.baselines.base import constant
from pgx.build import build_environment, build_policy
from pgx.config import compose_config
from pgx.environments.base import Environment
from pgx.environments.exact import chain, probabilities, state_value
from pgx.environments.regulator import NOISE, SPREAD, START, Regulator
from pgx.environments.tabular import Tabular
from pgx.estimators.utility import Utility
from pgx.gradients.sample import Sampler
from pgx.policies.base import Policy
from pgx.policies.gaussian_linear import LEAST, GaussianLinear
from pgx.report.drawing import alone
from pgx.report.looks import LIGHT

FOLDER = Path(__file__).parent
SEED = 8
DISCOUNT = 0.99  #: γ of the study
SLOTS, ROLLOUTS = 4096, 16  #: episodes at once, and how often
EPISODES = tuple(4**k for k in range(7))  #: m
BIN, LAST = 500, 25_000  #: decisions of a point of the regulator's curves, and of its end
BEST = 0.19  #: cost of ten decisions of θ = (−1, 0): .1, then nine times .01
ARMS = (
    *("reward_to_go", "finite_difference", "cross_entropy"),
    *("genetic", "evolution_strategies", "pattern_search"),
)
OWN = {"regulator": "policy=gaussian_linear", "corridor": "policy=categorical_floor"}
THETAS = {
    "regulator": {
        "(0, 1)": ("policy.initial_slope=0.0", "policy.initial_std=1.0"),
        "(−0.5, 0.3)": ("policy.initial_slope=-0.5", "policy.initial_std=0.3"),
        "(−0.9, 0.1)": ("policy.initial_slope=-0.9", "policy.initial_std=0.1"),
    },
    "corridor": {
        "(1.47, −1.47)": ("policy.initial_logits=[1.47,-1.47]",),
        "(1, −1)": ("policy.initial_logits=[1.0,-1.0]",),
        "(0, 0.35)": ("policy.initial_logits=[0.0,0.35]",),
    },
}


def settings(environment: str, theta: str) -> DictConfig:
    """The config of an environment with its policy at θ."""
    words = [f"environment={environment}", OWN[environment], *THETAS[environment][theta]]
    return compose_config(words)


def made(environment: str, theta: str) -> tuple[Environment, Policy]:
    """One slot of an environment, and its policy at θ."""
    asked = settings(environment, theta)
    env = build_environment(asked, [SEED], 1)
    return env, build_policy(asked, env.spec, [SEED])


def deviation(env: Environment, policy: Policy, discount: float) -> float:
    """σ of the discounted return of one episode, exactly."""
    if isinstance(env, Regulator) and isinstance(policy, GaussianLinear):
        ((slope, std),) = policy.net.layers(policy.flat.detach().double())
        assert env.spec.time_limit is not None
        keep, noise = 1.0 + float(slope[0]), (abs(float(std[0])) + LEAST) ** 2 + NOISE**2
        return gaussian(keep, noise, discount, env.spec.time_limit)
    assert isinstance(env, Tabular)
    return tabular(env, probabilities(env.mdp, policy)[0].detach(), discount)


def gaussian(keep: float, noise: float, discount: float, limit: int) -> float:
    """σ of −Σ_k γᵏ s_k², a quadratic form of jointly normal states s ~ N(μ, C), A = diag(γᵏ).

    Var = 2 tr (A C)² + 4 μᵀ A C A μ,   s_{k+1} = keep · s_k + N(0, noise)
    """
    step = np.arange(limit)
    lag = step[:, None] - step
    carried = np.where(lag >= 0, keep ** np.maximum(lag, 0.0), 0.0)
    mean = START * carried[:, 0]
    covariance = carried * np.where(step == 0, SPREAD**2, noise) @ carried.T
    weight = discount**step
    scaled, drift = weight[:, None] * covariance, weight * mean
    variance = 2.0 * np.trace(scaled @ scaled) + 4.0 * drift @ covariance @ drift
    return float(np.sqrt(variance))


def tabular(env: Tabular, chances: Tensor, discount: float) -> float:
    """σ of the return of a process whose rewards are certain, as if there were no time limit.

    E[G²|s] = Σ_a π(a|s) (r² + 2γ r Σ_s' P V(s')) + γ² Σ_s' P_π E[G²|s']
    """
    mdp, value = env.mdp, state_value(env.mdp, chances, discount)
    between, _ = chain(mdp, chances)
    reward = mdp.expected_reward
    later = (mdp.transition * value).sum(-1)
    square = (chances * (reward**2 + 2.0 * discount * reward * later)).sum(-1)
    kept = torch.eye(mdp.states, dtype=torch.float64) - discount**2 * between
    second = torch.linalg.solve(kept, square)
    return float((mdp.start @ second - (mdp.start @ value) ** 2).sqrt())


def returns(environment: str, theta: str, rollouts: int = ROLLOUTS) -> np.ndarray:
    """Discounted returns of complete episodes, float64 ``[rollouts · SLOTS]``."""
    _, policy = made(environment, theta)
    sampler = Sampler(settings(environment, theta), policy, SEED, "command", SLOTS)
    estimator, found = Utility(DISCOUNT), []
    for _ in range(rollouts):
        rollout = sampler()
        nothing = constant(torch.zeros_like(rollout.reward))
        found.append(estimator.utilities(rollout, nothing, SLOTS)[0].numpy())
    sampler.close()
    return np.concatenate(found)


def rows(environment: str, theta: str, found: np.ndarray) -> list[dict[str, Any]]:
    """For every m: the root mean square error of the means of m episodes, and its own error."""
    env, policy = made(environment, theta)
    exact = float(env.objective(policy, DISCOUNT).detach())
    sigma, told = deviation(env, policy, DISCOUNT), []
    for episodes in EPISODES:
        squares = (found.reshape(-1, episodes).mean(1) - exact) ** 2
        error = float(np.sqrt(squares.mean()))
        spread = float(squares.std(ddof=1) / (2.0 * error * np.sqrt(len(squares))))
        about = {"environment": environment, "theta": theta}
        numbers = {"utility": exact, "deviation": sigma, "error": error}
        numbers |= {"standard_error": spread, "line": sigma / np.sqrt(episodes)}
        short = {name: float(f"{number:.6g}") for name, number in numbers.items()}
        told.append({**about, "episodes": episodes, "means": len(squares), **short})
    return told


def panel(table: pl.DataFrame, environment: str) -> dict[str, Any]:
    """One environment: σ/√m as lines, what was measured as points with 95% intervals."""
    own = table.filter(pl.col("environment") == environment)
    called = {
        theta: f"θ = {theta}, U = {utility:.2f}".replace("-", "−")
        for theta, utility in own.select("theta", "utility").unique(maintain_order=True).rows()
    }
    half = 1.96 * pl.col("standard_error")
    bounds = {"low": pl.col("error") - half, "high": pl.col("error") + half}
    values = own.with_columns(pl.col("theta").replace_strict(called), **bounds).to_dicts()
    names = list(called.values())
    colours = {"domain": names, "range": [LIGHT[2], LIGHT[1], LIGHT[3]]}
    legend = {"title": None, "orient": "bottom", "columns": 1, "labelLimit": 300}
    colour = {"field": "theta", "type": "nominal", "scale": colours, "legend": legend}
    shape = {"field": "theta", "type": "nominal", "legend": legend}
    shape["scale"] = {"domain": names, "range": ["circle", "square", "triangle-up"]}
    m = {"field": "episodes", "type": "quantitative", "title": "episodes m"}
    m |= {"scale": {"type": "log", "base": 4}, "axis": {"values": list(EPISODES)}}

    axis = {"format": "~g", "values": [10.0**power for power in range(-3, 3)]}
    y = {"type": "quantitative", "title": "root mean square error of U", "axis": axis}
    y |= {"scale": {"type": "log", "nice": False}}
    line = {"type": "line", "strokeWidth": 1.2}
    layers = [
        {"mark": line, "encoding": {"x": m, "y": {"field": "line", **y}, "color": colour}},
        {
            "mark": {"type": "rule", "strokeWidth": 1.5},
            "encoding": {
                "x": m,
                "y": {"field": "low", **y},
                "y2": {"field": "high"},
                "color": colour,
            },
        },
        {
            "mark": {"type": "point", "size": 34, "filled": True, "opacity": 1},
            "encoding": {"x": m, "y": {"field": "error", **y}, "color": colour, "shape": shape},
        },
    ]
    title = {"text": environment, "anchor": "start", "fontSize": 12}
    data = {"values": values}
    return {"data": data, "width": 300, "height": 260, "title": title, "layer": layers}


def chart(table: pl.DataFrame) -> dict[str, Any]:
    """Both environments side by side."""
    title = {
        "text": "What m episodes know of a utility",
        "subtitle": [
            f"γ = {DISCOUNT:g}. Lines: σ/√m, with the exact deviation σ of one return. Points: "
            "means of m episodes against the exact U,",
            f"with 95% intervals; {SLOTS * ROLLOUTS:,} episodes at every θ, so {ROLLOUTS} means "
            f"of {EPISODES[-1]:,}.",
        ],
        "anchor": "start",
        "offset": 12,
    }
    panels = [panel(table, environment) for environment in THETAS]
    apart = {"scale": {"color": "independent", "shape": "independent"}}
    return {"title": title, "hconcat": panels, "resolve": apart}


def costs() -> pl.DataFrame:
    """The regulator by arm and decisions: median over runs of the mean cost of `BIN` decisions."""
    kept = pl.col("environment").cast(pl.String) == "regulator"
    found = pl.read_parquet(FOLDER / "report" / "episodes.parquet").filter(kept)
    near = (pl.col("decisions").cast(pl.Int64) + BIN - 1) // BIN * BIN
    found = found.with_columns(near.alias("decisions"), pl.col("arm").cast(pl.String))
    runs = found.group_by("arm", "decisions", "seed").agg(-pl.col("return_raw").mean())
    middle = runs.group_by("arm", "decisions").agg(pl.col("return_raw").median().alias("cost"))
    return middle.filter(pl.col("decisions") <= LAST).sort("arm", "decisions")


def curves(table: pl.DataFrame) -> dict[str, Any]:
    """The report's curves of the regulator again, on an axis on which they can be told apart."""
    scale = {"domain": list(ARMS), "range": list(LIGHT[: len(ARMS)])}
    dashes = {
        "domain": list(ARMS),
        "range": [[1, 0]] + [[6, 2]] * 2 + [[2, 2], [8, 2, 2, 2], [1, 0]],
    }
    legend = {"title": None, "labelLimit": 200}
    axis = {"format": "~g", "values": [10.0**power for power in range(-1, 8)]}
    y = {"field": "cost", "type": "quantitative", "title": "−return, median of 20 runs"}
    y |= {"scale": {"type": "log", "nice": False, "domainMin": 0.1}, "axis": axis}
    x = {"field": "decisions", "type": "quantitative", "scale": {"nice": False}}
    x["axis"] = {"values": list(range(0, LAST + 1, 5_000))}
    line = {
        "data": {"values": table.to_dicts()},
        "mark": {"type": "line", "strokeWidth": 1.5},
        "encoding": {
            "x": x,
            "y": y,
            "color": {"field": "arm", "type": "nominal", "scale": scale, "legend": legend},
            "strokeDash": {"field": "arm", "type": "nominal", "scale": dashes, "legend": legend},
        },
    }
    best = {
        "data": {"values": [{"cost": BEST}]},
        "mark": {"type": "rule", "color": LIGHT[7], "strokeDash": [2, 2]},
        "encoding": {"y": y},
    }
    title = {
        "text": "The regulator: what an episode costs",
        "subtitle": [
            f"Training episodes, the mean of every {BIN} decisions of a run. No interval shown.",
            f"Dotted: the best policy's, {BEST:g}.",
        ],
        "anchor": "start",
        "offset": 12,
    }
    return {"width": 460, "height": 300, "title": title, "layer": [line, best]}


def main() -> None:
    """Write the table and the figures."""
    pairs = [(environment, theta) for environment in THETAS for theta in THETAS[environment]]
    found = [row for pair in pairs for row in rows(*pair, returns(*pair))]
    table = pl.DataFrame(found)
    table.write_csv(FOLDER / "measured.csv")
    (FOLDER / "figures").mkdir(exist_ok=True)
    for name, drawn in {"error": chart(table), "regulator": curves(costs())}.items():
        (FOLDER / "figures" / f"{name}.svg").write_text(alone(drawn), encoding="utf-8")


if __name__ == "__main__":
    main()
