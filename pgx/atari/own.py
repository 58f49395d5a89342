"""The project's own runs on Atari games, read from what they recorded: one row per arm × protocol.

Nothing here imports torch or instantiates a config.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any, NamedTuple

from pgx.errors import ConfigError

if TYPE_CHECKING:
    from pgx.records import Part

CONFIG = "config.yaml"  #: of a part, in its directory
FRAMES = 4  #: of the emulator, per decision

STARTS = {"noop": "no-op starts", "human": "human starts"}  #: by ``environment.starts``
AS_TRAINED = "as trained"
EVALUATED, TRAINED = "last evaluation", "last 100 training episodes"

_ID = re.compile(r"(?:[\w.]+:)?ALE/(\w+?)(?:-v5)?")
_STICKY = 0.25  # what ALE/…-v5 registers as repeat_action_probability
_NOT_THE_GAME = ("render_mode", "obs_type", "frameskip", "repeat_action_probability")


class Protocol(NamedTuple):
    """How a score came about; scores of two protocols are never averaged.

    Attributes:
        start: how an episode begins: one of `STARTS`, or `AS_TRAINED`.
        play: what else makes the game another one: sticky actions, a mode, a difficulty.
        measure: which episodes a run's score is the mean of: `EVALUATED` or `TRAINED`.
    """

    start: str
    play: str
    measure: str


class OwnRow(NamedTuple):
    """The runs of one arm under one protocol.

    Attributes:
        name: ``study/arm``.
        protocol: of every run.
        scores: game → mean raw score over its runs.
        runs: game → number of runs.
        frames: the fewest and the most of a run.
    """

    name: str
    protocol: Protocol
    scores: dict[str, float]
    runs: dict[str, int]
    frames: tuple[int, int]


class _Score(NamedTuple):
    """One run's."""

    row: tuple[str, Protocol]
    game: str
    score: float
    frames: int


def own_rows(root: Path, games: Collection[str]) -> tuple[list[OwnRow], list[str]]:
    """A row per arm × protocol of every finished run on a game, and a line for what is left out.

    A run's score is the mean return_raw of its last evaluation if it has one, else of its last 100
    training episodes; a game's is the mean over its runs.

    Args:
        root: the output directory.
        games: the ids that there are references for.

    Raises:
        ConfigError: there is no such directory, or a part on an Atari game is damaged.
    """
    from pgx.records import part_directories, read_part, runs, seed_rows

    played = {path: played for path in part_directories(root) if (played := _environment(path))}
    parts = [read_part(path) for path in played]
    chosen, notes = runs(parts)
    rows = {part.path: {row["seed"]: row for row in seed_rows(part)} for part in parts}
    environments = {part.path: played[path] for part, path in zip(parts, played, strict=True)}
    scores, unfinished = [], dict.fromkeys((f"{p.study}/{p.arm}" for p in parts), 0)
    for run in chosen:
        environment = environments[run.part.path]
        name, game = f"{run.part.study}/{run.part.arm}", game_of(environment["id"])
        row = rows[run.part.path][run.seed]
        reason = _foreign(environment, game, games, row)
        if run.status != "finished":
            unfinished[name] += 1
        elif reason is not None:
            notes.append(f"{name} on {environment['id']}, seed {run.seed}, is left out: {reason}")
        else:
            scores.append(_score(name, game, run.part, environment, row))
    left = [f"{name}: runs not finished and left out: {n}" for name, n in unfinished.items() if n]
    return _rows(scores), notes + left


def game_of(id: str) -> str:
    """``ALE/UpNDown-v5`` to ``up_n_down``, the emulator's own id; ``""`` if it is no ALE id."""
    found = _ID.fullmatch(id)
    return re.sub(r"(?<!^)(?=[A-Z])", "_", found[1]).lower() if found else ""


def _environment(part: Path) -> dict[str, Any] | None:
    """The config's mapping ``environment`` if a part plays an ALE game; it may not be readable."""
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    path = part / CONFIG
    try:
        if b"ALE/" not in path.read_bytes():
            return None
        config = OmegaConf.to_container(OmegaConf.load(path))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError, YAMLError, OmegaConfBaseException) as error:
        raise ConfigError(f"{path}: cannot be read, it is damaged; restore it") from error
    environment = config.get("environment") if isinstance(config, dict) else None
    if not isinstance(environment, dict) or not game_of(str(environment.get("id"))):
        return None
    return {str(key): value for key, value in environment.items()}


def _foreign(
    environment: Mapping[str, Any], game: str, games: Collection[str], row: Mapping[str, Any]
) -> str | None:
    """Why a finished run cannot be in the table, if so."""
    if game not in games:
        return "there are no published scores of this game"
    skip = (environment.get("kwargs") or {}).get("frameskip", FRAMES)
    if skip != FRAMES:
        return f"frameskip is {skip}, not {FRAMES}"
    return None if _measured(row)[1] is not None else "it ended no episode"


def _measured(row: Mapping[str, Any]) -> tuple[str, float | None]:
    """Which of a run's episodes count, and their mean; ``row`` of `pgx.records.seed_rows`."""
    if row.get("evaluation") is not None:
        return EVALUATED, row["evaluation"]
    return TRAINED, row["recent_return"]


def protocol_of(environment: Mapping[str, Any], measure: str, place: Path) -> Protocol:
    """The protocol that a part's config states.

    Args:
        environment: the config's mapping; ``starts`` is ``noop`` or ``human``, and without it
            a ``noop_max`` above 0 says no-op starts.
        measure: `EVALUATED` or `TRAINED`.
        place: the part, for the message.

    Raises:
        ConfigError: ``starts`` is neither.
    """
    kwargs = environment.get("kwargs") or {}
    starts = environment.get("starts") or ("noop" if environment.get("noop_max") else None)
    if starts is not None and starts not in STARTS:
        raise ConfigError(f"{place / CONFIG}: environment.starts={starts} is not noop or human")
    play = [f"sticky {kwargs.get('repeat_action_probability', _STICKY):g}"]
    play += [f"{key} {kwargs[key]}" for key in sorted(set(kwargs) - set(_NOT_THE_GAME))]
    return Protocol(STARTS.get(starts or "", AS_TRAINED), ", ".join(play), measure)


def _score(
    name: str, game: str, part: Part, environment: Mapping[str, Any], row: Mapping[str, Any]
) -> _Score:
    measure, score = _measured(row)
    assert score is not None
    protocol = protocol_of(environment, measure, part.path)
    return _Score((name, protocol), game, score, FRAMES * row["decisions"])


def _rows(scores: Sequence[_Score]) -> list[OwnRow]:
    groups: dict[tuple[str, Protocol], list[_Score]] = {}
    for one in scores:
        groups.setdefault(one.row, []).append(one)
    rows = []
    for (name, protocol), members in sorted(groups.items()):
        by_game: dict[str, list[float]] = {}
        for one in members:
            by_game.setdefault(one.game, []).append(one.score)
        frames = [one.frames for one in members]
        rows.append(
            OwnRow(
                name,
                protocol,
                {game: fmean(values) for game, values in sorted(by_game.items())},
                {game: len(values) for game, values in sorted(by_game.items())},
                (min(frames), max(frames)),
            )
        )
    return rows
