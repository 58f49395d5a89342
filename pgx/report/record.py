"""What a report's figures rest on: configs, what went wrong, how it was computed, where it ran."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from pgx.analysis.model import Analysis, Evidence
from pgx.analysis.words import method
from pgx.report.markup import Html, breakable, tag
from pgx.report.spelling import value_text
from pgx.tables import duration, seed_span

Flat = Mapping[str, Any]
FEW = 3  #: commands that are shown unfolded
NONE = "–"  #: a key that one of two configs lacks


def sections(evidence: Evidence, analysis: Analysis) -> list[Html]:
    """Everything below the tables."""
    return [
        _record(evidence, analysis),
        _arms(evidence, analysis),
        _method(analysis),
        _origin(evidence),
        _check(),
    ]


def _record(evidence: Evidence, analysis: Analysis) -> Html:
    """Runs that did not end well, and lines about the record."""
    groups: dict[tuple[str, str, str, str], list[int]] = {}
    for run in evidence.runs:
        if run.status != "finished":
            key = (run.environment, run.arm, run.status, run.reason or "")
            groups.setdefault(key, []).append(run.seed)
    rows = [
        tag(
            "tr",
            tag("th", analysis.study.label(arm), scope="row"),
            *(tag("td", words, class_="words") for words in (place, status)),
            tag("td", f"{seed_span(seeds)} (n = {len(seeds)})", class_="words"),
            tag("td", reason or NONE, class_="words"),
        )
        for (place, arm, status, reason), seeds in groups.items()
    ]
    heads = ("arm", "environment", "status", "seeds", "reason")
    notes = [tag("li", line) for line in analysis.notes]
    return tag(
        "section",
        tag("h2", "What is missing, failed or diverged"),
        _table("lost", heads, rows)
        if rows
        else tag("p", "Nothing: every run that was asked for finished."),
        tag("h3", "Notes") if notes else None,
        tag("ul", notes) if notes else None,
        id="record",
    )


def _table(slug: str, heads: Iterable[str], rows: Iterable[Html]) -> Html:
    top = tag("tr", [tag("th", head, scope="col", class_="words") for head in heads])
    inner = tag("table", tag("thead", top), tag("tbody", rows), class_="config", id=slug)
    return tag("div", inner, class_="scroll")


def _arms(evidence: Evidence, analysis: Analysis) -> Html:
    """Each arm's config as what it changes of the reference's, and that one in full."""
    against, study = analysis.against, analysis.study
    base = evidence.configs.get(against, {})
    rows: list[Html] = []
    for arm in study.arms:
        rows.append(_arm_row(analysis, arm))
        if arm in study.duplicates:
            twin = study.label(study.duplicates[arm])
            rows.append(_line(f"the same config as {twin}: trained once"))
        elif arm != against:
            rows += _differences(base, evidence.configs.get(arm, {}))
    heads = ("key", f"reference, {study.label(against)}", "this arm")
    whole = [
        _folded(f"The reference's config on {place}", _whole(config))
        for place, config in base.items()
    ]
    return tag(
        "section",
        tag("h2", "Arms"),
        tag("p", "What each arm changes of the reference's resolved config."),
        _table("configs", heads, rows),
        whole,
        id="arms",
    )


def _arm_row(analysis: Analysis, arm: str) -> Html:
    """The head of an arm's rows: its label, its name, the overrides that make it."""
    label = analysis.study.label(arm)
    also = [arm] if label != arm else []
    also += ["reference"] if arm == analysis.against else []
    overrides = " ".join(analysis.study.arms[arm])
    made = tag("small", tag("code", overrides)) if overrides else None
    words = [label, " ", tag("span", ", ".join(also), class_="small") if also else None, made]
    return tag("tr", tag("th", words, colspan="3", scope="rowgroup"))


def _line(words: str) -> Html:
    return tag("tr", tag("td", words, colspan="3", class_="small"))


def _differences(base: Mapping[str, Flat], own: Mapping[str, Flat]) -> list[Html]:
    """Rows of keys that differ; environments that differ alike are told once."""
    if not own:
        return [_line("no config is recorded")]
    told: dict[tuple[tuple[str, str, str], ...], list[str]] = {}
    for place, config in own.items():
        told.setdefault(_changes(base.get(place, {}), config), []).append(place)
    rows = []
    for changes, places in told.items():
        if len(told) > 1:
            rows.append(_line(f"on {', '.join(places)}"))
        rows += [
            tag(
                "tr",
                [
                    tag("td", cell)
                    for cell in (_key(key), tag("del", breakable(was)), breakable(now))
                ],
            )
            for key, was, now in changes
        ]
        rows += [] if changes else [_line("no difference")]
    return rows


def _changes(base: Flat, own: Flat) -> tuple[tuple[str, str, str], ...]:
    """Key, the reference's value, this arm's value."""
    spelt = [{key: value_text(value) for key, value in config.items()} for config in (base, own)]
    keys = sorted(spelt[0].keys() | spelt[1].keys())
    pairs = [(key, spelt[0].get(key, NONE), spelt[1].get(key, NONE)) for key in keys]
    return tuple((key, was, now) for key, was, now in pairs if was != now)


