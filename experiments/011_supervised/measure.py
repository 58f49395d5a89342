"""What the copies of the two experts earn themselves, and what the experts do.

    python experiments/011_supervised/measure.py

writes ``measured.csv`` (arm, who, actions, decisions, seed, return) and ``figures/copies.svg``. The
episodes of the study's expert arms are the experts'; here its copies learn again, seed by seed the
same up to decision 20,000, and are evaluated beside it.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from omegaconf import DictConfig, OmegaConf

from pgx.build import build, build_environment
from pgx.checkpoint import load_checkpoint
from pgx.cli import main as pgx
from pgx.config import compose_config
from pgx.evaluation import Evaluation, Protocol, evaluation_seeds
from pgx.policies.base import Policy
from pgx.report.drawing import alone
from pgx.report.looks import LIGHT

FOLDER = Path(__file__).parent
STUDY = FOLDER.parents[1] / "conf" / "study" / "011_supervised.yaml"
EXPERTS = ("expert_good", "expert_mediocre")
DECISIONS, EVERY, EPISODES = 20_000, 1_000, 10  #: of a copy's training, and its evaluations
LAST = 100  #: episodes of every seed at the end
BIN = 2_000  #: decisions of a point of the learners' curves
LABELS = {
    "reward_to_go": "reward-to-go",
    "weighted": "reward-weighted, ten steps",
    "expert_good": "copy of the good expert",
    "expert_mediocre": "copy of the mediocre expert",
}


def words(arm: str) -> list[str]:
    """The study's overrides of an arm, with its expert wherever this is begun from."""
    asked = OmegaConf.load(STUDY)
    place = f"estimator.expert={FOLDER / 'expert'}"
    ours = "estimator.expert=experiments/011_supervised/expert"
    (environment,) = asked.environments
    return [f"environment={environment}", *(w.replace(ours, place) for w in asked.arms[arm])]


def play(policy: Policy, settings: DictConfig, seeds: list[int], likeliest: bool) -> np.ndarray:
    """Mean return ``[R]`` of `LAST` episodes of every replica."""
    env = build_environment(settings, evaluation_seeds(seeds, "command"), LAST)
    evaluation = Evaluation(policy, env, Protocol(None, LAST, likeliest), None)
    returns, _ = evaluation.play(np.ones(len(seeds), dtype=bool))
    evaluation.close()
    mean: np.ndarray = returns.mean(1)
    return mean


def learned(arm: str, seeds: list[int], decisions: int = DECISIONS) -> pl.DataFrame:
    """A copy's evaluations while it learns, then what it and its expert earn at the end."""
    protocol = (f"every={EVERY}", f"episodes={EPISODES}", "deterministic=false")
    asked = [*words(arm), f"decisions={decisions}", *(f"evaluation.{word}" for word in protocol)]
    with tempfile.TemporaryDirectory() as folder:
        about = [f"seeds={seeds}".replace(" ", ""), f"arm={arm}", f"output={folder}", "threads=1"]
        if pgx(["train", *asked, *about]):
            raise SystemExit(f"{arm} failed")
        (part,) = (path.parent for path in Path(folder).rglob("config.yaml"))
        found = pl.read_parquet(part / "evaluations.parquet")
        state = load_checkpoint(part)
    assert state is not None
    mean = pl.col("return_raw").cast(pl.Float64).mean()
    along = found.group_by("decisions", "seed").agg(mean).sort("decisions", "seed")
    rows = [("copy", "sampled", *row) for row in along.rows()]
    settings = compose_config(asked)
    parts = build(settings, seeds)
    parts.policy.flat.data.copy_(state["module"]["parameters"][0])
    assert parts.behaviour is not None
    for who, policy in (("copy", parts.policy), ("expert", parts.behaviour)):
        for actions in ("sampled", "likeliest"):
            means = play(policy, settings, seeds, actions == "likeliest").tolist()
            rows += [(who, actions, -1, *pair) for pair in zip(seeds, means, strict=True)]
    parts.env.close()
    names = ["who", "actions", "decisions", "seed", "return"]
    table = pl.DataFrame(rows, schema=names, orient="row", infer_schema_length=None)
    kept = pl.when(pl.col("decisions") < 0).then(None).otherwise(pl.col("decisions"))
    table = table.with_columns(kept.alias("decisions"), pl.col("return").round(2))
    return table.select(pl.lit(arm).alias("arm"), *names)


