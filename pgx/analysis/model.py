"""What is known of a study's runs, and what follows from it; every table and figure reads these.

`Evidence` is what was recorded: it comes from an output directory, or from the rows that a report
ships. `Analysis` follows from the evidence alone, to the last digit: that is what ``pgx verify``
checks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pgx.stats.aggregates import Array
from pgx.stats.bootstrap import Interval
from pgx.stats.comparison import Comparison, Summary
from pgx.stats.curves import Curves
from pgx.study import Study


@dataclass(frozen=True)
class Run:
    """One replica's record, as far as comparisons need it.

    Args:
        arm: slug.
        environment: slug.
        seed: names the run.
        status: ``finished``, ``diverged``, ``failed``, ``interrupted``, ``running`` or
            ``missing``. Only the first two count: a diverged run as the worst score.
        reason: half a sentence, if there is one.
        reached: decisions taken.
        decisions: int64 ``[E]``, the run's count at each episode's end.
        returns: float64 ``[E]``, return_raw of each episode.
    """

    arm: str
    environment: str
    seed: int
    status: str
    reason: str | None
    reached: int
    decisions: Array
    returns: Array


@dataclass(frozen=True)
class Evidence:
    """Everything a study's answer rests on.

    Args:
        study: what was asked.
        runs: one per trained arm, environment and seed that was asked for, missing ones too.
        parts: one mapping of plain values per part: ``arm, environment, seeds, status,
            config_hash, prediction_sha256, started, ended, elapsed_s, versions, hardware, git,
            command``; what the manifests say, with nothing of the rows. One whose config is not
            the study's says how in ``differs``: its runs are not among `runs`.
        configs: arm to environment to flat run-relevant config: key to value.
        notes: lines about the record that must not be lost, such as a run held twice.
    """

    study: Study
    runs: tuple[Run, ...]
    parts: tuple[Mapping[str, Any], ...]
    configs: Mapping[str, Mapping[str, Mapping[str, Any]]]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Measure:
    """One metric's figures and comparisons, in every environment.

    Args:
        metric: a key of `pgx.study.METRICS`.
        summaries: per environment and arm: IQM, mean and median with intervals.
        comparisons: every other arm held against the reference; verdicts only count for the
            study's primary metric.
    """

    metric: str
    summaries: tuple[Summary, ...]
    comparisons: tuple[Comparison, ...]


@dataclass(frozen=True)
class Profile:
    """An arm's performance profile in one environment: the share of runs above each score.

    Args:
        thresholds: float64 ``[K]``, scores of the primary metric.
        share: float64 ``[K]``.
        low: float64 ``[K]``, lower end of the pointwise 95% interval.
        high: float64 ``[K]``.
        runs: n.
    """

    thresholds: Array
    share: Array
    low: Array
    high: Array
    runs: int


@dataclass(frozen=True)
class Analysis:
    """Everything that is said about a study.

    Args:
        study: what was asked.
        against: the arm that the others are held against: the study's reference, or another.
        primary: the metric that verdicts are about.
        secondary: the other metrics, whose comparisons have no verdict to give.
        curves: environment to arm to the curves of its runs that count, by seed; beyond what a
            diverged run reached, the worst value that any run has there, or less.
        bands: environment to arm to float64 ``[3, G]``: IQM of the curves, low, high; ends NaN
            where all runs of the arm have diverged.
        profiles: environment to arm to profile.
        aggregates: arm to figures over all environments, normalised; empty where an environment
            has no bounds, or where there is only one.
        counts: environment to arm to status to the seeds that have it.
        changed: lines about what no longer fits: a prediction that changed after runs were made,
            parts of one arm with different configs, or with another than the study's.
        notes: lines about the record, as in `Evidence`.
        seed: of the generator behind every interval and test.
        resamples: behind every interval.
    """

    study: Study
    against: str
    primary: Measure
    secondary: tuple[Measure, ...]
    curves: Mapping[str, Mapping[str, Curves]]
    bands: Mapping[str, Mapping[str, Array]]
    profiles: Mapping[str, Mapping[str, Profile]]
    aggregates: Mapping[str, Mapping[str, Interval]]
    counts: Mapping[str, Mapping[str, Mapping[str, tuple[int, ...]]]]
    changed: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())
    seed: int = 0
    resamples: int = 10_000
