"""The page: complete without a network, hostile text stays text, and nothing odd breaks it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from pgx.analysis.analyse import analyse
from pgx.analysis.model import Evidence
from pgx.report.charts import charts
from pgx.report.page import page
from pgx.report.shown import shown
from tests.report.fabricated import evidence, lost, part, run

HOSTILE = '</script><!--<b onclick="x()">\u2028{{7*7}}${1}&amp;\u202egnp.exe\x07'


def of(made: Evidence, bundle: str = "") -> str:
    return page(made, analyse(made, resamples=50), bundle)


class Addresses(HTMLParser):
    """Every attribute that names something to fetch, and every policy."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.policy = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        fetching = {"src", "href", "srcset", "data", "poster", "action", "background", "xlink:href"}
        self.found += [str(value) for name, value in attrs if name in fetching]
        if ("http-equiv", "Content-Security-Policy") in attrs:
            self.policy = str(dict(attrs)["content"])


def test_nothing_is_fetched(report: Path) -> None:
    html = (report / "report.html").read_text(encoding="utf-8")
    reader = Addresses()
    reader.feed(html)
    assert reader.found == []
    assert reader.policy.startswith("default-src 'none';")
    allowed = dict(part.strip().split(" ", 1) for part in reader.policy.split(";"))
    assert allowed.keys() == {
        *("default-src", "style-src", "img-src", "base-uri", "form-action", "script-src")
    }
    assert "unsafe-inline" not in allowed["script-src"]
    style = "".join(shown(html).styles)
    assert not re.search(r"@import|url\(|http", style)
    assert not re.search(r"http|fetch\(|import\(|XMLHttp", shown(html).scripts[-1])
    assert 900_000 < len(html) < 1_300_000


def test_hostile_text_is_text_everywhere() -> None:
    arms = ("total_return", "gae")
    made = evidence(
        arms,
        2,
        ("cartpole-v1",),
        {("gae", "cartpole-v1", 1): lost("gae", "cartpole-v1", 1, "failed", HOSTILE)},
        notes=(HOSTILE,),
        question=HOSTILE,
        prediction=HOSTILE,
        labels={"gae": HOSTILE, "total_return": f"=1+1 {HOSTILE}"},
    )
    overrides = {"total_return": (HOSTILE,), "gae": (f"+x={HOSTILE}",)}
    made = replace(made, study=replace(made.study, arms=overrides))
    configs = {arm: {"cartpole-v1": {f"key{HOSTILE}": f"{arm}{HOSTILE}"}} for arm in arms}
    hostile = part(made.study, "gae", "cartpole-v1", command=["pgx", HOSTILE])
    hostile["versions"] = {HOSTILE: HOSTILE}
    hostile["hardware"] = {"cpu": HOSTILE}
    made = Evidence(made.study, made.runs, (hostile,), configs, made.notes)
    html = of(made)
    plain = of(evidence(arms, 2, ("cartpole-v1",)))
    scripts = [len(re.findall("<script", text)) for text in (html, plain)]
    assert scripts[0] == scripts[1] == len(re.findall("</script>", html))
    for sign in ("<!--", "<b ", "\u202e", "\x07"):
        assert sign not in html
    assert "\u2028" not in html[html.index('id="charts"') :]
    seen = shown(html)
    assert seen.foreign == []
    assert seen.damaged == []
    assert seen.held["charts"]["labels"][1] == HOSTILE.translate({0x202E: "\ufffd", 7: "\ufffd"})
    visible = [text for text in seen.texts.values() if "{{7*7}}${1}&amp;" in text]
    assert len(visible) > 12


