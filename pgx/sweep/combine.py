"""Every arm in every environment, composed and checked as ``pgx train`` would."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pgx.config import compose_config
from pgx.errors import ConfigError, suggest
from pgx.lift import one_thread
from pgx.names import NOT_IN_HASH, config_hash
from pgx.part import PartPlan
from pgx.study import Place
from pgx.sweep.generate import Arm
from pgx.sweep.overrides import key_of, listed, spelt
from pgx.sweep.request import Words, options
from pgx.sweep.study_file import Setting, StudyFile
from pgx.train import make_plan


@dataclass(frozen=True)
class Combination:
    """An arm in an environment.

    Args:
        arm: slug.
        option: of the environment.
        overrides: of ``conf/train.yaml``, with everything but the seeds.
        part: what they compose, for the seeds that are asked for; None: they do not fit.
        why: they do not fit; None: they do.
        key: hash of the run-relevant config.
    """

    arm: str
    option: str
    overrides: tuple[str, ...]
    part: PartPlan | None
    why: str | None = None
    key: str = ""


def combine(
    file: StudyFile,
    words: Words,
    seeds: Sequence[int],
    directories: Sequence[Path],
    smoke: bool = False,
) -> list[Combination]:
    """Compose and check every combination that the study does not exclude.

    Args:
        file: the study.
        words: of the command line.
        seeds: that are asked for.
        directories: of further configs.
        smoke: one iteration each, to files only.

    Raises:
        ConfigError: what concerns the study as a whole; what one arm does wrong is in its
            combination.
    """
    _check_options(file, directories)
    listed("command line", [text for text in words.every if key_of(text) != "output"])
    excluded = {(arm, option) for arm, option, _ in file.excluded}
    found = []
    with one_thread():  # small matrices only: threads would take ten times as long
        for arm in file.arms:
            for setting in file.settings:
                if (arm.name, setting.option) not in excluded:
                    own = _overrides(file, words, arm, setting, smoke)
                    found.append(_checked(arm, setting, own, (file, words, seeds), directories))
    return _in_their_place(found)


def _check_options(file: StudyFile, directories: Sequence[Path]) -> None:
    known = options("environment", directories)
    for setting in file.settings:
        if setting.option not in known:
            raise ConfigError(
                f"study.environments.{setting.option} is no environment: "
                f"{suggest(setting.option, known)}"
            )


def _overrides(
    file: StudyFile, words: Words, arm: Arm, setting: Setting, smoke: bool
) -> tuple[str, ...]:
    """What ``pgx train`` is given, later words before earlier ones in precedence."""
    decisions = 1 if smoke else words.decisions or setting.decisions
    if decisions is None:
        raise ConfigError("study.decisions is needed: the budget of every replica")
    return (
        *words.study,
        *file.base,
        *arm.overrides,
        f"environment={setting.option}",
        *setting.overrides,
        *words.every,
        *(["tracker=files"] if smoke else []),
        f"decisions={decisions}",
        f"arm={spelt(arm.name)}",
    )


def _checked(
    arm: Arm,
    setting: Setting,
    overrides: tuple[str, ...],
    asked: tuple[StudyFile, Words, Sequence[int]],
    directories: Sequence[Path],
) -> Combination:
    """Compose without the study, which says nothing of the arm and may be long."""
    file, words, seeds = asked
    own = ("study=adhoc", f"study.name={spelt(file.name)}", *overrides[len(words.study) :])
    try:
        config = compose_config([*own, seeds_word(seeds)], directories)
        part = make_plan(config, own)
    except ConfigError as error:
        return Combination(arm.name, setting.option, overrides, None, str(error))
    return Combination(arm.name, setting.option, overrides, part, None, config_hash(config))


def seeds_word(seeds: Sequence[int]) -> str:
    """The override that asks for these seeds."""
    return f"seeds=[{','.join(map(str, seeds))}]"


def _in_their_place(found: list[Combination]) -> list[Combination]:
    """Refuse what would lie in another environment's directory."""
    first: dict[str, str] = {}
    owner: dict[str, str] = {}
    checked = []
    for one in found:
        if one.part is None:
            checked.append(one)
            continue
        slug = one.part.environment
        if first.setdefault(one.option, slug) != slug:
            why = f"makes {slug} of {first[one.option]}; list it in the study's environments"
            checked.append(Combination(one.arm, one.option, one.overrides, None, why))
            continue
        if owner.setdefault(slug, one.option) != one.option:
            raise ConfigError(
                f"study.environments: {owner[slug]} and {one.option} are both {slug}; keep one"
            )
        checked.append(one)
    return checked


def slugs(file: StudyFile, found: Sequence[Combination]) -> dict[str, str]:
    """Option to environment slug; the option itself where no arm fits."""
    known = {one.option: one.part.environment for one in found if one.part is not None}
    return {s.option: known.get(s.option, s.option) for s in file.settings}


def places(file: StudyFile, words: Words, found: Sequence[Combination]) -> dict[str, Place]:
    """Environment slug to environment; what the command line says of every arm is said here."""
    relevant = tuple(text for text in words.every if _relevant(text))
    made = {}
    for setting in file.settings:
        slug = slugs(file, found)[setting.option]
        made[slug] = Place(
            slug=slug,
            option=setting.option,
            decisions=words.decisions or setting.decisions or 0,
            low=setting.low,
            high=setting.high,
            overrides=(*setting.overrides, *relevant),
        )
    return made


def _relevant(text: str) -> bool:
    return key_of(text).split(".")[0] not in NOT_IN_HASH


def duplicates(file: StudyFile, found: Iterable[Combination]) -> Mapping[str, str]:
    """Arm to the earlier arm that has the same config wherever this one is trained.

    Raises:
        ConfigError: the reference is one; the other arm's name makes the study clear.
    """
    keys: dict[str, dict[str, str]] = {}
    for one in found:
        keys.setdefault(one.arm, {})[one.option] = one.key if one.part else f"of {one.arm}"
    same: dict[str, str] = {}
    kept: list[str] = []
    for arm, own in keys.items():
        match = next((name for name in kept if own.items() <= keys[name].items()), None)
        if match is None:
            kept.append(arm)
        else:
            same[arm] = match
    if file.reference in same:
        raise ConfigError(
            f"study.reference={file.reference} has the same config as the arm "
            f"{same[file.reference]}: name that one"
        )
    return same