def learners() -> pl.DataFrame:
    """Mean return of the episodes that ended in every `BIN` decisions, from the report's rows."""
    rows = pl.read_parquet(FOLDER / "report" / "episodes.parquet")
    rows = rows.with_columns(pl.col("arm").cast(pl.String), pl.col("return_raw").cast(pl.Float64))
    rows = rows.filter(~pl.col("arm").is_in(EXPERTS) & pl.col("arm").is_in(list(LABELS)))
    near = ((pl.col("decisions").cast(pl.Int64) + BIN - 1) // BIN * BIN).alias("decisions")
    runs = rows.with_columns(near).group_by("arm", "decisions", "seed")
    means = runs.agg(pl.col("return_raw").mean()).group_by("arm", "decisions")
    found = means.agg(pl.col("return_raw").mean().alias("return"))
    return found.filter(pl.col("decisions") <= 60_000).sort("arm", "decisions")


def chart(table: pl.DataFrame, others: pl.DataFrame) -> dict[str, Any]:
    """Return against decisions, copies beside the learners, and the experts as rules."""
    along = table.filter(pl.col("decisions").is_not_null()).group_by("arm", "decisions")
    copies = along.agg(pl.col("return").mean()).sort("arm", "decisions")
    values = pl.concat([others, copies.select(others.columns)])
    values = values.with_columns(arm=pl.col("arm").replace_strict(LABELS))
    expert = table.filter((pl.col("who") == "expert") & (pl.col("actions") == "sampled"))
    rules = expert.group_by("arm").agg(pl.col("return").mean()).sort("arm")
    rules = rules.with_columns(arm=pl.col("arm").replace_strict(LABELS))
    names = list(LABELS.values())
    scale = {"domain": names, "range": list(LIGHT[: len(names)])}
    colour = {"field": "arm", "type": "nominal", "scale": scale}
    colour |= {"legend": {"title": None, "labelLimit": 260}}
    y = {"field": "return", "type": "quantitative", "title": "return, mean of 20 runs"}
    x = {"field": "decisions", "type": "quantitative", "axis": {"format": "~s"}}
    title = {
        "text": "Learning from an expert, and from reward",
        "subtitle": [
            "CartPole, a linear policy. Copies: ten episodes of every run at each point, actions",
            "sampled. Learners: their training episodes. Dashed: the experts. No interval shown.",
        ],
        "anchor": "start",
        "offset": 12,
    }
    dashed = {"type": "rule", "strokeDash": [6, 3]}
    lines = {"mark": {"type": "line", "strokeWidth": 1.5}, "encoding": {"x": x, "y": y}}
    lines["encoding"]["color"] = colour
    layers = [
        {"data": {"values": values.to_dicts()}, **lines},
        {
            "data": {"values": rules.to_dicts()},
            "mark": dashed,
            "encoding": {"y": y, "color": colour},
        },
    ]
    return {"width": 480, "height": 300, "title": title, "layer": layers}


def main() -> None:
    """Write the table and the figure."""
    seeds = list(range(OmegaConf.load(STUDY).seeds))
    table = pl.concat([learned(arm, seeds) for arm in EXPERTS])
    table.write_csv(FOLDER / "measured.csv")
    (FOLDER / "figures").mkdir(exist_ok=True)
    drawn = alone(chart(table, learners()))
    (FOLDER / "figures" / "copies.svg").write_text(drawn, encoding="utf-8")


if __name__ == "__main__":
    main()
