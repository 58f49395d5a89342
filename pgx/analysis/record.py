"""What has to be said about a study's record besides its figures: nothing is dropped in silence."""

from __future__ import annotations

from collections.abc import Mapping

from pgx.analysis.aligned import Aligned
from pgx.analysis.model import Evidence
from pgx.study import prediction_hash
from pgx.tables import seed_span

UNEVEN = 1.1  #: the longest run over the shortest, above which it is said what they reached

_UNWRITTEN = prediction_hash("")


def counts(evidence: Evidence) -> dict[str, dict[str, dict[str, tuple[int, ...]]]]:
    """Environment to arm to status to seeds, in the study's order; only statuses that occur."""
    found: dict[str, dict[str, dict[str, list[int]]]] = {
        place: {arm: {} for arm in evidence.study.trained} for place in evidence.study.places
    }
    for arm, place, _ in evidence.study.excluded:
        found.get(place, {}).pop(arm, None)
    for run in evidence.runs:
        found[run.environment][run.arm].setdefault(run.status, []).append(run.seed)
    return {
        place: {
            arm: {status: tuple(sorted(seeds)) for status, seeds in sorted(here.items())}
            for arm, here in arms.items()
        }
        for place, arms in found.items()
    }


def changes(evidence: Evidence) -> tuple[str, ...]:
    """Lines about what no longer fits: a prediction that changed, arms with several configs."""
    return (*_predictions(evidence), *_configs(evidence))


def _predictions(evidence: Evidence) -> list[str]:
    """Whether the prediction is the one that every part was made under; unknown without a study."""
    study = evidence.study
    if not study.reference:
        return []
    now = _written(study.prediction_hash)
    others = [part for part in evidence.parts if _written(part["prediction_sha256"]) != now]
    if not others:
        return []
    parts = f"{len(others)} of {len(evidence.parts)} parts"
    before = {_written(part["prediction_sha256"]) for part in others}
    if now is None:
        return [f"the prediction is gone: {parts} were made under one"]
    if before == {None}:
        return [f"the prediction was written after runs were made: {parts} do not have it"]
    return [f"the prediction changed after runs were made: {parts} were made under another"]


def _written(digest: str | None) -> str | None:
    return None if digest == _UNWRITTEN else digest


def _configs(evidence: Evidence) -> list[str]:
    groups: dict[tuple[str, str], dict[str, list[int]]] = {}
    for part in evidence.parts:
        hashes = groups.setdefault((part["arm"], part["environment"]), {})
        hashes.setdefault(part["config_hash"], []).extend(part["seeds"])
    lines = []
    for (arm, environment), hashes in groups.items():
        if len(hashes) > 1:
            told = "; ".join(f"seeds {seed_span(set(s))}: {key}" for key, s in hashes.items())
            lines.append(f"{arm} on {environment} was run with {len(hashes)} configs ({told})")
    return lines


def remarks(evidence: Evidence, aligned: Mapping[str, Aligned], against: str) -> list[str]:
    """Lines about how the runs were brought together, in the study's order."""
    study = evidence.study
    lines = [
        f"{one} is the same as {other}: trained once" for one, other in study.duplicates.items()
    ]
    lines += [f"{arm} on {place} is left out: {why}" for arm, place, why in study.excluded]
    if study.reference and study.duplicates.get(study.reference, study.reference) != against:
        lines.append(
            f"held against {against}, which is not the study's reference {study.reference}"
        )
    for place, found in aligned.items():
        least, most = found.reached
        if most > UNEVEN * least:
            lines.append(
                f"finished runs on {place} took {least:,} to {most:,} decisions: all are compared "
                f"over the first {least:,}"
            )
        for arm, seeds in found.empty.items():
            if seeds:
                lines.append(
                    f"{arm} on {place}, seed {seed_span(seeds)}: finished and ended no episode "
                    f"within {int(found.grid[-1]):,} decisions, so there is nothing to score"
                )
        for arm, seeds in found.unreal.items():
            if seeds:
                lines.append(
                    f"{arm} on {place}, seed {seed_span(seeds)}: a return is no finite number; "
                    "counts as a diverged run does"
                )
    return lines
