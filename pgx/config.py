"""From a command line to one resolved configuration, and every mistake on the way as one line."""

from __future__ import annotations

import hashlib
import itertools
import logging
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException
from yaml import YAMLError

from pgx.errors import ConfigError, suggest
from pgx.names import flatten
from pgx.paths import config_directory
from pgx.study import KEYS

TARGETS = ("pgx.", "torch.nn.", "torch.optim.")


def _sha256(path: Any) -> str | None:
    """Of a file's bytes, so that they belong to the config; None if they cannot be read."""
    try:
        return hashlib.sha256(Path(str(path)).read_bytes()).hexdigest()
    except OSError:
        return None  # whoever opens the file says why


OmegaConf.register_new_resolver("pgx.sha256", _sha256, replace=True)


def search_path(extra: Sequence[Path] = ()) -> str:
    """The Hydra override that adds the user's own configs: ./conf and ``--config-dir``."""
    shipped, own = config_directory(), Path.cwd() / "conf"
    places = [*extra, *([own] if own.is_dir() else [])]
    urls = []
    for place in dict.fromkeys(place.resolve() for place in places):
        if place != shipped:
            _check_names(place, shipped)
            urls.append(quoted(f"file://{place}"))
    return f"hydra.searchpath=[{','.join(urls)}]"


def quoted(text: str) -> str:
    """``text`` as a string of Hydra's override grammar, taken literally."""
    escaped = re.sub(r"(\\*)(?='|$)", r"\1\1", text).replace("'", "\\'")
    return "'" + escaped.replace("${", "\\${") + "'"


def _check_names(own: Path, shipped: Path) -> None:
    """pgx's own options come first on Hydra's search path: another of that name would be inert."""
    for path in sorted(own.glob("*/*.yaml")):
        name = path.relative_to(own)
        if (shipped / name).exists():
            raise ConfigError(f"{path}: pgx has a {name} of its own; give yours another name")


def compose_config(overrides: Sequence[str], extra: Sequence[Path] = ()) -> DictConfig:
    """Compose and resolve ``conf/train.yaml`` with overrides.

    Args:
        overrides: in Hydra's grammar.
        extra: directories of further configs.

    Raises:
        ConfigError: an override that does not parse, or names a key or option that does not exist.
    """
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))  # classes named in the user's own configs
    try:
        _check_groups(overrides)
        config = _compose([*overrides, search_path(extra)])
        OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except MissingConfigException as error:
        raise ConfigError(_missing_option(error)) from error
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(_bad_override(error, overrides, extra)) from error
    except YAMLError as error:
        raise ConfigError(f"a config is no YAML: {_yaml_mistake(error)}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{_not_utf8(extra)}: is not UTF-8; save it as UTF-8") from error
    _check_keys(config, _file_of("study", overrides, extra) or "study")
    check_targets(config)
    return config


def _yaml_mistake(error: YAMLError) -> str:
    """What the parser says, and what works where a text holds a colon."""
    text = " ".join(str(error).split())
    hint = "; put a text that holds ': ' in quotes, or on lines of its own after >-"
    return text + (hint if "mapping values are not allowed" in text else "")


def _not_utf8(extra: Sequence[Path]) -> str:
    """The first of the user's own configs that is not UTF-8."""
    for place in (*extra, Path.cwd() / "conf"):
        for path in sorted(place.rglob("*.yaml")):
            try:
                path.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                return str(path)
    return "a config"


def _file_of(group: str, overrides: Sequence[str], extra: Sequence[Path]) -> str | None:
    """The file of the option that the overrides choose of a group."""
    chosen = [text.partition("=")[2] for text in overrides if text.startswith(f"{group}=")]
    places = (*extra, Path.cwd() / "conf", config_directory())
    files = [place / group / f"{chosen[-1]}.yaml" for place in places] if chosen else []
    return next((str(path) for path in files if path.is_file()), None)


def _check_groups(overrides: Sequence[str]) -> None:
    """A group is given the name of an option: Hydra answers anything else with a traceback."""
    groups = {path.name for path in config_directory().iterdir() if path.is_dir()}
    for one in OverridesParser.create().parse_overrides(list(overrides)):
        chosen = one.key_or_group in groups and not one.is_delete()
        if chosen and not one.is_sweep_override() and not isinstance(one.value(), str):
            raise ConfigError(f"{one.input_line}: choose one, as in {one.key_or_group}=NAME")


def _check_keys(config: DictConfig, study: str) -> None:
    """Every key of ``conf/train.yaml`` is there, and no other at the top; ``study`` is its file."""
    primary = OmegaConf.load(config_directory() / "train.yaml")
    groups = {str(next(iter(entry))) for entry in primary.defaults if isinstance(entry, DictConfig)}
    known = {str(key) for key in primary if key not in ("defaults", "hydra")}
    known |= {group for group in groups if "override" not in group and group != "experiment"}
    for key in config:
        if key not in known:
            raise ConfigError(f"{key} is not a key: {suggest(str(key), known)}")
    for key in sorted(known):
        if key not in config:
            raise ConfigError(f"{key} is needed: do not take it out")
    if not OmegaConf.is_dict(config.study) or "name" not in config.study:
        raise ConfigError(
            f"{study}: holds no study: give name, reference, arms and environments, as the file "
            "does that pgx init writes"
        )
    for key in config.study:
        if key not in KEYS:
            raise ConfigError(f"study.{key} is not a key: {suggest(str(key), KEYS)}")
    _check_mapping(config, "normalization", primary.normalization)
    for group in ("wandb", "diagnostics"):
        default = OmegaConf.load(config_directory() / group / "default.yaml")
        _check_mapping(config, group, default)
    targets = config.allow_targets
    if not OmegaConf.is_list(targets) or not all(isinstance(name, str) for name in targets):
        raise ConfigError(f"allow_targets={targets}: give a list of modules, such as [my_module]")


