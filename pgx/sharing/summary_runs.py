"""What the summary run of an arm says: one W&B run per arm, with its row of the comparison."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from pgx.analysis.model import Analysis
from pgx.analysis.sheets import records
from pgx.sharing.state import digest
from pgx.study import METRICS

_NAMES = ("environment", "arm", "label", "metric")  #: columns that name a row


def summary_runs(
    analysis: Analysis, headline: str, images: Mapping[str, str]
) -> list[dict[str, Any]]:
    """The summary runs of a study, one per trained arm.

    They form a group of their own, named as the study: an arm's group holds its replicas alone, and
    what W&B counts and averages there is theirs. The table of a run holds the arm's own rows: W&B
    shows the tables of several runs as one, and that one is the study's comparison.

    Args:
        analysis: of the study.
        headline: its verdict in a sentence.
        images: name to file name of the pictures that every run shows.

    Returns:
        Plain values: ``arm, id, name, group, config, summary, columns, rows, images, digest``. The
        id is stable, and the digest that of everything but the pictures, which follow from it.
    """
    study = analysis.study
    every = records(analysis, study.places)
    found = []
    for arm in study.trained:
        own = [row for row in every if row["arm"] == arm]
        content = {
            "arm": arm,
            "id": f"summary-{_hash(f'{study.name}/{arm}')}",
            "name": f"{arm} summary",
            "group": study.name,
            "config": _config(analysis, arm),
            "summary": {"headline": headline, **_figures(own)},
            "columns": list(own[0]) if own else [],
            "rows": [list(row.values()) for row in own],
            "images": dict(images),
        }
        found.append({**content, "digest": digest(content)})
    return found


def _config(analysis: Analysis, arm: str) -> dict[str, Any]:
    study = analysis.study
    return {
        "study": study.name,
        "arm": arm,
        "label": study.label(arm),
        "question": study.question,
        "prediction": study.prediction,
        "reference": analysis.against,
        "metric": study.metric,
        "metric_is": METRICS[study.metric],
        "last": study.last,
        "overrides": list(study.arms[arm]),
        "environments": list(study.places),
        "interval": "95%, stratified percentile bootstrap",
        "resamples": analysis.resamples,
        "statistics_seed": analysis.seed,
    }


def _figures(own: list[dict[str, Any]]) -> dict[str, Any]:
    """``<environment>/<metric>/<column>`` to value, of what is a figure."""
    return {
        f"{row['environment']}/{row['metric']}/{name}": value
        for row in own
        for name, value in row.items()
        if name not in _NAMES and value is not None
    }


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
