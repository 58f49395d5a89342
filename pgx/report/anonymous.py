"""Evidence without a trace of who recorded it and where: for a review that is blind on both sides.

Scrubbed before anything is computed or written, so that no file of the report can hold what is
gone. A commit names its author to whoever searches for it: it goes as well.
"""

from __future__ import annotations

import getpass
import os
import re
import socket
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pgx.analysis.model import Evidence
from pgx.errors import ConfigError

PERSON, MACHINE, PLACE, ADDRESS = "<user>", "<host>", "<path>", "<address>"
WITHHELD = "withheld"

#: Names of accounts and machines that say nothing about anyone.
_ANYONE = frozenset(("root", "user", "ubuntu", "localhost", "home", "users", "pgx", "main"))
_SHORTEST = 3  #: letters of a name that is looked for inside other text

_HOMES = re.compile(r"(?:/home|/Users|/var/home|[A-Za-z]:\\Users)[/\\]([^/\\\s'\":,;]+)")
_PATHS = re.compile(
    r"(?<![\w.<~/\\-])(?:~[\w.-]*|\.{1,2})?(?:/[^\s/'\"`:,;()\[\]{}=<>|]+){2,}/?"
    r"|(?<!\w)~[\w.-]*/[^\s'\"`:,;()\[\]{}]*"
    r"|(?<!\w)[A-Za-z]:\\[^\s'\"`:,;()\[\]{}]+"
    r"|(?<!\w)/(?:root|home|tmp|mnt|srv|data|scratch|work)\b[^\s'\"`:,;()\[\]{}]*"
)
_ADDRESSES = re.compile(
    r"\b[a-z][a-z0-9+.-]*://[^\s'\"`<>]+|\b[\w.+-]+@[\w-]+(?:(?:\.[\w-]+)+(?::\S+)?|:\S+)",
    re.IGNORECASE,
)
_OWNER = re.compile(r"[:/]([\w.-]+)/[\w.-]+$")  #: of a remote

#: Of a part, what is kept at all; a field that is not known here may say anything.
_KEPT = ("arm", "environment", "seeds", "status", "config_hash", "prediction_sha256", "started")
_KEPT += ("ended", "elapsed_s", "versions", "hardware", "differs")


def scrubbed(evidence: Evidence, output: Path) -> Evidence:
    """The evidence without user, host, paths, addresses and commits.

    Args:
        evidence: what was recorded; names are looked for in it too, for it may have been recorded
            elsewhere.
        output: where runs were written.
    """
    terms = names(evidence, output)
    study = evidence.study
    _check_slugs(evidence, terms)

    def clean(value: Any) -> Any:
        return _clean(value, terms)

    told = replace(
        study,
        question=clean(study.question),
        prediction=clean(study.prediction),
        labels={arm: clean(label) for arm, label in study.labels.items()},
        arms={arm: tuple(clean(overrides)) for arm, overrides in study.arms.items()},
        places={
            slug: replace(place, overrides=tuple(clean(place.overrides)))
            for slug, place in study.places.items()
        },
        excluded=tuple((arm, place, clean(why)) for arm, place, why in study.excluded),
    )
    # parts remember the prediction by its hash: the same words scrubbed are the same prediction
    same = {study.prediction_hash: told.prediction_hash}
    parts = tuple(_part(part, clean, same) for part in evidence.parts)
    runs = tuple(replace(run, reason=clean(run.reason)) for run in evidence.runs)
    configs = {
        arm: {place: clean(config) for place, config in places.items()}
        for arm, places in evidence.configs.items()
    }
    return Evidence(told, runs, parts, configs, tuple(map(clean, evidence.notes)))


def _check_slugs(evidence: Evidence, terms: Mapping[str, str]) -> None:
    """Names of the study, its arms and environments are kept; they must not say who.

    Raises:
        ConfigError: one does.
    """
    study = evidence.study
    for slug in (study.name, *study.arms, *study.places):
        if _clean(slug, terms) != slug:
            raise ConfigError(
                f"--anonymous: the name {slug} says who or where; rename it in the study"
            )


def _part(part: Mapping[str, Any], clean: Any, hashes: Mapping[str, str]) -> dict[str, Any]:
    """What a part may still say: nothing of the checkout but whether it was clean."""
    told = {key: clean(part[key]) for key in _KEPT if key in part}
    digest = told.get("prediction_sha256")
    told["prediction_sha256"] = hashes.get(digest, digest)
    git = part.get("git")
    told["git"] = {"commit": WITHHELD, "dirty": git.get("dirty")} if git else None
    told["command"] = [_word(word, clean) for word in part.get("command") or ()]
    return told


def _word(word: str, clean: Any) -> str:
    """A word of a command line: of a program only its name."""
    name = re.split(r"[/\\]", word)[-1]
    return clean(name if "=" not in word and re.search(r"[/\\]", word) else word)


def names(evidence: Evidence, output: Path) -> dict[str, str]:
    """What must not be left, the longest first: text to what takes its place."""
    found: dict[str, str] = {}
    for path in (Path.home(), Path.cwd(), Path(os.path.abspath(output))):
        found[str(path)] = PLACE
    roots = [(part.get("git") or {}).get("root") for part in evidence.parts]
    found |= {str(root): PLACE for root in roots if root}
    texts = list(_texts([evidence.parts, evidence.configs, evidence.notes]))
    texts += [run.reason for run in evidence.runs if run.reason]
    people = {_user(), *(match for text in texts for match in _HOMES.findall(text))}
    people |= set(_authors())
    machines = {socket.gethostname(), socket.gethostname().partition(".")[0]}
    machines |= {str(part["host"]) for part in evidence.parts if part.get("host")}
    found |= dict.fromkeys(people, PERSON) | dict.fromkeys(machines, MACHINE)
    kept = {k: v for k, v in found.items() if len(k) >= _SHORTEST and k.lower() not in _ANYONE}
    return dict(sorted(kept.items(), key=lambda item: (-len(item[0]), item[0])))


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def _authors() -> list[str]:
    """How git calls whoever works here, and what it calls the remotes."""
    said = []
    for words in (("config", "user.name"), ("config", "user.email"), ("remote", "-v")):
        try:
            done = subprocess.run(["git", *words], capture_output=True, text=True, timeout=10)
        except (OSError, subprocess.TimeoutExpired):
            continue
        said += done.stdout.splitlines()
    told = [line.split("\t")[1].rpartition(" ")[0] if "\t" in line else line for line in said]
    owners = [found[1] for line in told if (found := _OWNER.search(line))]
    return [*told, *owners]


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from (*_texts(key), *_texts(one))
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from _texts(one)


def _clean(value: Any, terms: Mapping[str, str]) -> Any:
    """The value with every text in it scrubbed, keys too."""
    if isinstance(value, str):
        return _scrub(value, terms)
    if isinstance(value, Mapping):
        return {_clean(key, terms): _clean(one, terms) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_clean(one, terms) for one in value]
    return value


def _scrub(text: str, terms: Mapping[str, str]) -> str:
    text = _ADDRESSES.sub(ADDRESS, text)
    for term, instead in terms.items():
        if instead == PLACE:
            text = re.sub(rf"{re.escape(term)}(?![\w.-])[^\s'\"`:,;()]*", PLACE, text)
    text = _PATHS.sub(PLACE, text)
    for term, instead in terms.items():
        if instead != PLACE:
            text = re.sub(rf"(?<![^\W_]){re.escape(term)}(?![^\W_])", instead, text, flags=re.I)
    return text