def _check_mapping(config: DictConfig, name: str, wanted: Any) -> None:
    """The keys of ``wanted``, and no other, below a key that names no class."""
    if not OmegaConf.is_dict(config[name]) or config[name] is None:
        raise ConfigError(
            f"{name}={config[name]}: give its keys, as in {name}.{next(iter(wanted))}="
        )
    for key in config[name]:
        if key not in wanted:
            raise ConfigError(f"{name}.{key} is not a key: {suggest(str(key), wanted)}")
    for key in wanted:
        if key not in config[name]:
            raise ConfigError(f"{name}.{key} is needed: do not take it out")


def _compose(overrides: Sequence[str]) -> DictConfig:
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(config_directory()), job_name="train", version_base="1.3"):
        return compose("train", list(overrides))


def _missing_option(error: MissingConfigException) -> str:
    group, _, option = str(error.missing_cfg_file).strip("/").rpartition("/")
    if not group:
        return " ".join(str(error).split())
    return f"{group}={option} does not exist: {suggest(option, error.options or [])}"


def _bad_override(error: Exception, overrides: Sequence[str], extra: Sequence[Path]) -> str:
    """One line that names the key; the closest existing key if there is none of that name."""
    if isinstance(error, OverrideParseException):
        return f"'{error.override}' does not parse: write key=value, in quotes if it has blanks"
    text = " ".join(str(error).split())
    where = getattr(error, "full_key", "")
    if isinstance(error, MissingMandatoryValue):
        return f"{where} is needed: give it as {where}=VALUE"
    if found := re.search(r"Interpolation key '([^']+)' not found", text):
        alone = ("estimator.discount", "estimator.time_limit", "optimizer.learning_rate")
        works = f"give it as {where}=VALUE"
        if where.startswith("baseline.") and found[1] in alone:
            works = "choose baseline=none"
        return f"{where} follows {found[1]}, which is not a key here: {works}"
    found = re.search(
        r"(?:Could not override|Could not delete from config\.) '([^']+)'"
        r"|Key '([^']+)' is not in struct",
        text,
    )
    if found is None:
        return text.split(". ")[0].split(" See https")[0]
    key = found[1] or found[2]
    known = list(flatten(OmegaConf.to_container(_chosen(overrides, extra), resolve=False)))
    groups = {name.split(".")[0] for name in known} | {"experiment"}
    beside = {name for name in known if name.startswith(key.split(".")[0] + ".")}
    if key in known:
        return f"{key} is needed: do not take it out"
    if "." in key and beside:
        return f"{key} is not a key here: {suggest(key, beside)}"
    return f"{key} is not a key here: {suggest(key, {*known, *groups})}"


def _chosen(overrides: Sequence[str], extra: Sequence[Path]) -> DictConfig:
    """The config with the overrides that compose: the user's options, without the odd key."""
    kept: list[str] = []
    for override in overrides:
        try:
            _compose([*kept, override, search_path(extra)])
            kept.append(override)
        except (HydraException, OmegaConfBaseException):
            continue
    return _compose([*kept, search_path(extra)])


def check_targets(config: DictConfig) -> None:
    """Refuse import paths that a shared config could smuggle in.

    Raises:
        ConfigError: one outside pgx, torch.nn, torch.optim and the config's ``allow_targets``, or
            one that leads nowhere.
    """
    allowed = (*TARGETS, *(f"{name}." for name in config.allow_targets))
    for key, target in _targets(OmegaConf.to_container(config, resolve=True), ""):
        if not _defined_in(key, str(target), allowed):
            raise ConfigError(
                f"{key}={target} is not pgx's or torch's: if you trust it, add "
                f"allow_targets=[{str(target).split('.')[0]}]"
            )


def _targets(tree: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    """Every ``_target_`` of nested mappings and lists, with its full key."""
    if isinstance(tree, dict):
        for name, value in tree.items():
            key = f"{prefix}{name}"
            if name == "_target_":
                yield key, value
            yield from _targets(value, f"{key}.")
    elif isinstance(tree, list):
        for index, value in enumerate(tree):
            yield from _targets(value, f"{prefix}{index}.")


def _defined_in(key: str, target: str, allowed: tuple[str, ...]) -> bool:
    """Whether a path begins in an allowed package and leads to something defined in one."""
    if not f"{target}.".startswith(allowed):
        return False
    log = logging.getLogger(get_object.__module__)
    before, log.disabled = log.disabled, True  # what fails is said here, in one line
    try:
        found = get_object(target)
    except (ImportError, ValueError) as error:
        why = " ".join(str(error.__cause__ or error).split())
        raise ConfigError(f"{key}={target} cannot be imported: {why}") from error
    finally:
        log.disabled = before
    return f"{getattr(found, '__module__', '')}.".startswith(allowed)


def expand(overrides: Sequence[str]) -> list[list[str]]:
    """The override lists of every job of a multirun: the product of its sweeps.

    Raises:
        ConfigError: an override that does not parse.
    """
    choices = []
    try:
        for one in OverridesParser.create().parse_overrides(list(overrides)):
            swept = one.is_sweep_override()
            if swept and one.key_or_group == "seeds":
                raise ConfigError(f"{one.input_line}: seeds are not swept; write seeds=[0,1]")
            values = one.sweep_string_iterator() if swept else ()
            jobs = [f"{one.get_key_element()}={value}" for value in values]
            choices.append(jobs if swept else [str(one.input_line)])
    except HydraException as error:
        raise ConfigError(_bad_override(error, overrides, [])) from error
    return [list(job) for job in itertools.product(*choices)]
