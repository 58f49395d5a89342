"""The tables: cells by hand, records unrounded, and text that stays text in CSV and LaTeX."""

from __future__ import annotations

import csv
import io
import math

import pytest

from pgx.analysis.analyse import analyse
from pgx.report.markup import visible
from pgx.report.spelling import bounds, comma, latex, number, value_text
from pgx.report.tables import as_csv, as_latex, records, tables
from pgx.stats.bootstrap import Interval
from tests.report.fabricated import evidence
from tests.support.studies import level_evidence

LEVELS = {
    "a": [10.0, 20.0, 30.0, 40.0, 50.0, 60.0],
    "b": [110.0, 120.0, 130.0, 140.0, 150.0, "missing"],
    "c": [5.0, "diverged", 15.0, 25.0, 35.0, "failed"],
}
HAND = analyse(level_evidence({"here": LEVELS}, labels={"b": "the b"}), resamples=500)


def cells(slug: str) -> dict[str, list[tuple[str, str]]]:
    (found,) = (table for table in tables(HAND) if table.slug == slug)
    assert all(len(row) == len(found.head) for row in found.rows)
    return {row[0].main: [(cell.main, cell.small) for cell in row] for row in found.rows}


def test_figures_by_hand() -> None:
    found = cells("figures-here")
    assert found["a"][0] == ("a", "reference")
    assert found["the b"][0] == ("the b", "b")
    assert [row[1] for row in found.values()] == [
        ("6", ""),
        ("5", "1 missing"),
        ("5", "1 diverged, 1 failed"),
    ]
    assert [cell[0] for cell in found["a"][2:]] == ["35.0", "35.0", "35.0", "35.0"]
    assert [cell[0] for cell in found["c"][2:]] == [
        "15.0",
        "16.0",
        "15.0",
        "15.0",
    ]  # of 5, 0, 15, 25, 35: the diverged run had 0 when it stopped
    for row in found.values():
        for _, small in row[2:]:
            assert small.endswith(f", n = {row[1][0]}")


def test_comparisons_by_hand() -> None:
    found = cells("comparisons-here")
    assert set(found) == {"the b", "c"}
    pairs, difference, improvement, p, verdict = found["the b"][1:6]
    assert pairs == ("5", "without seed 5")
    assert difference == ("+100.0", "[+100.0, +100.0], n = 5")
    assert improvement == ("1.00", "[1.00, 1.00], n = 5")
    assert p == (".125", ".0625 alone")
    assert verdict[0] == "undecided at 5 runs"
    assert "5 runs can never decide" in verdict[1]
    assert found["c"][2][0] == "−14.0"


def test_records_are_unrounded_and_hold_every_metric() -> None:
    made = records(HAND)
    assert made.keys() == {"figures", "comparisons", "runs"}
    assert {(row["metric"], row["arm"]) for row in made["figures"]} == {
        (metric, arm) for metric in ("area", "final") for arm in "abc"
    }
    read = list(csv.DictReader(io.StringIO(as_csv(made["comparisons"]))))
    assert len(read) == 4
    for row, told in zip(made["comparisons"], read, strict=True):
        assert float(told["difference_low"]) == row["difference_low"]
        assert (told["verdict"] == "") == (row["metric"] == "final")
    assert made["runs"][2] == {
        "environment": "here",
        "arm": "c",
        "finished": 4,
        "diverged": 1,
        "failed": 1,
        "interrupted": 0,
        "running": 0,
        "missing": 0,
    }


def test_an_aggregate_only_where_there_is_one() -> None:
    both = analyse(evidence(seeds=2), resamples=20)
    assert [table.slug for table in tables(both)][-1] == "aggregates"
    one = analyse(evidence(seeds=2, places=("cartpole-v1",)), resamples=20)
    assert [t.slug for t in tables(one)] == ["figures-cartpole-v1", "comparisons-cartpole-v1"]


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r"])
def test_no_text_of_a_csv_is_a_formula(sign: str) -> None:
    label = f'{sign}HYPERLINK("x")'
    made = analyse(evidence(seeds=2, labels={"gae": label}), resamples=20)
    read = list(csv.DictReader(io.StringIO(as_csv(records(made)["figures"]), newline="")))
    assert {row["label"] for row in read if row["arm"] == "gae"} == {f"'{visible(label)}"}
    assert (comma(-1.5), comma(-3), comma(math.nan), comma(None)) == (-1.5, -3, "", "")


def test_no_text_of_latex_is_a_command() -> None:
    hostile = r"\input{/etc/passwd} % $x_1^2$ & ~#{} <|> [1] →"
    made = analyse(evidence(("total_return", "gae"), 2, labels={"gae": hostile}), resamples=20)
    (table, *_) = tables(made)
    text = as_latex(table)
    assert (
        r"\textbackslash{}input\{/etc/passwd\} \% \$x\_1\textasciicircum{}2\$ \& \textasciitilde"
        in text
    )
    assert "\\input" not in text
    lines = text.splitlines()
    rows = lines[lines.index(r"\midrule") + 1 : lines.index(r"\bottomrule")]
    assert len(rows) == 2
    assert all(row.endswith(r"\\") for row in rows)
    assert latex("a\n\nb") == "a b"


def test_no_text_of_a_file_steers_a_terminal() -> None:
    label = "\x1b[2Jred\x9b\u202e"
    made = analyse(evidence(("total_return", "gae"), 2, labels={"gae": label}), resamples=20)
    for text in (as_latex(tables(made)[0]), as_csv(records(made)["figures"])):
        assert "\ufffd[2Jred\ufffd\ufffd" in text
        assert not {"\x1b", "\x9b", "\u202e"} & set(text)


def test_an_arm_whose_runs_all_diverged_has_figures_and_no_intervals() -> None:
    levels = {"a": [40.0, 41.0], "frozen": ["diverged"] * 2, "c": [39.0, "diverged"]}
    made = {table.slug: table for table in tables(analyse(level_evidence({"here": levels})))}
    frozen, other = made["figures-here"].rows[1:]
    assert (frozen[1].main, frozen[1].small) == ("2", "all diverged")
    assert (frozen[2].main, frozen[2].small) == ("0.0", "n = 2")
    assert other[1].small == "1 diverged" and "[" in other[2].small
    verdict = made["comparisons-here"].rows[0]
    assert verdict[2].small == verdict[3].small == "n = 2"
    assert verdict[5].small.startswith("all its runs diverged; with 2 pairs")


def test_a_row_of_latex_does_not_begin_with_an_option() -> None:
    made = analyse(evidence(("total_return", "gae"), 2, labels={"gae": "[1em]"}), resamples=20)
    rows = as_latex(tables(made)[0]).splitlines()
    assert any(row.startswith("{}[1em] ") for row in rows)


def test_numbers_as_people_write_them() -> None:
    assert number(-1234.56, 1) == "−1,234.6"
    assert number(1.0, 2, signed=True) == "+1.00"
    assert number(-0.004, 2) == "0.00"
    assert number(math.nan, 2) == number(None, 2) == "–"
    assert bounds(Interval(1.0, -2.0, 3.5, 4), 1) == "[−2.0, 3.5]"
    assert bounds(Interval(1.0, math.nan, math.nan, 1), 1) == ""
    spelt = [value_text(value) for value in (None, True, [1, "é"], 0.003, "relu", 1e-8)]
    assert spelt == ["null", "true", '[1, "é"]', "0.003", "relu", "1e-08"]
