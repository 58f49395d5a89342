"""One slug in three places: conf/<group>/X.yaml, pgx/<plural>/X.py and tests/<plural>/test_X.py."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

GROUPS = {
    "estimator": "estimators",
    "policy": "policies",
    "baseline": "baselines",
    "optimizer": "optimizers",
    "environment": "environments",
}

#: Modules that are no option by themselves: interfaces and parts that options share.
PARTS = {
    "estimators": {"score", "actor_critic", "likelihood", "trajectories"},
    "policies": {"base", "categorical", "gaussian"},
    "baselines": {"base", "critic"},
    "optimizers": {"base", "search"},
    "environments": {"base", "classic", "tabular", "mdp", "exact", "outline", "drawing"}
    | {"gymnasium_backends", "gymnasium_spaces"},
}


def slugs(root: Path, group: str) -> dict[str, set[str]]:
    """The slugs of a group by the place they were found in."""
    plural = GROUPS[group]
    parts = PARTS.get(plural, set()) | {"__init__"}
    return {
        "conf": {path.stem for path in (root / "conf" / group).glob("*.yaml")},
        "pgx": {path.stem for path in (root / "pgx" / plural).glob("*.py")} - parts,
        "tests": {
            path.stem.removeprefix("test_") for path in (root / "tests" / plural).glob("test_*.py")
        }
        - parts,
    }


def broken(root: Path, group: str) -> list[str]:
    """One line for every slug that misses one of its three places."""
    places = slugs(root, group)
    every = set().union(*places.values())
    return [
        f"{group}={slug} is missing in {place}/"
        for slug in sorted(every)
        for place, names in places.items()
        if slug not in names
    ]


@pytest.mark.parametrize("group", GROUPS)
def test_one_slug_in_three_places(group: str) -> None:
    assert broken(ROOT, group) == []


@pytest.mark.parametrize("group", GROUPS)
def test_a_part_is_named_only_where_it_exists(group: str) -> None:
    plural = GROUPS[group]
    missing = [
        part
        for part in PARTS.get(plural, set())
        if not (ROOT / "pgx" / plural / f"{part}.py").is_file()
    ]
    assert missing == []


def test_a_slug_that_misses_a_place_is_found(tmp_path: Path) -> None:
    for path in ("conf/estimator/gae.yaml", "pgx/estimators/gae.py", "pgx/estimators/ppo.py"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    assert broken(tmp_path, "estimator") == [
        "estimator=gae is missing in tests/",
        "estimator=ppo is missing in conf/",
        "estimator=ppo is missing in tests/",
    ]
