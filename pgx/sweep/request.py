"""What is asked of ``pgx sweep``: the words of its command line, sorted by whom they speak to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from pgx.config import compose_config
from pgx.errors import ConfigError, check_number, suggest
from pgx.names import check_sweep, parse_seeds
from pgx.paths import config_directory
from pgx.sweep.overrides import key_of, parsed

SMOKE_SEEDS = 2  #: replicas of a smoke test: neighbours are tried as well


@dataclass(frozen=True)
class Request:
    """A sweep that is asked for.

    Args:
        overrides: as typed, ``study=NAME`` among them.
        directories: of further configs.
        retry_failed: repeat what failed.
        replace: repeat what another config left under an arm's name.
        smoke: one iteration of every arm, one or two seeds.
        patience_s: seconds to wait for the writer of a part to end before it counts as another
            sweep's: one that was killed may still be writing its checkpoint.
    """

    overrides: tuple[str, ...]
    directories: tuple[Path, ...] = ()
    retry_failed: bool = False
    replace: bool = False
    smoke: bool = False
    patience_s: float = 0.0


@dataclass(frozen=True)
class Words:
    """The overrides of a request by what they are for.

    Args:
        study: ``study=NAME`` and its keys.
        every: for every arm, the last word.
        hydra: for Hydra itself, such as ``hydra/launcher=joblib``.
        seeds: None: the study's.
        decisions: None: the study's.
        arms: patterns of the arms that are meant; empty: all.
        options: patterns of the environments that are meant; empty: all.
    """

    study: tuple[str, ...]
    every: tuple[str, ...]
    hydra: tuple[str, ...]
    seeds: tuple[int, ...] | None = None
    decisions: int | None = None
    arms: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


def sort_words(overrides: Sequence[str]) -> Words:
    """Tell the words apart.

    Raises:
        ConfigError: one that does not parse, sweeps, or has no place in a sweep.
    """
    check_sweep(overrides)
    kinds: dict[str, list[str]] = {"study": [], "every": [], "hydra": []}
    own: dict[str, str] = {}
    for text in overrides:
        name, equals, value = text.partition("=")
        if not equals and name in studies():
            raise ConfigError(f"{name}: did you mean study={name}?")
        if name in ("arm", "environment") and equals:
            own[name] = value
            continue
        key, head = key_of(text), key_of(text).replace("/", ".").split(".")[0]
        if parsed(text).is_sweep_override() and head != "hydra":
            raise ConfigError(f"{text}: a study's arms stand in its file; there, use generate")
        if key in ("seeds", "decisions"):
            own[key] = text
        elif key in ("resume", "replace"):
            raise ConfigError(f"{text}: what was interrupted is resumed anyway; see also --replace")
        else:
            kinds[head if head in kinds else "every"].append(text)
    if not any(key_of(text) == "study" for text in kinds["study"]):
        raise ConfigError(f"study is needed, as in pgx sweep study=NAME: {suggest('', studies())}")
    decisions: Any = parsed(own["decisions"]).value() if "decisions" in own else None
    if decisions is not None:
        check_number("decisions", decisions, least=1, whole=True)
    return Words(
        **{kind: tuple(texts) for kind, texts in kinds.items()},
        seeds=parse_seeds(parsed(own["seeds"]).value()) if "seeds" in own else None,
        decisions=decisions,
        arms=_patterns(own.get("arm")),
        options=_patterns(own.get("environment")),
    )


def _patterns(words: str | None) -> tuple[str, ...]:
    """``NAME`` or ``NAME,NAME``, which choose among what the study has; a name may hold ``=``."""
    if words is None:
        return ()
    return tuple(word.strip(" '\"") for word in words.strip(" '\"[]").split(","))


def meant(key: str, patterns: Sequence[str], names: Sequence[str]) -> set[str]:
    """The names that some pattern fits; all without a pattern.

    Raises:
        ConfigError: a pattern that fits none.
    """
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise ConfigError(f"{key}={pattern}: the study has none; {suggest(pattern, names)}")
    fits = {name for name in names for pattern in patterns if fnmatchcase(name, pattern)}
    return fits if patterns else set(names)


def options(group: str, directories: Sequence[Path]) -> set[str]:
    """The options of a group: pgx's own and those of the user's configs."""
    roots = (config_directory(), Path.cwd() / "conf", *directories)
    return {path.stem for root in roots for path in (root / group).glob("*.yaml")}


def studies(directories: Sequence[Path] = ()) -> list[str]:
    """The studies that there are, the one for lone runs aside."""
    return sorted(options("study", directories) - {"adhoc"}) or ["pgx init writes one"]


def study_node(words: Words, directories: Sequence[Path]) -> dict[str, object]:
    """The plain values of the study's config, as its overrides leave them.

    Raises:
        ConfigError: there is no such study, or an override does not fit.
    """
    from omegaconf import OmegaConf

    config = compose_config(words.study, directories)
    found = OmegaConf.to_container(config.study, resolve=False)
    assert isinstance(found, dict)
    _check_verbatim("study", found)
    plain = OmegaConf.to_container(config.study, resolve=True)
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def _check_verbatim(where: str, value: object) -> None:
    """An interpolation in an arm is the arm's: resolved here, it would take another's value."""
    if isinstance(value, dict):
        for key, one in value.items():
            _check_verbatim(f"{where}.{key}", one)
    elif isinstance(value, list):
        for one in value:
            _check_verbatim(where, one)
    elif isinstance(value, str) and "${" in value.replace("\\${", ""):
        raise ConfigError(
            f"{where}: {value} is resolved in each arm's config: write it as \\${{…}}"
        )