def test_the_prediction_s_state_is_said_before_everything_else() -> None:
    made = evidence(("total_return", "gae"), 2, ("cartpole-v1",))
    unchanged = shown(of(made)).texts
    assert "Prediction, unchanged since the runs" in unchanged.values()
    other = [{**made.parts[0], "prediction_sha256": "0" * 64}, *made.parts[1:]]
    html = of(Evidence(made.study, made.runs, tuple(other), made.configs))
    texts = list(shown(html).texts.values())
    assert "Changed since runs were made" in texts
    assert "Prediction, not the one that the runs were made under" in texts
    assert texts.index("Changed since runs were made") < texts.index(made.study.prediction)
    none = evidence(("total_return", "gae"), 2, ("cartpole-v1",), prediction="")
    assert "No prediction was written before the runs." in shown(of(none)).texts.values()


def test_every_cell_with_a_figure_has_its_n() -> None:
    gone = ("gae", "cartpole-v1", 1)
    html = of(evidence(replaced={gone: lost(*gone, "missing")}))
    texts = shown(html).texts
    cells = {
        place: text
        for place, text in texts.items()
        if place.startswith("figures-") and re.search(r", (area|final), ", place)
    }
    assert len(cells) == 2 * 3 * 4
    for place, text in cells.items():
        n = 5 if place.startswith("figures-cartpole-v1, GAE") else 6
        assert text.endswith(f", n = {n}"), place
    assert texts["figures-cartpole-v1, GAE gae, runs"] == "5 1 missing"
    assert texts["comparisons-cartpole-v1, GAE gae, pairs"] == "5 without seed 1"


def test_configs_are_told_by_what_they_change() -> None:
    made = evidence(("total_return", "reward_to_go", "gae"), 2)
    configs = {arm: dict(places) for arm, places in made.configs.items()}
    configs["gae"]["acrobot-v1"] = {**configs["gae"]["acrobot-v1"], "estimator.lambda": 0.9}
    twin = {**made.study.arms, "twin": ("estimator=gae",)}
    study = replace(made.study, arms=twin, duplicates={"twin": "gae"})
    texts = shown(of(Evidence(study, made.runs, made.parts, configs))).texts
    told = [text for place, text in texts.items() if place.startswith("configs, ")]
    start = told.index("GAE gae estimator=gae")
    assert told[start + 1] == "on cartpole-v1"
    changed = told[start + 2 : start + 8]
    assert changed == [
        *("estimator._target_", "pgx.estimators.total_return", "pgx.estimators.gae"),
        *("optimizer.learning_rate", "0.01", "0.003"),
    ]
    assert told[start + 8] == "on acrobot-v1"
    assert told[start + 12 : start + 15] == ["estimator.lambda", "–", "0.9"]
    assert told[-1] == "the same config as GAE: trained once"
    assert "estimator.discount" not in told


def test_where_it_comes_from_is_told_once_if_it_is_one() -> None:
    made = evidence(("total_return", "gae"), 2)
    texts = shown(of(made)).texts
    own = [text for place, text in texts.items() if place.startswith("origin, dd")]
    commit = "c0ffee" * 6 + "cafe"
    assert own[:4] == [
        "python 3.11.9, pgx 0.1.0, torch 2.9.1",
        "A Processor, 2 of 8 cores, 16 GiB",
        commit,
        "2026-03-01T10:00:00+00:00 to 2026-03-01T10:02:30+00:00",
    ]
    assert own[4] == "10m00s in 4 parts"
    assert own[5].endswith("pgx sweep study=001_made_up")
    changed = {"commit": "beef" * 10, "dirty": True}
    parts = [{**made.parts[0], "git": changed, "command": ["pgx", "x y"]}, *made.parts[1:]]
    parts += [{**made.parts[1], "git": None, "command": ["pgx", str(i)]} for i in range(3)]
    texts = shown(of(replace(made, parts=tuple(parts)))).texts
    told = "\n".join(text for place, text in texts.items() if place.startswith("origin, "))
    assert f"{'beef' * 10} with uncommitted changes (1 part) {commit} (3 parts)" in told
    assert "unknown (3 parts)" in told
    assert "5 commands" in told
    assert "pgx 'x y' (1 part)" in told


