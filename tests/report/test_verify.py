"""``pgx verify``: an untouched report passes anywhere; whatever is changed in one is found."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from pgx.cli import main
from pgx.errors import ConfigError
from pgx.report.verify import verify
from tests.conftest import ROOT


def test_it_verifies_wherever_it_lies(report: Path, copied: Path) -> None:
    for place in (report, copied, copied / "report.html", copied / "runs.json"):
        found = verify(place)
        assert found.differences == []
        assert (found.runs, found.episodes, found.files) == (2 * 3 * 6, 2 * 3 * 6 * 40, 9 + 18)
        assert found.numbers > 10_000
        assert found.texts > 200


def test_a_change_of_rounding_is_none(copied: Path) -> None:
    path = copied / "numbers.json"
    fields = json.loads(path.read_text())
    first = fields["environments"]["cartpole-v1"]["metrics"]["area"]["summaries"]["gae"]["iqm"]
    first["estimate"] *= 1 + 1e-13
    path.write_text(json.dumps(fields))
    assert verify(copied).differences == []
    first["estimate"] *= 1 + 1e-7
    path.write_text(json.dumps(fields))
    (found,) = verify(copied).differences
    assert found.where.endswith("cartpole-v1, metrics, area, summaries, gae, iqm, estimate")


def test_rounding_of_a_csv_is_none(copied: Path) -> None:
    path = copied / "tables" / "figures.csv"
    before = path.read_text()
    number = re.search(r"GAE,area,([\d.]+)", before)
    assert number is not None
    path.write_text(before.replace(number[1], repr(float(number[1]) * (1 + 1e-13))))
    assert path.read_text() != before
    assert verify(copied).differences == []


def in_page(pattern: str, instead: str, count: int = 1) -> Callable[[Path], None]:
    def tamper(directory: Path) -> None:
        path = directory / "report.html"
        before = path.read_text(encoding="utf-8")
        after = re.sub(pattern, instead, before, count=count)
        assert after != before
        path.write_text(after, encoding="utf-8")

    return tamper


def in_file(name: str, pattern: str, instead: str) -> Callable[[Path], None]:
    def tamper(directory: Path) -> None:
        path = directory / name
        before = path.read_text(encoding="utf-8")
        after = re.sub(pattern, instead, before, count=1)
        assert after != before
        path.write_text(after, encoding="utf-8")

    return tamper


def in_rows(change: pl.Expr) -> Callable[[Path], None]:
    def tamper(directory: Path) -> None:
        path = directory / "episodes.parquet"
        before = pl.read_parquet(path)
        after = before.with_columns(change)
        assert not after.equals(before)
        after.write_parquet(path)

    return tamper


def one(column: str, instead: pl.Expr) -> pl.Expr:
    """Another value in the row of one episode."""
    row = (pl.col("arm").cast(pl.String) == "gae") & (pl.col("seed") == 4)
    row &= (pl.col("environment").cast(pl.String) == "cartpole-v1") & (pl.col("episode") == 17)
    return pl.when(row).then(instead).otherwise(pl.col(column)).alias(column)


ROW = r'(id="figures-cartpole-v1".*?<th scope="row">GAE.*?<td>6</td><td>)[\d.]+'

TAMPERED = {
    "a cell's figure": (in_page(ROW, r"\g<1>999.9"), "figures-cartpole-v1, GAE gae, area, IQM"),
    "a cell's interval": (in_page(r"<small>\[\+\d", "<small>[−9"), "comparisons-cartpole-v1"),
    "a cell's n": (in_page(r"n = 6</small>", "n = 60</small>"), "figures-cartpole-v1"),
    "the verdict": (in_page("undecided at 6 runs", "better"), "report.html, head"),
    "a caption's n": (in_page("n\u00a0=\u00a06", "n\u00a0=\u00a020"), "curves, figcaption"),
    "a number held as JSON": (
        in_page(r'(id="numbers">.*?"estimate":)[\d.]+', r"\g<1>1.5"),
        "report.html, numbers, environments, cartpole-v1",
    ),
    "a chart's point": (
        in_page(r'(id="charts">.*?"rows":\[\[0,\d+,)[\d.]+', r"\g<1>77"),
        "report.html, charts, data, curves-cartpole-v1, rows[0][2]",
    ),
    "a chart's scale": (
        in_page(r'("scale":\{"domain":\[)[\d.-]+', r"\g<1>-5"),
        "report.html, charts, charts",
    ),
    "a row left out": (
        in_page(r'<tr><th scope="row">GAE.*?</tr>', ""),
        "figures-cartpole-v1, GAE gae",
    ),
    "a chart below another's title": (
        in_page('data-chart="curves-cartpole-v1"', 'data-chart="curves-acrobot-v1"'),
        "report.html, elements",
    ),
    "a script": (in_page("</body>", "<script>alert(1)</script></body>"), "report.html, script"),
    "the style": (in_page("<style>", "<style>tr:nth-child(2){display:none}"), "html, style"),
    "a hidden row": (in_page("<tr><th", '<tr style="display:none"><th'), "<tr style="),
    "the prediction": (in_page("GAE better still", "GAE is worse"), "report.html, head, p"),
    "numbers.json": (
        in_file("numbers.json", r'"p_adjusted": [\d.]+', '"p_adjusted": 0.001'),
        "numbers.json, environments, cartpole-v1, metrics, area, comparisons",
    ),
    "a table's CSV": (
        in_file("tables/comparisons.csv", "undecided", "better"),
        'tables/comparisons.csv, line 2, verdict: shown "better", recomputed "undecided"',
    ),
    "a CSV's number": (
        in_file("tables/figures.csv", r"(gae,GAE,area,\d+)\.\d", r"\1.99"),
        "tables/figures.csv, line 4, iqm: shown ",
    ),
    "a figure": (
        in_file("figures/curves-cartpole-v1.svg", ">400<", ">900<"),
        "figures/curves-cartpole-v1.svg: shown another figure",
    ),
    "a CSV's row": (in_file("tables/runs.csv", "cartpole-v1,gae.*\n", ""), "runs.csv, line 4"),
    "a CSV's head": (in_file("tables/runs.csv", "failed", "lost"), "runs.csv, line 1"),
    "a table's LaTeX": (
        in_file("tables/figures-acrobot-v1.tex", r"n = 6", "n = 9"),
        "tables/figures-acrobot-v1.tex, line",
    ),
    "an episode's return": (
        in_rows(one("return_raw", pl.col("return_raw") + 1)),
        "gae on cartpole-v1, seed 4: an episode is not the one",
    ),
    "an episode's place": (
        in_rows(one("decisions", pl.col("decisions") + 1)),
        "gae on cartpole-v1, seed 4: an episode is not the one",
    ),
    "episodes out of order": (
        in_rows(one("decisions", pl.lit(0))),
        "gae on cartpole-v1, seed 4: an episode is not the one",
    ),
    "an episode of another run": (
        in_rows(one("seed", pl.lit(5))),
        "gae on cartpole-v1, seed 4: 39 episodes, 40 were shipped",
    ),
    "an episode of a run that is not listed": (
        in_rows(one("seed", pl.lit(77))),
        "seed 77: episodes of a run that is not listed",
    ),
    "a run's status": (in_file("runs.json", '"finished"', '"failed"'), "report.html, head"),
    "the metric": (in_file("study.json", '"metric": "area"', '"metric": "final"'), "metric"),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_what_was_tampered_with_is_found(copied: Path, name: str) -> None:
    tamper, where = TAMPERED[name]
    tamper(copied)
    found = verify(copied)
    assert any(where in str(difference) for difference in found.differences), found.lines()


def test_the_command_lists_differences_and_exits_1(
    copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", str(copied)]) == 0
    assert "from 1,440 episodes of 36 runs" in capsys.readouterr().out
    TAMPERED["a cell's figure"][0](copied)
    assert main(["verify", str(copied)]) == 1
    out = capsys.readouterr().out
    assert re.search(r"GAE gae, area, IQM: shown 999\.9 .*, recomputed \d", out)
    assert main(["verify", str(copied), "--json"]) == 1
    (found,) = json.loads(capsys.readouterr().out)["differences"]
    assert found["shown"].startswith("999.9")


@pytest.mark.parametrize(
    "name",
    ["figures/curves-cartpole-v1.pdf", "tables/runs.csv"],
)
def test_a_missing_file_of_a_report_is_named(copied: Path, name: str) -> None:
    (copied / name).unlink()
    with pytest.raises(ConfigError, match=f"{name}: is missing"):
        verify(copied)


@pytest.mark.parametrize(
    "name",
    ["report.html", "numbers.json", "runs.json", "study.json", "episodes.parquet", "drawn.json"],
)
def test_what_is_damaged_or_missing_is_one_line(
    copied: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for damage in (lambda path: path.write_bytes(b"\xff{"), Path.unlink):
        damage(copied / name)
        assert main(["verify", str(copied)]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("error: ")
        assert name in line


def test_files_that_do_not_fit_each_other_are_one_line(copied: Path) -> None:
    path = copied / "study.json"
    fields = json.loads(path.read_text())
    del fields["places"]["acrobot-v1"]
    path.write_text(json.dumps(fields))
    with pytest.raises(ConfigError, match="do not fit each other"):
        verify(copied)
    with pytest.raises(ConfigError, match="there is no such report"):
        verify(copied / "elsewhere")


def test_a_hostile_report_cannot_take_over_the_terminal_or_the_machine(
    copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    in_page("undecided at 6 runs", "\x1b[2J\u202eretteb")(copied)
    assert main(["verify", str(copied)]) == 1
    assert "shown On cartpole-v1" in (said := capsys.readouterr().out)
    assert not {"\x1b", "\u202e"} & set(said)
    in_file("runs.json", '"resamples": 200', '"resamples": 1000000000000')(copied)
    assert main(["verify", str(copied)]) == 2
    assert "resamples=1000000000000: choose a whole number" in capsys.readouterr().err


def test_another_version_of_pgx_is_named(copied: Path) -> None:
    in_file("runs.json", r'"made_by": "[^"]+"', '"made_by": "pgx 0.0.1"')(copied)
    TAMPERED["the verdict"][0](copied)
    assert "it was made by pgx 0.0.1, and this is pgx " in verify(copied).lines()[-1]


COMMITTED = sorted((ROOT / "experiments").glob("*/report"))


@pytest.mark.parametrize("committed", COMMITTED, ids=lambda path: path.parent.name)
def test_every_committed_report_verifies(committed: Path) -> None:
    found = verify(committed)
    assert found.differences == [], "\n".join(found.lines())
    assert found.episodes > 0
