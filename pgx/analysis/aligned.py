"""One environment's runs on one grid of decisions, and the scores that follow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from pgx.analysis.model import Evidence, Run
from pgx.stats.aggregates import Array
from pgx.stats.comparison import Scores
from pgx.stats.curves import Curves, align, area, common_grid

COUNTED = ("finished", "diverged")  #: statuses whose runs count


@dataclass(frozen=True)
class Aligned:
    """The runs of an environment that count, comparable.

    Args:
        grid: float64 ``[G]``, decisions from 0 to what every finished run has reached; of a single
            point if no run took a decision.
        curves: arm to its runs' curves by seed, as `settled_curves` leaves them.
        scores: metric to arm to seed to score; NaN if the run diverged, or a return is no number.
            Every arm that the study wants here is there, one without runs as well.
        empty: arm to the seeds that finished without ending an episode on the grid: no score.
        unreal: arm to the seeds that finished and whose score is no number, as a return is none.
        reached: decisions of the finished runs, the least and the most.
        floor: what a run without a score counts as at most, in units of return; NaN: unknown.
    """

    grid: Array
    curves: Mapping[str, Curves]
    scores: Mapping[str, Mapping[str, Scores]]
    empty: Mapping[str, tuple[int, ...]]
    unreal: Mapping[str, tuple[int, ...]]
    reached: tuple[int, int]
    floor: float


def align_runs(evidence: Evidence, environment: str) -> Aligned:
    """Bring an environment's finished and diverged runs to one grid, and score them.

    Args:
        evidence: the runs.
        environment: slug.
    """
    study = evidence.study
    out = {arm for arm, place, _ in study.excluded if place == environment}
    here = [run for run in evidence.runs if run.environment == environment]
    if not study.reference:  # nobody asked: only what there is was wanted
        out |= set(study.trained) - {run.arm for run in here}
    counted = [run for run in here if run.status in COUNTED]
    finished = [run.reached for run in counted if run.status == "finished" and run.reached > 0]
    ends = finished or [max((run.reached for run in counted), default=0)]
    grid = common_grid(ends) if min(ends) > 0 else np.zeros(1)
    curves: dict[str, Curves] = {}
    scores: dict[str, dict[str, Scores]] = {"area": {}, "final": {}}
    empty, unreal = {}, {}
    for arm in (arm for arm in study.trained if arm not in out):
        runs = sorted((run for run in counted if run.arm == arm), key=lambda run: run.seed)
        values = _curves(runs, grid, study.last)
        reached = np.array([run.reached for run in runs], dtype=np.int64)
        curves[arm] = Curves(grid, values, reached)
        lone = {run.seed for run in runs if run.status == "finished" and not _ended(run, grid)}
        areas = area(grid, values) if len(grid) > 1 and runs else np.full(len(runs), np.nan)
        for metric, found in (("area", areas), ("final", values[:, -1])):
            scores[metric][arm] = {
                run.seed: float(score) if run.status == "finished" else float("nan")
                for run, score in zip(runs, found, strict=True)
                if run.seed not in lone
            }
        whole = [run.seed for run in runs if run.status == "finished" and run.seed not in lone]
        unreal[arm] = tuple(s for s in whole if not np.isfinite(scores["area"][arm][s]))
        empty[arm] = tuple(sorted(lone))
    areas_of = scores["area"]
    unscored = [r for r in counted if not np.isfinite(areas_of.get(r.arm, {}).get(r.seed, 0.0))]
    floor = _floor(unscored, study.last, study.places[environment].low)
    settled = settled_curves(curves, floor)
    return Aligned(grid, settled, scores, empty, unreal, (min(ends), max(ends)), floor)


def _floor(unscored: list[Run], last: int, low: float | None) -> float:
    """What a run without a score counts as at most: it shall not rest on how good the others are.

        min(low, mean of the last k finite returns of each run that has no score)

    Args:
        unscored: runs that diverged, or whose score is no number.
        last: k, episodes.
        low: return that counts as 0 in the environment, if it has one.
    """
    finite = [run.returns[np.isfinite(run.returns)][-last:] for run in unscored]
    own = [float(returns.mean()) for returns in finite if len(returns)]
    return min([*own, *([] if low is None else [low])], default=float("nan"))


def settled_curves(curves: Mapping[str, Curves], floor: float = float("nan")) -> dict[str, Curves]:
    """Let a run that stopped short count as the worst of all runs at every later point, or less.

    Only diverged runs end before the grid does. Left out from there on, as if they had never been,
    they would make the rest of their arm look better.

    Args:
        curves: arm to the curves of its runs, on one grid; NaN beyond what a run reached.
        floor: what it counts as at most, as of `pgx.stats.comparison.settle`.
    """
    if not curves:
        return {}
    every = np.concatenate([found.values for found in curves.values()])
    worst = np.fmin.reduce(every, axis=0, initial=np.inf)
    worst = np.where(np.isinf(worst), np.nan, np.fmin(worst, floor))
    return {
        arm: replace(
            found, values=np.where(found.grid > found.reached[:, None], worst, found.values)
        )
        for arm, found in curves.items()
    }


def _curves(runs: list[Run], grid: Array, last: int) -> Array:
    """float64 ``[n, G]``, a curve per run."""
    found = [align(run.decisions, run.returns, grid, last, run.reached) for run in runs]
    return np.stack(found) if found else np.zeros((0, len(grid)))


def _ended(run: Run, grid: Array) -> bool:
    """Whether an episode ended on the grid."""
    return len(run.decisions) > 0 and bool(run.decisions[0] <= grid[-1])
