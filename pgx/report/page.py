"""The report's one page: question, verdict, figures, tables, and what they rest on.

It is complete in itself: style, script, charts' rows and numbers are in the file, and a policy in
its head forbids it to fetch anything. The same analysis gives the same bytes.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pgx.analysis.model import Analysis, Evidence
from pgx.analysis.numbers import numbers
from pgx.analysis.words import completeness, headline, sentences
from pgx.report.captions import caption
from pgx.report.charts import charts
from pgx.report.data import arms, datasets, labels
from pgx.report.looks import colour, dashes, variables
from pgx.report.markup import Html, breakable, joined, script_json, tag
from pgx.report.record import sections
from pgx.report.tables import Cell, Table, tables
from pgx.study import METRICS

_HERE = Path(__file__).parent

NO_SCRIPT = "The charts here need JavaScript; figures/, beside this page, holds them as files."
NOTHING_YET = "Nothing to draw: no runs here that count."

FIGURES = {
    "curves": "Learning curves",
    "differences": "Differences to the reference",
    "profiles": "Performance profiles",
}


def page(evidence: Evidence, analysis: Analysis, bundle: str) -> str:
    """The page as HTML.

    Args:
        evidence: what was recorded.
        analysis: what follows from it.
        bundle: the script that draws charts; without it the page is text and tables.
    """
    specs = charts(analysis)
    kinds = [kind for kind in FIGURES if any(name.startswith(f"{kind}-") for name in specs)]
    shown = [
        _head(evidence, analysis),
        _legend(analysis) if specs else None,
        tag("noscript", tag("p", NO_SCRIPT)) if specs else None,
        [_figures(analysis, kind, number, specs) for number, kind in enumerate(kinds, 1)],
        _tables(analysis),
        sections(evidence, analysis),
    ]
    data = {name: rows.as_json() for name, rows in datasets(analysis).items() if name in specs}
    drawn = {"arms": arms(analysis), "labels": labels(analysis), "charts": specs, "data": data}
    code = (_HERE / "page.js").read_text(encoding="utf-8")
    script = [tag("script", Html(part)) for part in (bundle, code)] if specs else []
    held = [
        tag("script", script_json(value), type="application/json", id=name)
        for name, value in (("charts", drawn), ("numbers", numbers(analysis)))
    ]
    policy = _policy((bundle, code))
    body = tag("body", tag("main", shown), held, script)
    return f"<!doctype html>\n{tag('html', _meta(analysis, policy), body, lang='en')}\n"


def _policy(scripts: Sequence[str]) -> str:
    """Nothing is fetched, and no script runs but these: a text that got through would be inert."""
    hashes = (b64encode(hashlib.sha256(code.encode()).digest()).decode() for code in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in hashes)
    return (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
        f"form-action 'none'; script-src 'unsafe-eval' {allowed}"  # Vega compiles expressions
    )


def _meta(analysis: Analysis, policy: str) -> Html:
    study = analysis.study
    style = (
        f":root{{{variables(0)}}}\n"
        f"@media screen and (prefers-color-scheme:dark){{:root{{{variables(1)}}}}}\n"
        + (_HERE / "page.css").read_text(encoding="utf-8")
    )
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name_="viewport", content_="width=device-width, initial-scale=1"),
        tag("meta", http_equiv="Content-Security-Policy", content_=policy),
        tag("title", f"{study.name}: {study.question or headline(analysis)}"),
        tag("style", Html(style)),
    )


def _head(evidence: Evidence, analysis: Analysis) -> Html:
    study, metric = analysis.study, analysis.primary.metric
    facts = {
        "arms": len(study.trained),
        "environments": len(study.places),
        "seeds": len(study.seeds),
        "runs": len(evidence.runs),
        "episodes": sum(len(run.returns) for run in evidence.runs),
        "decisions": sum(run.reached for run in evidence.runs),
    }
    counted = [
        tag("li", tag("b", f"{count:,}"), name if count != 1 else name.removesuffix("s"))
        for name, count in facts.items()
    ]
    told = [tag("li", sentence) for sentence in sentences(analysis)[:-1]]
    every = tag("details", tag("summary", "Every comparison in words"), tag("ul", told))
    return tag(
        "header",
        tag("p", f"Study {study.name} · verdicts on {METRICS[metric]}", class_="kicker"),
        tag("h1", study.question or study.name),
        tag("p", headline(analysis), class_="verdict"),
        tag("p", completeness(analysis), class_="small"),
        every if told else None,
        _alarms(analysis),
        _prediction(analysis),
        tag("ul", counted, class_="facts"),
    )


def _alarms(analysis: Analysis) -> Html | None:
    """What no longer fits, before anything else is read."""
    if not analysis.changed:
        return None
    lines = [tag("p", line[:1].upper() + line[1:] + ".") for line in analysis.changed]
    return tag(
        "div", tag("p", tag("strong", "Changed since runs were made")), lines, class_="alarm"
    )


def _prediction(analysis: Analysis) -> Html | None:
    study = analysis.study
    if not study.prediction:
        said = "No prediction was written before the runs."
        return tag("div", tag("p", said, class_="status"), class_="prediction")
    broken = any(line.startswith("the prediction") for line in analysis.changed)
    status = "not the one that the runs were made under" if broken else "unchanged since the runs"
    return tag(
        "div",
        tag("p", f"Prediction, {status}", class_="status"),
        tag("p", study.prediction),
        class_="prediction",
        id="prediction",
    )


def _legend(analysis: Analysis) -> Html:
    """A button per arm that switches its lines off everywhere."""
    made = []
    for place, (arm, label) in enumerate(zip(arms(analysis), labels(analysis), strict=True)):
        strokes = dashes(place)
        line = tag(
            "line",
            x1="1",
            y1="5",
            x2="23",
            y2="5",
            stroke=colour(place),
            stroke_width="3",
            stroke_dasharray=None if strokes[1] == 0 else " ".join(map(str, strokes)),
        )
        swatch = tag("svg", line, width="24", height="10", aria_hidden="true")
        made.append(tag("button", swatch, label, type="button", data_arm=arm, aria_pressed="true"))
    every = tag("button", "all", type="button", id="every-arm", title="Show every arm")
    hint = "Point at an arm to see it; click to switch it off or on, twice to see it alone."
    return tag("div", made, every, class_="legend", title=hint, role="group", aria_label="Arms")


def _figures(analysis: Analysis, kind: str, number: int, specs: Mapping[str, Any]) -> Html:
    """A figure of one kind: a chart per environment, then what is seen in it."""
    drawn = []
    for place in analysis.study.places:
        if spec := specs.get(f"{kind}-{place}"):
            size = "chart" if kind == "differences" else "chart tall"
            named = f"{place}: {spec['usermeta']['title']}"
            chart = {"data_chart": f"{kind}-{place}", "role": "img", "aria_label": named}
            shown = tag("div", class_=size, **chart)
            drawn.append(tag("div", tag("h3", named), shown))
        else:
            drawn.append(tag("div", tag("h3", place), tag("p", NOTHING_YET, class_="small")))
    side = "pairs" if len(drawn) > 2 or (kind == "profiles" and len(drawn) > 1) else None
    below = tag("figcaption", tag("b", f"Figure {number}. "), caption(analysis, kind))
    title = FIGURES[kind]
    return tag(
        "section",
        tag("h2", title),
        tag("figure", tag("div", drawn, class_=side), below),
        id=kind,
    )


def _tables(analysis: Analysis) -> Html:
    made = [
        html_table(table, f"Table {number}. ") for number, table in enumerate(tables(analysis), 1)
    ]
    hint = (
        "Small type: 95% interval and n, the number of runs. IQM is the mean of the middle half of "
        "the runs."
    )
    return tag("section", tag("h2", "Tables"), tag("p", hint, class_="small"), made, id="tables")


def html_table(table: Table, numbered: str = "") -> Html:
    """A table that scrolls sideways where there is no room; each row's first cell names it."""
    words = {place for place, name in enumerate(table.head) if name in ("verdict",)}
    kind = [{"class_": "words"} if place in words else {} for place in range(len(table.head))]
    heads = [tag("th", name, scope="col", **kind[i]) for i, name in enumerate(table.head)]
    rows = []
    for place, (first, *rest) in enumerate(table.rows):
        cells = [tag("td", _cell(cell), **kind[i]) for i, cell in enumerate(rest, 1)]
        set_off = "reference" if place in table.marked else None
        rows.append(tag("tr", tag("th", _cell(first), scope="row"), cells, class_=set_off))
    title = tag("span", tag("b", numbered) if numbered else None, table.caption)
    inner = tag(
        "table",
        tag("caption", title),
        tag("thead", tag("tr", heads)),
        tag("tbody", rows),
        id=table.slug,
    )
    return tag("div", inner, class_="scroll", tabindex="0", role="region", aria_label=table.caption)


def _cell(cell: Cell) -> Html:
    small = tag("small", breakable(cell.small)) if cell.small else None
    return joined([breakable(cell.main), small])