def _key(key: str) -> Html:
    return tag("code", breakable(key))


def _whole(config: Flat) -> Html:
    rows = [
        tag("tr", tag("td", _key(key)), tag("td", breakable(value_text(value))))
        for key, value in sorted(config.items())
    ]
    return tag("div", tag("table", tag("tbody", rows), class_="config"), class_="scroll")


def _method(analysis: Analysis) -> Html:
    lines = [tag("li", f"{line[:1].upper()}{line[1:]}.") for line in method(analysis)]
    more = (
        "Runs that failed, were interrupted or are missing are in no figure, and are listed above. "
        "All returns are training returns of single episodes, in the environment's own units."
    )
    return tag(
        "section",
        tag("h2", "How it was computed"),
        tag("ul", lines),
        tag("p", more),
        id="method",
    )


def _origin(evidence: Evidence) -> Html:
    """Versions, hardware, commit and command of the parts, and each part in one row."""
    parts = evidence.parts
    seconds = sum(part.get("elapsed_s") or 0.0 for part in parts)
    began = sorted(str(part["started"]) for part in parts if part.get("started"))
    ended = sorted(str(part["ended"]) for part in parts if part.get("ended"))
    facts = {
        "versions": _distinct(_pairs(part.get("versions")) for part in parts),
        "hardware": _distinct(_machine(part.get("hardware")) for part in parts),
        "commit": _distinct(_commit(part.get("git")) for part in parts),
        "trained": [f"{began[0]} to {ended[-1]}"] if began and ended else [],
        "time": [f"{duration(seconds)} in {len(parts)} parts"] if parts else [],
    }
    commands = _distinct(shlex.join(part.get("command") or ()) for part in parts)
    facts |= {"command": commands} if len(commands) <= FEW else {}
    listed = [
        (tag("dt", name), tag("dd", [tag("div", line) for line in lines]))
        for name, lines in facts.items()
        if lines
    ]
    heads = ("arm", "environment", "seeds", "status", "started", "time", "config", "commit")
    rows = [_part(part) for part in parts]
    return tag(
        "section",
        tag("h2", "Where it comes from"),
        tag("dl", listed) if listed else tag("p", "No part is recorded."),
        _folded("Every part", _table("parts", heads, rows)) if rows else None,
        _folded(f"{len(commands)} commands", [tag("p", tag("code", line)) for line in commands])
        if len(commands) > FEW
        else None,
        id="origin",
    )


def _folded(title: str, content: Any) -> Html:
    return tag("details", tag("summary", title), content)


def _part(part: Mapping[str, Any]) -> Html:
    cells = (
        part["environment"],
        seed_span(part["seeds"]),
        part["status"],
        str(part.get("started") or NONE),
        duration(part.get("elapsed_s")),
        str(part.get("config_hash") or NONE),
        _commit(part.get("git"))[:14],
    )
    return tag("tr", tag("th", part["arm"], scope="row"), [tag("td", cell) for cell in cells])


def _distinct(lines: Iterable[str]) -> list[str]:
    """Each line once, with how many parts have it if they do not all have the same."""
    counts: dict[str, int] = {}
    for line in lines:
        counts[line] = counts.get(line, 0) + 1
    if len(counts) == 1:
        return [line for line in counts if line]
    plural = {line: f"{count} part{'s' * (count > 1)}" for line, count in counts.items()}
    return [f"{line or 'unknown'} ({parts})" for line, parts in plural.items()]


def _pairs(found: Mapping[str, Any] | None) -> str:
    return ", ".join(f"{name} {value}" for name, value in (found or {}).items() if value)


def _machine(found: Mapping[str, Any] | None) -> str:
    if not found:
        return ""
    cores = f"{found.get('cores')} of {found.get('cores_machine')} cores"
    memory = found.get("memory")
    size = f", {memory / 2**30:.0f} GiB" if isinstance(memory, (int, float)) else ""
    return f"{found.get('cpu')}, {cores}{size}"


def _commit(found: Mapping[str, Any] | None) -> str:
    if not found or not found.get("commit"):
        return "unknown"
    dirty = {True: " with uncommitted changes", False: ""}.get(
        found.get("dirty"), ", state unknown"
    )
    return f"{found['commit']}{dirty}"


def _check() -> Html:
    """How a reader finds out whether all this is so."""
    words = (
        "The episodes that every number here follows from lie beside this page. In the directory "
        "that holds it, with pgx installed,"
    )
    more = (
        "recomputes each number, table and chart from them, offline, and lists what differs. It "
        "shows that this page says what the episodes say; that they are what training gave, it "
        "cannot show: for that, train again with the command above."
    )
    beside = (
        "Also beside it: figures/ as SVG, PDF and PNG, tables/ as CSV and LaTeX, numbers.json with "
        "every number unrounded, episodes.parquet, runs.json and study.json."
    )
    return tag(
        "section",
        tag("h2", "Check it"),
        tag("p", words),
        tag("p", tag("code", "pgx verify report.html")),
        tag("p", more),
        tag("p", beside, class_="small"),
        id="check",
    )
