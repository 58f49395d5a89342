"""``pgx wandb report`` with the real package: on paper, and saved to a stand-in server."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pgx.cli import main
from pgx.errors import ConfigError
from pgx.sharing.report import report
from pgx.study import Place, Study, write_study
from tests.support.studies import write_part
from tests.support.wandb_server import WandbServer, serving, variables

QUESTION = "Is <b>y</b> | `better` than $x$?"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A study of two arms, five seeds each; the second is 10 better, and has an odd label."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("WANDB_API_KEY", "WANDB_BASE_URL", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    output = tmp_path / "outputs"
    arms: dict[str, tuple[str, ...]] = {"x": (), "lr=0.1": ("optimizer.learning_rate=0.1",)}
    for level, arm in enumerate(arms):
        write_part(output, arm.replace("=", ""), range(5), [10.0 * level + s for s in range(5)])
    (output / "lectures/lr0.1").rename(output / "lectures/lr=0.1")
    study = Study(
        name="lectures",
        question=QUESTION,
        prediction="It is.",
        reference="x",
        metric="area",
        last=4,
        seeds=tuple(range(5)),
        places={"corridor": Place("corridor", "corridor", 1000)},
        arms=arms,
        labels={"lr=0.1": "<script>|y|</script>\n# [y](http://y)"},
    )
    write_study(output, study)
    return output


@pytest.fixture
def server(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WandbServer]:
    with serving() as one:
        for name, value in variables(one.url).items():
            monkeypatch.setenv(name, value)
        yield one


def written(root: Path, name: str = "spec.json", **options: Any) -> dict[str, Any]:
    made = report(root, "lectures", dry_run=root / name, **options)
    assert made == {"path": str(root / name)}
    found: dict[str, Any] = json.loads((root / name).read_text())
    return found


def texts(node: Any) -> list[str]:
    """Every text of a block, in order."""
    if isinstance(node, dict):
        return [node["text"]] if "text" in node else texts(list(node.values()))
    return [text for one in node for text in texts(one)] if isinstance(node, list) else []


def test_a_dry_run_says_everything_and_needs_no_account(root: Path) -> None:
    found = written(root, entity="team")
    assert (found["title"], found["description"]) == (f"lectures: {QUESTION}", QUESTION)
    blocks = found["spec"]["blocks"]
    said = [text for block in blocks if block["type"] != "panel-grid" for text in texts(block)]
    for heading in ("Verdict", "Question", "Prediction", "Learning curves", "Tables", "Methods"):
        assert heading in said
    assert {QUESTION, "It is."} <= set(said)
    assert said[said.index("Verdict") + 1].startswith("On corridor, <script>|y|</script>")
    tables = [block["content"] for block in blocks if block["type"] == "markdown-block"]
    assert len(tables) == 2
    row = next(line for line in tables[0].splitlines() if "script" in line)
    label = r"| &lt;script&gt;\|y\|&lt;/script&gt; \# \[y\]\(http:&#47;/y\) |"
    assert row.startswith(f"{label} 5 |")
    assert "<script>" not in "".join(tables)


def test_panels_are_over_a_run_set_per_arm_and_the_same_each_time(root: Path) -> None:
    found = written(root)
    assert written(root, "again.json") == found
    grid, figures = (block for block in found["spec"]["blocks"] if block["type"] == "panel-grid")
    sets = grid["metadata"]["runSets"]
    filters = [
        [(f["key"]["name"], f["op"], f["value"]) for f in s["filters"]["filters"]] for s in sets
    ]
    assert filters == [
        [("group", "=", "lectures/x"), ("jobType", "=", "train")],
        [("group", "=", "lectures/lr=0.1"), ("jobType", "=", "train")],
    ]
    assert [one["project"] for one in sets] == 2 * [{"entityName": "", "name": "pgx"}]
    assert [one["grouping"] for one in sets] == 2 * [[{"section": "run", "name": "group"}]]
    panels = grid["metadata"]["panelBankSectionConfig"]["panels"]
    curves = panels[0]["config"]
    assert (curves["xAxis"], curves["metrics"]) == ("decisions", ["recent_return"])
    assert (curves["groupBy"], curves["groupAgg"], curves["groupArea"]) == (
        "group",
        "mean",
        "stderr",
    )
    shown = [panel["config"]["metrics"][0] for panel in panels[1:]]
    assert [name.partition(".")[2] or name for name in shown] == ["area", "final"]
    (summary,) = figures["metadata"]["runSets"]
    wanted = [(f["key"]["name"], f["value"]) for f in summary["filters"]["filters"]]
    assert wanted == [("group", "lectures"), ("displayName", "x summary"), ("jobType", "summary")]
    (panel,) = figures["metadata"]["panelBankSectionConfig"]["panels"]
    assert panel["config"]["mediaKeys"] == ["curves-corridor", "differences-corridor"]


def test_evaluations_have_a_panel_of_their_own(root: Path) -> None:
    (root / "lectures/x/corridor/seeds-0-4/evaluations.parquet").touch()
    grid, _ = (b for b in written(root)["spec"]["blocks"] if b["type"] == "panel-grid")
    panels = grid["metadata"]["panelBankSectionConfig"]["panels"]
    assert panels[1]["config"]["metrics"] == ["evaluation"]


def test_a_report_is_made_once_and_then_brought_up_to_date(
    root: Path, server: WandbServer, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["wandb", "report", "lectures", "--output", str(root)]
    assert main(words) == 2
    assert "`pgx wandb push lectures` makes it" in capsys.readouterr().err
    server.more.projects.add("pgx")
    assert main(words) == 0
    (view,) = server.more.views.values()
    link = f"{server.url}/someone/pgx/reports/lectures-Is-b-y-b-better-than-x--{view.id}"
    said, note = capsys.readouterr().out.splitlines()
    assert said == link
    assert note.startswith("note: `pgx wandb push lectures` has sent nothing there yet")
    assert (view.title, view.saves) == (f"lectures: {QUESTION}", 1)
    grid = next(block for block in view.spec["blocks"] if block["type"] == "panel-grid")
    assert grid["metadata"]["runSets"][0]["project"] == {
        "entityName": "someone",
        "name": "pgx",
        "id": "7",
    }

    assert main([*words, "--share", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    share = f"{link}?accessToken=token0"
    expected = {"study": "lectures", "url": link, "new": False, "pushed": False}
    assert made == {**expected, "share_url": share}
    assert [(one.saves, one.tokens) for one in server.more.views.values()] == [(2, ["token0"])]

    server.more.views.clear()  # someone deleted it there
    assert main(words) == 0
    assert [one.saves for one in server.more.views.values()] == [1]


def test_without_an_account_only_a_dry_run(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["wandb", "report", "lectures", "--output", str(root)]
    assert main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: pgx wandb report: nobody is logged in here")
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")  # where nothing listens
    assert main(words) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("failed: nothing answers at http://127.0.0.1:9")


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"project": "a/b"}, "--project=a/b: give a name of W&B"),
        ({"against": "z"}, "--against=z"),
        ({"dry_run": Path("/nowhere/at/all.json")}, "there is no folder /nowhere/at"),
        ({"dry_run": Path("spec.json"), "share": True}, "drop --share"),
    ],
)
def test_mistakes_are_told_before_anything_is_begun(
    root: Path, options: dict[str, Any], line: str
) -> None:
    with pytest.raises(ConfigError, match=line):
        report(root, "lectures", **options)
    assert not (root / "lectures/.wandb").exists()


def test_the_extra_is_asked_for(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'pgx-lab\[workspaces\]'"):
        report(root, "lectures")
