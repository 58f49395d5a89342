"""Every config: short, commented key by key, composable, and without a key that nothing reads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = sorted((ROOT / "conf").rglob("*.yaml"))
EXPERIMENTS = sorted(path.stem for path in (ROOT / "conf" / "experiment").glob("*.yaml"))

KEY = re.compile(r"^\s*(?:- )?[\w.@/-]+:(\s|$)")  #: a line that sets a key
ENTRY = re.compile(r"^\s*- ")  #: an entry of a list, such as the defaults


def uncommented(text: str) -> Iterator[str]:
    """The keys of a YAML text that have a comment neither on their line nor on the line above."""
    above = ""
    for line in text.splitlines():
        if KEY.match(line) and not ENTRY.match(line):
            comment_above = above.lstrip().startswith("#") and "@package" not in above
            if " #" not in line and not comment_above:
                yield line.strip()
        above = line


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_key_has_a_comment(path: Path) -> None:
    assert list(uncommented(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: str(path.relative_to(ROOT)))
def test_configs_stay_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) < 40


def test_a_key_without_a_comment_is_found() -> None:
    text = (
        "# @package _global_\na: 1\nb: 2  # two\n# three\nc:\n  d: 4\ndefaults:\n  - policy: mlp\n"
    )
    assert list(uncommented(text)) == ["a: 1", "d: 4", "defaults:"]