def everything_missing(environment: str) -> Evidence:
    arms = ("total_return", "gae")
    gone = {
        (arm, environment, seed): lost(arm, environment, seed, "missing")
        for arm in arms
        for seed in range(3)
    }
    return evidence(arms, 3, replaced=gone)


ODD = {
    "one arm": lambda: evidence(("gae",), 3),
    "one seed": lambda: evidence(("total_return", "gae"), 1),
    "one episode a run": lambda: evidence(("total_return", "gae"), 3, episodes=1),
    "no run in one environment": lambda: everything_missing("cartpole-v1"),
    "no run at all": lambda: Evidence(
        (made := everything_missing("cartpole-v1")).study,
        tuple(lost(one.arm, one.environment, one.seed, "missing") for one in made.runs),
        (),
        {},
    ),
    "the reference without a run": lambda: evidence(
        ("total_return", "gae"),
        2,
        ("cartpole-v1",),
        {
            ("total_return", "cartpole-v1", seed): lost(
                "total_return", "cartpole-v1", seed, "failed"
            )
            for seed in range(2)
        },
    ),
    "a diverged run": lambda: evidence(
        replaced={("gae", "cartpole-v1", 1): lost("gae", "cartpole-v1", 1, "diverged", "at 3")}
    ),
    "an arm that always diverged": lambda: evidence(
        replaced={
            ("gae", place, seed): lost("gae", place, seed, "diverged", "at 3")
            for place in ("cartpole-v1", "acrobot-v1")
            for seed in range(6)
        }
    ),
    "twenty arms with long names": lambda: evidence(
        tuple(f"arm_number_{'x' * 60}_{place}" for place in range(20)), 2
    ),
    "other alphabets": lambda: evidence(
        ("total_return", "gae"),
        2,
        question="Чему учит 报酬? Ça dépend — 👩‍🔬",
        labels={"gae": "λ-回报 (GAE)", "total_return": "عائد"},
    ),
    "a config without numbers": lambda: Evidence(
        (made := evidence(("total_return", "gae"), 2)).study,
        made.runs,
        made.parts,
        {"gae": {"cartpole-v1": {"a": None, "b": [1, True], "c": float("inf")}}},
    ),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_studies_are_shown_as_they_are(name: str) -> None:
    made = ODD[name]()
    html = of(made)
    seen = shown(html)
    assert seen.damaged == []
    assert {"charts", "numbers"} == seen.held.keys()
    assert seen.held["charts"]["charts"].keys() == charts(analyse(made, resamples=50)).keys()
    for arm in made.study.trained:
        label = made.study.label(arm)
        assert any(text.startswith(label) for text in seen.texts.values())
    for chart in re.findall(r'data-chart="([^"]+)"', html):
        assert seen.held["charts"]["data"][chart]["rows"]
    json.dumps(seen.held, allow_nan=False)


def test_figures_are_numbered_as_they_are_shown() -> None:
    whole, alone = (of(evidence(arms, 2, ("cartpole-v1",))) for arms in (("gae", "eag"), ("gae",)))
    for html, kinds in (
        (whole, ["curves", "differences", "profiles"]),
        (alone, ["curves", "profiles"]),
    ):
        found = re.findall(r'<section id="(\w+)"><h2>[^<]+</h2><figure>.*?<b>(Figure \d)', html)
        assert found == [(kind, f"Figure {n}") for n, kind in enumerate(kinds, 1)]


def test_a_band_that_is_missing_is_explained() -> None:
    told = "where all runs of an arm have, there is no band"
    assert told in of(ODD["an arm that always diverged"]())
    assert told not in of(ODD["a diverged run"]())


def test_a_run_s_noise_is_its_own() -> None:
    one, other = run("gae", "cartpole-v1", 0, 0.9), run("eag", "cartpole-v1", 0, 0.9)
    assert not np.array_equal(one.returns, other.returns)
