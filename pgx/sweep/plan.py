"""What a sweep will do, found out before anything starts: arms × environments × missing seeds.

Precedence of what an arm is made of: the study's base, then the arm, then the environment, then
the command line. Every combination is composed, checked by building one replica of it, and hashed,
exactly as ``pgx train`` would; what does not fit is collected, all of it.

``study.json`` keeps what was asked for: its seeds are those of every request so far. An arm or an
environment that is gone from the study's file stays known as long as its runs are on disk, and is
compared and reported like the others; remove its directory to be rid of it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from omegaconf import DictConfig

from pgx.config import compose_config
from pgx.errors import ConfigError
from pgx.study import STUDY, Study, read_study
from pgx.sweep.combine import Combination, combine, duplicates, places, seeds_word, slugs
from pgx.sweep.job import Job
from pgx.sweep.ledger import ACTIONS, settle, stretches
from pgx.sweep.request import SMOKE_SEEDS, Request, Words, meant, sort_words, study_node
from pgx.sweep.study_file import StudyFile, read_file
from pgx.tables import seed_span

#: States of a row that no sweep begins with.
WRONG = ("invalid", "changed", "damaged")


@dataclass(frozen=True)
class Row:
    """A line of the plan.

    Args:
        arm: slug.
        environment: slug.
        seeds: that share the state.
        state: as `pgx.sweep.ledger.Stretch` has it, or ``duplicate``, ``excluded``, ``invalid``.
        why: half a sentence, or None.
        changes: as `pgx.sweep.ledger.Stretch` has them.
    """

    arm: str
    environment: str
    seeds: tuple[int, ...]
    state: str
    why: str | None = None
    changes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What a sweep will do.

    Args:
        study: to be written as ``study.json`` when the sweep begins.
        output: directory below which studies lie.
        jobs: what is to be trained, arms in the order of the study.
        rows: everything that was asked for, and where it stands.
        directories: of further configs; ``--config-dir`` of whoever trains the jobs.
        hydra: overrides for Hydra itself, such as ``hydra/launcher=joblib``.
        configs: ``(arm, environment slug)`` to the composed config, of jobs at least.
        seeds: that were asked for now; the study's are those of every request.
    """

    study: Study
    output: Path
    jobs: tuple[Job, ...]
    rows: tuple[Row, ...]
    directories: tuple[Path, ...] = ()
    hydra: tuple[str, ...] = ()
    configs: Mapping[tuple[str, str], DictConfig] = field(default_factory=dict, repr=False)
    seeds: tuple[int, ...] = ()

    @property
    def wrong(self) -> list[Row]:
        """The rows with which no sweep begins."""
        return [row for row in self.rows if row.state in WRONG]

    def check(self) -> None:
        """Refuse to begin with what cannot end well.

        Raises:
            ConfigError: names the first combination that does not fit, and how many there are.
        """
        wrong = self.wrong
        if wrong:
            first = wrong[0]
            where = f"{first.arm} on {first.environment}"
            seeds = f", seeds {seed_span(first.seeds)}" if first.state != "invalid" else ""
            more = f" (and {len(wrong) - 1} more; --dry-run lists them)" if len(wrong) > 1 else ""
            raise ConfigError(f"{where}{seeds}: {first.why}{more}")


def make_plan(request: Request) -> Plan:
    """Find out what a request asks for, and what of it is missing; nothing is written.

    Raises:
        ConfigError: the user's mistake in the study as a whole or on the command line. What is
            wrong with single combinations is in the plan's rows: see `Plan.check`.
    """
    words = sort_words(request.overrides)
    file = read_file(study_node(words, request.directories))
    seeds = words.seeds or file.seeds
    if seeds is None:
        raise ConfigError("study.seeds is needed: as many as replicas, such as 10, or a list")
    seeds = seeds[:SMOKE_SEEDS] if request.smoke else seeds
    arms = meant("arm", words.arms, [arm.name for arm in file.arms])
    chosen = meant("environment", words.options, [setting.option for setting in file.settings])
    found = combine(file, words, seeds, request.directories, request.smoke)
    same = duplicates(file, found)
    own = [one for one in found if one.arm in arms and one.option in chosen]
    output = _output(words, found, request.directories)
    study = _extended(_study(file, words, seeds, found, same), output, _hashes(own))
    rows, jobs = _rows(own, same, slugs(file, found), seeds, request)
    left_out = tuple(
        Row(*combination[:2], (), "excluded", combination[2]) for combination in study.excluded
    )
    return Plan(
        study=study,
        output=output,
        jobs=tuple(jobs),
        rows=(*rows, *left_out),
        directories=tuple(path.resolve() for path in request.directories),
        hydra=words.hydra,
        configs={(p.arm, p.environment): p.config for one in own if (p := one.part) is not None},
        seeds=tuple(seeds),
    )


