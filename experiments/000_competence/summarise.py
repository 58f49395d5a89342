"""Collect what the runs of `run.sh` reached into results.csv, and the table of the README from it.

``python summarise.py outputs/competence`` reads the runs; without a folder the table is made again
from results.csv alone.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import polars as pl

HERE = Path(__file__).resolve().parent
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"
LAST = 100  # training episodes

#: environment -> (what the median run has to reach, the published figure beside it)
ASKED = {
    "CartPole-v1": (475.0, "A2C 500 at 500k"),
    "Acrobot-v1": (-100.0, "A2C −83.4 at 500k"),
    "Pendulum-v1": (-300.0, "A2C −163 at 1M"),
    "MountainCar-v0": (None, ""),
    "MountainCarContinuous-v0": (90.0, ""),
    "LunarLander-v3": (150.0, "A2C 155.8 at 200k (v2)"),
}


def collect(folder: Path) -> pl.DataFrame:
    """A row per environment and seed: what it took, and what it reached."""
    rows = []
    for found in sorted(folder.glob("*/eval.json")):
        played = json.loads(found.read_text())
        part = next(found.parent.glob("*/seeds-*"))
        manifest = json.loads((part / "manifest.json").read_text())
        episodes = pl.read_parquet(part / "episodes.parquet").sort("seed", "episode")
        for seed in played["seeds"]:
            mine = episodes.filter(pl.col("seed") == seed["seed"])
            rows.append(
                {
                    "environment": played["protocol"]["environment"],
                    "preset": manifest["arm"],
                    "seed": seed["seed"],
                    "status": seed["status"],
                    "decisions": seed["decisions"],
                    "episodes": mine.height,
                    "evaluation_mean": seed["mean"],
                    "evaluation_episodes": seed["episodes"],
                    "deterministic": played["protocol"]["deterministic"],
                    "training_mean_last_100": mine["return_raw"].tail(LAST).mean(),
                    "seeds_together": len(manifest["seeds"]),
                    "threads": manifest["threads"],
                    "wall_s": manifest["elapsed_s"],
                    "commit": manifest["git"]["commit"][:12],
                    "cpu": manifest["hardware"]["cpu"],
                }
            )
    return pl.DataFrame(rows)


def table(results: pl.DataFrame) -> str:
    """The README's table, a row per environment."""
    lines = [
        "| environment | preset | decisions a seed | median run | worst – best | asked "
        "| reached by | training, last 100 | all seeds took | published |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, (asked, published) in ASKED.items():
        rows = results.filter(pl.col("environment") == name)
        if rows.is_empty():
            continue
        value, n = rows["evaluation_mean"], rows.height
        enough = "–" if asked is None else f"{(value >= asked).sum()} of {n}"
        lines.append(
            f"| {name} | `{rows['preset'][0]}` | {rows['decisions'].max():,} "
            f"| **{value.median():.1f}** (n = {n}) | {value.min():.1f} – {value.max():.1f} "
            f"| {'–' if asked is None else f'≥ {asked:g}'} | {enough} "
            f"| {rows['training_mean_last_100'].median():.1f} | {rows['wall_s'][0]:.0f} s "
            f"| {published} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Write results.csv if a folder is given, then the table into README.md."""
    if len(sys.argv) > 1:
        collect(Path(sys.argv[1])).write_csv(HERE / "results.csv", float_precision=4)
    readme = HERE / "README.md"
    before, rest = readme.read_text().split(BEGIN)
    after = rest.split(END)[1]
    made = table(pl.read_csv(HERE / "results.csv"))
    readme.write_text(f"{before}{BEGIN}\n{made}\n{END}{after}")


if __name__ == "__main__":
    main()
