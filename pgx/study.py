"""What a study is, once its file is read: a question, arms, environments, and how they are judged.

`pgx.sweep` makes one from ``conf/study/NAME.yaml`` and writes it beside the runs, as
``outputs/<study>/study.json``; whatever reads a study, reads that file. Nothing here composes or
instantiates a config.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from pgx.errors import ConfigError, suggest
from pgx.tracking.atomic import replacing

STUDY = "study.json"
_ADVICE = "remove it, and the same sweep writes it anew"  # its parts stay as they are

#: What a study's file may say; ``conf/study/adhoc.yaml`` says no more than its name.
KEYS = (
    *("name", "question", "prediction", "reference", "metric", "last", "seeds", "decisions"),
    *("base", "arms", "generate", "exclude", "environments"),
)

#: What runs are compared by, and how it is called in tables.
METRICS = {
    "area": "area under the learning curve (mean training return)",
    "final": "final training return",
}


@dataclass(frozen=True)
class Place:
    """An environment of a study.

    Args:
        slug: as directories call it: ``cartpole-v1``.
        option: as the study file calls it: ``cartpole``.
        decisions: budget of every replica.
        low: return that counts as 0 where environments are aggregated; None: none is given.
        high: return that counts as 1.
        overrides: of every arm here.
    """

    slug: str
    option: str
    decisions: int
    low: float | None = None
    high: float | None = None
    overrides: tuple[str, ...] = ()


@dataclass(frozen=True)
class Study:
    """A question, and everything that is needed to read its answer off the runs.

    Args:
        name: directory of its runs, below output.
        question: one sentence.
        prediction: what is expected, written before the runs.
        reference: the arm that the others are held against.
        metric: the one that verdicts are about, a key of `METRICS`.
        last: k, episodes in a point of a learning curve and in the final return.
        seeds: every seed that was ever asked for.
        places: environment slug to environment.
        arms: name to the overrides that make it, in the order in which they are shown.
        labels: arm to how it is written for people; its name if it has none.
        duplicates: arm to the arm with the same config, which alone is trained.
        excluded: ``(arm, environment slug, why)`` for what the study leaves out on purpose.
        hashes: arm to environment slug to the hash of the config that the last sweep gave it, as
            its parts' manifests have it; empty in a file of before there were any.
    """

    name: str
    question: str
    prediction: str
    reference: str
    metric: str
    last: int
    seeds: tuple[int, ...]
    places: Mapping[str, Place]
    arms: Mapping[str, tuple[str, ...]]
    labels: Mapping[str, str] = field(default_factory=dict)
    duplicates: Mapping[str, str] = field(default_factory=dict)
    excluded: tuple[tuple[str, str, str], ...] = ()
    hashes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def prediction_hash(self) -> str:
        """What a part's manifest keeps of the prediction: it was made before the part was."""
        return prediction_hash(self.prediction)

    @property
    def trained(self) -> tuple[str, ...]:
        """The arms that have runs of their own: all but duplicates."""
        return tuple(arm for arm in self.arms if arm not in self.duplicates)

    def label(self, arm: str) -> str:
        """How the arm is written for people."""
        return self.labels.get(arm, arm)

    def with_seeds(self, seeds: tuple[int, ...]) -> Study:
        """The same study, with these seeds asked for as well."""
        return replace(self, seeds=tuple(sorted({*self.seeds, *seeds})))

    def as_json(self) -> dict[str, Any]:
        """Plain values, and the hash of the prediction."""
        return {**asdict(self), "prediction_sha256": self.prediction_hash}


def prediction_hash(prediction: str) -> str:
    """SHA-256 of a prediction, blanks at its ends and between its words aside."""
    return hashlib.sha256(" ".join(prediction.split()).encode()).hexdigest()


def from_json(fields: Mapping[str, Any], source: str) -> Study:
    """The study of its plain values.

    Args:
        fields: as `Study.as_json` gives them.
        source: what they were read from, for messages.

    Raises:
        ConfigError: a field is missing or is not what it should be.
    """
    kept = {key: value for key, value in fields.items() if key != "prediction_sha256"}
    try:
        places = {slug: _place(entry) for slug, entry in kept.pop("places").items()}
        arms = {str(arm): tuple(overrides) for arm, overrides in kept.pop("arms").items()}
        excluded = tuple((str(a), str(b), str(c)) for a, b, c in kept.pop("excluded"))
        seeds = tuple(int(seed) for seed in kept.pop("seeds"))
        hashes = {arm: dict(own) for arm, own in kept.pop("hashes", {}).items()}
        read = {"places": places, "arms": arms, "excluded": excluded, "hashes": hashes}
        study = Study(**kept, seeds=seeds, **read)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"{source}: is no study ({type(error).__name__}: {error})") from error
    if study.metric not in METRICS:
        raise ConfigError(f"{source}: metric={study.metric}: {suggest(study.metric, METRICS)}")
    _check(study, source)
    return study


def _check(study: Study, source: str) -> None:
    """Refuse values that no sweep writes."""
    texts = (study.name, study.question, study.prediction, study.reference)
    if not all(isinstance(text, str) for text in texts):
        raise ConfigError(f"{source}: is no study: name, question or prediction is no text")
    if type(study.last) is not int or study.last < 1:
        raise ConfigError(f"{source}: is no study: last={study.last} is no count of episodes")
    if study.reference not in study.arms:
        raise ConfigError(f"{source}: is no study: reference={study.reference} is no arm of it")
    for names in (study.labels, study.duplicates):
        if not isinstance(names, Mapping) or not all(isinstance(n, str) for n in names.values()):
            raise ConfigError(f"{source}: is no study: labels or duplicates are no texts by arm")
    for slug, place in study.places.items():
        limits = [limit for limit in (place.low, place.high) if limit is not None]
        if type(place.decisions) is not int or not all(type(x) in (int, float) for x in limits):
            raise ConfigError(f"{source}: is no study: places.{slug} has a number that is none")


def _place(entry: Mapping[str, Any]) -> Place:
    return Place(**{**entry, "overrides": tuple(entry["overrides"])})


def read_study(root: Path, name: str) -> Study:
    """The study that ``pgx sweep`` left below an output directory.

    Raises:
        ConfigError: there is none of this name, or its file is damaged.
    """
    path = Path(root) / name / STUDY
    try:
        fields = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        known = sorted(found.parent.name for found in Path(root).glob(f"*/{STUDY}"))
        works = suggest(name, known) if known else "pgx sweep study=NAME makes one"
        raise ConfigError(f"study: no '{name}' was swept below {root}; {works}") from error
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read ({error}); {_ADVICE}") from error
    if not isinstance(fields, dict):
        raise ConfigError(f"{path}: is no study; {_ADVICE}")
    try:
        return from_json(fields, str(path))
    except ConfigError as error:
        raise ConfigError(f"{error}; {_ADVICE}") from error


def write_study(root: Path, study: Study) -> Path:
    """Write ``study.json`` below an output directory, at once or not at all.

    Raises:
        ConfigError: the directory cannot be written to.
    """
    path = Path(root) / study.name / STUDY
    text = json.dumps(study.as_json(), indent=2, ensure_ascii=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            file.write(text.encode() + b"\n")
    except OSError as error:
        reason = error.strerror or error
        raise ConfigError(f"output={root}: cannot be written to ({reason})") from error
    return path
