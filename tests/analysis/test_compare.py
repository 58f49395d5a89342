"""``pgx compare``: what it prints on a terminal and in every format, and what it refuses."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from pgx.analysis.analyse import analyse
from pgx.analysis.command import judged_by
from pgx.analysis.gather import gather
from pgx.analysis.numbers import numbers
from pgx.analysis.render import FORMATS, _widths, render
from pgx.analysis.sheets import sheets
from pgx.cli import main
from pgx.study import Place, write_study
from tests.support.studies import BUDGET, Levels, level_evidence, level_study, write_part

LEVELS: Levels = {
    "corridor": {
        "plain": [0.0, 1, 2, 3, 4, 5, 6, 7],
        "fancy": [2.0, 3, 4, 5, 6, 7, 8, "diverged"],
        "odd": [1.0, 0, 3, 2, "missing", "missing", "failed", 6],
    },
    "cartpole-v1": {"plain": [10.0] * 8, "fancy": ["missing"] * 8, "odd": [10.0] * 8},
}
CALM: Levels = {"corridor": {"plain": [0.0] * 6, "fancy": [1.0] * 6}}


def printed(levels: Levels, width: int = 100, terminal: bool = True, **changes: object) -> str:
    """What the terminal shows of a study with such levels."""
    metric = changes.pop("shown", None)
    found = analyse(level_evidence(levels, **changes), resamples=200)
    console = Console(
        file=StringIO(),
        force_terminal=terminal,
        width=width,
        color_system=None,
        legacy_windows=False,
    )
    render(found, list(found.study.places), metric, console)
    return console.file.getvalue()


def row(text: str, start: str, nth: int = 0) -> list[str]:
    """The words of the nth line that begins so."""
    return [line for line in text.splitlines() if line.strip().startswith(start)][nth].split()


def test_a_study_at_a_glance() -> None:
    text = printed(LEVELS)
    assert "lectures: Which is better?" in text
    assert "corridor, over 1,000 decisions of each run" in text
    assert "corridor, held against plain" in text and "cartpole-v1, held against plain" in text
    # scores 2 … 8 and, diverged, the worst of all: 0
    assert row(text, "fancy ")[:4] == ["fancy", "8", "(1", "diverged)"]
    assert row(text, "fancy ")[6:] and row(text, "fancy ")[4] == "4.50"
    assert row(text, "odd ")[:6] == ["odd", "5", "(1", "failed,", "2", "missing)"]
    paired = row(text, "fancy ", 1)
    assert paired[:3] == ["fancy", "8", "+0.88"]  # (7 · 2 − 7) / 8
    assert "Of 48 runs asked for, 36 finished, 1 diverged and counts as the worst" in text
    assert "stratified percentile bootstrap, 200 resamples" in text
    assert "note: no figure over all environments: cartpole-v1, corridor has no low" in text


def test_what_can_never_decide_is_said_below_the_table() -> None:
    text = printed({"corridor": {"plain": [0.0] * 5, "b": [1.0] * 5, "c": [2.0] * 5}})
    assert "b, c: with 5 pairs the smallest possible p is .0625" in " ".join(text.split())
    assert row(text, "b ", 1)[-2:] == ["undecided", "7"]  # 2⁻⁶ · 2 ≤ .05: seven could


def test_an_arm_without_runs_has_a_row_and_a_reason() -> None:
    text = printed(LEVELS)
    figures = text.split("cartpole-v1, over")[1]
    assert row(figures, "fancy ")[:4] == ["fancy", "0", "(8", "missing)"]
    assert row(figures, "fancy ", 1)[1:] == ["0", "–", "–", "–", "undecided", "–"]
    assert "fancy: no finished run here" in text and "odd: every difference is 0" in text


@pytest.mark.parametrize("width", [100, 80])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    names = {"plain": "a reference with a name", "fancy": "x" * 40, "odd": "Größe = ∞, [bold]no"}
    text = printed(LEVELS, width, labels=names)
    assert max(map(len, text.splitlines())) <= width
    assert "[bold]no" in text.replace("\n", "")
    assert "label: a reference with a name is the arm plain" in text


def test_figures_are_whole_on_the_narrowest_terminal() -> None:
    text = printed(LEVELS, 40, labels={"fancy": "x" * 40})
    for words in ("3.50 [1.00, 5.51]", "+0.88 [-1.38, 2.00]", "undecided", " 151"):
        assert words in text


def test_names_are_broken_first_then_what_became_of_runs() -> None:
    heads, row = ("arm", "n", "area: IQM"), ("a longer name here", "3 (1 failed)", "1.00 [0.50, 1]")
    assert _widths(heads, [row], 50) == [18, 12, 14]
    assert _widths(heads, [row], 43) == [17, 12, 14]
    assert _widths(heads, [row], 40) == [18, 7, 14]
    assert _widths(heads, [row], 30) == [9, 7, 14]
    assert _widths(heads, [row], 9) == [7, 7, 14]


def test_a_label_cannot_steer_the_terminal() -> None:
    text = printed(CALM, labels={"fancy": "\x1b[31mred\x07"}, question="a\x1b[2Jb")
    assert "\x1b[31m" not in text and "\x1b[2J" not in text and "?[31mred?" in text


def test_no_format_steers_the_terminal() -> None:
    found = analyse(level_evidence(CALM, labels={"fancy": "\x1b[2Jred\x9b"}), resamples=20)
    found = replace(found, notes=("seed 3: \x1b]0;title\x07",))
    for name, made in FORMATS.items():
        text = made(found, ["corridor"], None)
        assert "?" in text and not {"\x1b", "\x9b", "\x07"} & set(text), name


def test_in_a_pipe_there_are_no_lines_and_no_breaks() -> None:
    text = printed(LEVELS, terminal=False)
    assert "─" not in text
    assert any(len(line) > 100 for line in text.splitlines())


def test_another_metric_has_figures_and_no_verdict() -> None:
    text = printed(LEVELS, shown="final")
    assert "final: difference [95%]" in text and "verdict  " not in text
    assert "no verdicts on final: the study's metric is area" in text


def test_figures_over_all_environments_have_a_table() -> None:
    places = {name: Place(name, name, BUDGET, low=0.0, high=10.0) for name in LEVELS}
    text = printed(LEVELS, places=places)
    over = text.split("all 2 environments, normalised")[1]
    assert row(over, "plain ")[:2] == ["plain", "16"]
    assert "fancy has no figure over all environments: no run on cartpole-v1" in text


def test_changes_are_shown() -> None:
    evidence = level_evidence(CALM)
    told = {**evidence.parts[0], "prediction_sha256": None}
    found = analyse(type(evidence)(evidence.study, evidence.runs, (told,), {}), resamples=50)
    console = Console(file=StringIO(), width=200)
    render(found, ["corridor"], None, console)
    assert "changed: the prediction was written after runs were made" in console.file.getvalue()


def test_markdown_and_latex_are_escaped_and_complete() -> None:
    labels = {"fancy": "a|b & <i>*c*</i>", "odd": "[x]_y"}
    found = analyse(level_evidence(LEVELS, labels=labels), resamples=50)
    made = {name: FORMATS[name](found, list(LEVELS), None) for name in ("markdown", "latex")}
    assert made["markdown"].startswith("On corridor, of 2 arms held against plain, ")
    assert r"| a\|b & \<i>\*c\*\</i> | 8 (1 diverged) |" in made["markdown"]
    assert made["latex"].count(r"\begin{tabular}") == 4
    assert r"a\textbar{}b \& \textless{}i\textgreater{}" in made["latex"]
    assert r"{}[x]\_y & " in made["latex"]  # not an option of the line above
    for text in made.values():
        assert "verdicts: two-sided sign-flip permutation test" in text


def test_csv_has_every_figure_unrounded_and_nothing_to_compute() -> None:
    found = analyse(level_evidence(LEVELS, labels={"fancy": "=1+1"}), resamples=50)
    rows = list(csv.DictReader(StringIO(FORMATS["csv"](found, list(LEVELS), None))))
    assert len(rows) == 2 * 3 * 2  # environments, arms, metrics
    fancy = next(r for r in rows if r["arm"] == "fancy")
    assert fancy["label"] == "'=1+1"
    assert (fancy["n"], fancy["finished"], fancy["diverged"]) == ("8", "7", "1")
    assert float(fancy["iqm"]) == found.primary.summaries[1].figures["iqm"].estimate
    reference = next(r for r in rows if r["arm"] == "plain")
    assert reference["against"] == reference["p"] == reference["difference"] == ""
    final = next(r for r in rows if r["arm"] == "fancy" and r["metric"] == "final")
    assert final["difference"] and not final["p"] and not final["verdict"]
    only = FORMATS["csv"](found, ["corridor"], "final")
    assert len(only.splitlines()) == 4


LOST = ("diverged", "failed", "missing", "running", "interrupted")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("seed", range(12))
def test_whatever_became_of_the_runs_everything_is_said(seed: int) -> None:
    rng = np.random.default_rng(seed)
    names, arms, count = (
        ["one", "two", "three"][: 1 + seed % 3],
        "abcd"[: 1 + seed % 4],
        1 + seed % 5,
    )
    lost = (0.0, 0.3, 0.9)[seed % 3]

    def level() -> float | str:
        if rng.random() < lost:
            return str(rng.choice(LOST))
        return float(rng.normal() * 10.0 ** float(rng.integers(-3, 6)))

    levels = {name: {arm: [level() for _ in range(count)] for arm in arms} for name in names}
    places = {name: Place(name, name, BUDGET, low=0.0, high=1.0) for name in [*names, "barred"]}
    excluded = tuple((arm, "barred", "not here") for arm in arms)
    found = analyse(level_evidence(levels, places=places, excluded=excluded), resamples=20)
    console = Console(file=StringIO(), force_terminal=True, width=60 + 10 * seed)
    render(found, list(places), None, console)
    text = console.file.getvalue()
    for words in [*names, *(f"{arm} on barred is left out" for arm in arms)]:
        assert words in text
    for write in FORMATS.values():
        assert all(name in write(found, list(places), "final") for name in names)
    assert FORMATS["csv"](found, ["barred"], None).strip() == ""
    json.dumps(numbers(found), allow_nan=False)


def test_a_study_fixes_its_metric_and_loose_parts_do_not() -> None:
    evidence = level_evidence(CALM)
    assert judged_by(evidence, "final").study.metric == "area"
    loose = level_evidence(CALM, reference="")
    assert judged_by(loose, "final").study.metric == "final"
    assert judged_by(loose, None).study.metric == "area"


def test_sheets_hold_a_row_per_arm_in_the_order_of_the_study() -> None:
    found = analyse(level_evidence(LEVELS), resamples=50)
    figures, compared = sheets(found, "corridor")
    assert [r[0] for r in figures.rows] == ["plain", "fancy", "odd"]
    assert [r[0] for r in compared.rows] == ["fancy", "odd"]
    assert all(len(r) == len(figures.head) for r in figures.rows)


@pytest.fixture
def swept(tmp_path: Path) -> Path:
    """An output directory with a study of two arms and six seeds."""
    place = Place("corridor", "chain", BUDGET)
    write_study(tmp_path, level_study(CALM, places={"corridor": place}))
    rng = np.random.default_rng(0)
    for arm in CALM["corridor"]:
        write_part(tmp_path, arm, range(6), list(rng.normal(size=6)))
    return tmp_path


def test_the_command_prints_json_that_is_the_analysis(swept: Path, capsys) -> None:
    assert main(["compare", "lectures", "--output", str(swept), "--json", "--seed", "3"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["question"] == "Which is better?" and found["seed"] == 3
    expected = json.loads(json.dumps(numbers(analyse(gather(swept, "lectures"), seed=3))))
    assert {key: found[key] for key in expected} == expected
    assert found["headline"].startswith("On corridor, fancy")


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ([], "corridor, held against plain"),
        (["--against", "fancy"], "corridor, held against fancy"),
        (["--metric", "final"], "final: difference [95%]"),
        (["--environment", "corridor"], "corridor, over 1,000 decisions"),
        (["--environment", "chain"], "corridor, over 1,000 decisions"),  # as the study calls it
        (["--format", "markdown"], "| arm | n |"),
        (["--format", "latex"], r"\toprule"),
        (["--format", "csv"], "environment,arm,label,metric,n,finished"),
    ],
)
def test_the_command_takes_its_options(swept: Path, capsys, words: list[str], found: str) -> None:
    assert main(["compare", "lectures", "--output", str(swept), *words]) == 0
    assert found in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--against", "fanzy"], "--against=fanzy: did you mean 'fancy'?"),
        (["--metric", "aria"], "--metric=aria: did you mean 'area'?"),
        (["--environment", "corridr"], "--environment=corridr: did you mean 'corridor'?"),
        (["--format", "html"], "--format=html: choose one of: csv, latex, markdown"),
        (["--format", "csv", "--json"], "--format=csv: --json is a format of its own"),
        (["--seed", "-1"], "Invalid value for '--seed'"),
    ],
)
def test_mistakes_are_one_line(swept: Path, capsys, words: list[str], message: str) -> None:
    before = sorted(swept.rglob("*"))
    assert main(["compare", "lectures", "--output", str(swept), *words]) == 2
    said = capsys.readouterr()
    assert said.out == "" and message in said.err and said.err.count("\n") == 1
    assert sorted(swept.rglob("*")) == before
