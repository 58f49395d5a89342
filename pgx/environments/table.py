"""A user's own process, out of a small YAML file, arrays, or the config itself."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar
from zipfile import BadZipFile, is_zipfile

import numpy as np
import yaml

from pgx.environments.mdp import MDP
from pgx.environments.outline import mdp_of
from pgx.environments.tabular import Tabular
from pgx.errors import ConfigError

ARRAYS = ("transition", "reward", "start", "terminal")  #: of an ``.npz``; ``features`` may be there
FILE = "environment.file"


class Table(Tabular):
    """A process that is written down: states, actions, where they lead and what they pay.

    A YAML file, or ``mdp`` in the config, holds what `mdp_of` reads. An ``.npz`` file holds the
    arrays of an `MDP`: transition ``[S, A, S]``, reward ``[S, A]`` or ``[S, A, S]``, start ``[S]``,
    terminal ``[S]`` and, if wanted, features ``[S, F]``.

    The file's content belongs to the arm: the config holds its hash, and a file that has changed
    since a run began is refused where that run goes on.

    Args:
        seeds: one seed per replica.
        slots: environments per replica, N.
        file: path of a ``.yaml`` or ``.npz`` file, from the working directory.
        mdp: the content of such a YAML file, instead of one.
        sha256: of the file's bytes; None: whatever it holds.
        max_steps: decisions after which an episode is truncated; None: never.

    Raises:
        ConfigError: no such file, one that cannot be read or has changed, or no process.
    """

    def __init__(
        self,
        seeds: Sequence[int],
        slots: int,
        file: str | None = None,
        mdp: Mapping[str, Any] | None = None,
        sha256: str | None = None,
        max_steps: int | None = None,
    ) -> None:
        if (file is None) == (mdp is None):
            raise ConfigError(f"{FILE}={file}: give a .yaml or .npz file, or environment.mdp")
        if file is None:
            made, name = mdp_of(mdp, "environment.mdp"), "table"
        else:
            made, name = _read(file, sha256), _name(file)
        super().__init__(seeds, slots, made, max_steps, id=name)


def _bytes(file: Any) -> bytes:
    if not isinstance(file, str) or Path(file).suffix not in (".yaml", ".yml", ".npz"):
        raise ConfigError(f"{FILE}={file}: give the path of a .yaml or .npz file")
    try:
        return Path(file).read_bytes()
    except OSError as error:
        why = "there is no such file" if isinstance(error, FileNotFoundError) else error.strerror
        raise ConfigError(f"{FILE}={file}: {why}; paths begin in {Path.cwd()}") from error


def _read(file: str, sha256: str | None) -> MDP:
    held = _bytes(file)
    if sha256 is not None and hashlib.sha256(held).hexdigest() != sha256:
        raise ConfigError(
            f"environment.sha256={sha256}: {file} holds something else; put back what it was, or "
            "leave the key out and name the arm anew"
        )
    return _arrays(file) if file.endswith(".npz") else mdp_of(_parsed(file, held), file)


def _parsed(file: str, held: bytes) -> Any:
    try:
        return yaml.load(held.decode("utf-8"), Loader=_Strict)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{FILE}={file}: is no YAML: {' '.join(str(error).split())}") from error


def _arrays(file: str) -> MDP:
    try:
        if not is_zipfile(file):
            raise BadZipFile
        with np.load(file, allow_pickle=False) as archive:
            found = dict(archive)
    except (OSError, ValueError, BadZipFile) as error:
        raise ConfigError(
            f"{FILE}={file}: is no .npz of plain arrays, as np.savez writes"
        ) from error
    if missing := [name for name in ARRAYS if name not in found]:
        raise ConfigError(f"{FILE}={file}: has no array {missing[0]}; it needs {', '.join(ARRAYS)}")
    if odd := sorted(set(found) - {*ARRAYS, "features"}):
        raise ConfigError(f"{FILE}={file}: {odd[0]} is no array of a process; leave it out")
    for name, array in found.items():
        if array.dtype.kind not in "biuf" or not array.ndim:
            raise ConfigError(f"{FILE}={file}: {name} holds {array.dtype}, not an array of numbers")
    if not np.isin(found["terminal"], (0, 1)).all():
        raise ConfigError(f"{FILE}={file}: terminal holds more than true and false")
    return MDP(**found)


def _name(file: str) -> str:
    """What the process goes by: the file's name, as a slug."""
    return re.sub(r"[^a-z0-9_.=-]+", "-", Path(file).stem.lower()).strip("-.") or "table"


class _Strict(yaml.SafeLoader):
    """YAML in which a key that is there twice is a mistake, yes and no are words, 1e3 a number."""

    yaml_implicit_resolvers: ClassVar[dict[str, list[Any]]] = {
        first: [(tag, pattern) for tag, pattern in found if tag != "tag:yaml.org,2002:bool"]
        for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """As ever, after a look for a key that is there twice."""
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.MarkedYAMLError(
                    problem=f"'{key}' is there twice", problem_mark=node.start_mark
                )
        return super().construct_mapping(node, deep)


_Strict.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)
