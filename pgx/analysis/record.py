"""What has to be said about a study's record besides its figures: nothing is dropped in silence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pgx.analysis.aligned import Aligned
from pgx.analysis.model import Evidence
from pgx.study import Study, prediction_hash
from pgx.tables import seed_span

Part = Mapping[str, Any]  #: as in `Evidence.parts`

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
    """Lines about what no longer fits: a changed prediction, configs that are not the study's."""
    own = [part for part in evidence.parts if "differs" not in part]
    strange = [
        f"{part['arm']} on {part['environment']}, seeds {seed_span(part['seeds'])}: made with "
        f"another config than the study has ({part['differs']}); these runs are left out"
        for part in evidence.parts
        if "differs" in part
    ]
    return (*_predictions(evidence.study, own), *strange, *_configs(own))


def _predictions(study: Study, every: Sequence[Part]) -> list[str]:
    """Whether the prediction is the one that every part was made under; unknown without a study."""
    if not study.reference:
        return []
    now = _written(study.prediction_hash)
    others = [part for part in every if _written(part["prediction_sha256"]) != now]
    if not others:
        return []
    parts = f"{len(others)} of {len(every)} parts"
    before = {_written(part["prediction_sha256"]) for part in others}
    if now is None:
        return [f"the prediction is gone: {parts} were made under one"]
    if before == {None}:
        return [f"the prediction was written after runs were made: {parts} do not have it"]
    return [f"the prediction changed after runs were made: {parts} were made under another"]


def _written(digest: str | None) -> str | None:
    return None if digest == _UNWRITTEN else digest


def _configs(every: Sequence[Part]) -> list[str]:
    groups: dict[tuple[str, str], dict[str, list[int]]] = {}
    for part in every:
        hashes = groups.setdefault((part["arm"], part["environment"]), {})
        hashes.setdefault(part["config_hash"], []).extend(part["seeds"])
    lines = []
    for (arm, environment), hashes in groups.items():
        if len(hashes) > 1:
            told = "; ".join(f"seeds {seed_span(set(s))}: {key}" for key, s in hashes.items())
            lines.append(f"{arm} on {environment} was run with {len(hashes)} configs ({told})")
    return lines


def _added(evidence: Evidence) -> list[str]:
    """Lines about seeds whose training began when others of the same arm had ended already."""
    groups: dict[tuple[str, str], list[Part]] = {}
    for part in evidence.parts:
        if part.get("started") and "differs" not in part:
            groups.setdefault((part["environment"], part["arm"]), []).append(part)
    told: dict[tuple[str, str, str], list[str]] = {}
    for (place, arm), parts in groups.items():
        parts.sort(key=lambda part: _time(part["started"]))
        for number, part in enumerate(parts):
            before = {seed for one in parts[:number] for seed in one["seeds"]}
            began, new = _time(part["started"]), set(part["seeds"]) - before
            if new and any(p["ended"] and _time(p["ended"]) <= began for p in parts[:number]):
                told.setdefault((place, seed_span(new), seed_span(before)), []).append(arm)
    return [
        f"seeds {new} of {', '.join(arms)} on {place} were added later: seeds {before} had begun, "
        "and some had ended"
        for (place, new, before), arms in told.items()
    ]


def _time(stamp: str) -> datetime:
    return datetime.fromisoformat(stamp)


def remarks(evidence: Evidence, aligned: Mapping[str, Aligned], against: str) -> list[str]:
    """Lines about how the runs were brought together, in the study's order."""
    study = evidence.study
    lines = [
        f"{one} is the same as {other}: trained once" for one, other in study.duplicates.items()
    ]
    lines += [f"{arm} on {place} is left out: {why}" for arm, place, why in study.excluded]
    lines += _added(evidence)
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