def _output(words: Words, found: Sequence[Combination], directories: Sequence[Path]) -> Path:
    """The directory below which studies lie."""
    for one in found:
        if one.part is not None:
            return Path(one.part.config.output)
    given = [text for text in words.every if text.lstrip("+").startswith("output=")]
    return Path(compose_config(given, directories).output)


def _study(
    file: StudyFile,
    words: Words,
    seeds: Sequence[int],
    found: Sequence[Combination],
    same: Mapping[str, str],
) -> Study:
    """What is asked for, as ``study.json`` says it."""
    slug_of = slugs(file, found)
    return Study(
        name=file.name,
        question=file.question,
        prediction=file.prediction,
        reference=file.reference,
        metric=file.metric,
        last=file.last,
        seeds=tuple(sorted(seeds)),
        places=places(file, words, found),
        arms={arm.name: (*file.base, *arm.overrides) for arm in file.arms},
        labels={arm.name: arm.label for arm in file.arms if arm.label},
        duplicates=dict(same),
        excluded=tuple((arm, slug_of[option], why) for arm, option, why in file.excluded),
        hashes=_hashes(found),
    )


def _hashes(found: Sequence[Combination]) -> dict[str, dict[str, str]]:
    """Arm to environment slug to the hash of its config, where there is one that fits."""
    of: dict[str, dict[str, str]] = {}
    for one in found:
        if one.part is not None:
            of.setdefault(one.arm, {})[one.part.environment] = one.key
    return of


def _extended(study: Study, output: Path, asked: Mapping[str, Mapping[str, str]]) -> Study:
    """The study with what was asked for before: seeds, and what has runs but left the file.

    The hash of an arm that is not asked for now stays what its last sweep made it: words of the
    command line are not for it.
    """
    path = output / study.name / STUDY
    if not path.exists():
        return study
    before = read_study(output, study.name)
    held = {path.parts[-3:-1] for path in (output / study.name).glob("*/*/seeds-*")}
    gone = [arm for arm in before.arms if arm not in study.arms]
    gone = [arm for arm in gone if any(name == arm for name, _ in held)]
    past = {slug: place for slug, place in before.places.items() if slug not in study.places}
    past = {slug: p for slug, p in past.items() if any(name == slug for _, name in held)}
    arms = {**study.arms, **{arm: before.arms[arm] for arm in gone}}
    known = {(arm, slug) for arm, slug, _ in study.excluded}
    known_hashes = (study.hashes, before.hashes, asked)  # the later is believed
    why = "is gone from the study's file, and has no runs"
    left = tuple(
        (arm, slug, why)
        for arm in arms
        for slug in {**study.places, **past}
        if (arm in gone or slug in past) and (arm, slug) not in held | known
    )
    return replace(
        study.with_seeds(before.seeds),
        arms=arms,
        labels={**{arm: before.label(arm) for arm in gone if arm in before.labels}, **study.labels},
        places={**study.places, **past},
        excluded=(*study.excluded, *left),
        hashes={
            arm: {slug: key for of in known_hashes for slug, key in of.get(arm, {}).items()}
            for arm in arms
        },
    )


def _rows(
    own: Sequence[Combination],
    same: Mapping[str, str],
    slug_of: Mapping[str, str],
    seeds: Sequence[int],
    request: Request,
) -> tuple[list[Row], list[Job]]:
    """What the ledger says of every combination, and the jobs that follow."""
    rows, jobs = [], []
    deadline = time.monotonic() + request.patience_s
    for one in own:
        slug = slug_of[one.option]
        if one.part is None:
            rows.append(Row(one.arm, slug, tuple(seeds), "invalid", one.why))
            continue
        if one.arm in same:
            rows.append(Row(one.arm, slug, tuple(seeds), "duplicate", f"of {same[one.arm]}"))
            continue
        place = one.part.directory.parent
        if request.patience_s:
            settle(place, deadline)
        asked = (place, seeds, one.part.config, request.retry_failed, request.replace)
        for stretch in stretches(*asked):
            found = (stretch.seeds, stretch.state, stretch.why, stretch.changes)
            rows.append(Row(one.arm, slug, *found))
            if stretch.state in ACTIONS:
                jobs.append(_job(one, slug, stretch.seeds, stretch.directory, stretch.state))
    return rows, jobs


def _job(one: Combination, slug: str, seeds: tuple[int, ...], directory: Path, state: str) -> Job:
    assert one.part is not None
    action = ACTIONS[state]
    how = {"train": (), "resume": ("resume=true",), "repeat": ("replace=true",)}[action]
    return Job(
        arm=one.arm,
        environment=slug,
        seeds=seeds,
        action=action,
        overrides=(*one.overrides, seeds_word(seeds), *how),
        directory=directory,
        config_hash=one.key,
        budget=int(one.part.config.decisions),
    )
