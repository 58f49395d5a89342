"""What summary runs say, and when they are sent anew."""

from __future__ import annotations

from typing import Any

from pgx.analysis.analyse import analyse
from pgx.sharing.summary_runs import summary_runs
from tests.support.studies import level_evidence

LEVELS = {
    "p": {"x": [1.0, 2.0, 3.0, 4.0], "y": [5.0, 6.0, 7.0, 9.0]},
    "q": {"x": [1.0, 2.0, 3.0, 4.0], "y": [0.0, "diverged", 1.0, 2.0]},
}


def made(levels: Any = LEVELS, images: dict[str, str] | None = None, **changes: Any) -> Any:
    analysis = analyse(level_evidence(levels, **changes), resamples=50)
    return summary_runs(analysis, "y is better", images or {})


def test_a_run_per_arm_with_its_rows() -> None:
    x, y = made(images={"curves-p": "curves-p.png"}, labels={"y": "Why"})
    assert [one["group"] for one in (x, y)] == ["lectures", "lectures"]
    assert x["id"] != y["id"]
    table = [dict(zip(y["columns"], row, strict=True)) for row in y["rows"]]
    assert [(row["environment"], row["metric"]) for row in table] == [
        *(("p", "area"), ("q", "area"), ("p", "final"), ("q", "final"))
    ]
    assert {row["arm"] for row in table} == {"y"}
    assert table[0]["difference"] == 4.25
    assert table[1]["diverged"] == 1
    assert [dict(zip(x["columns"], row, strict=True))["difference"] for row in x["rows"]] == 4 * [
        None
    ]
    assert y["summary"]["p/area/difference"] == 4.25
    assert "p/area/difference" not in x["summary"]
    assert y["summary"]["headline"] == "y is better"
    assert (y["config"]["reference"], y["config"]["label"]) == ("x", "Why")
    assert y["images"] == {"curves-p": "curves-p.png"}


def test_the_digest_tells_whether_something_changed() -> None:
    before, again = made(), made()
    assert before == again
    more = {"p": {**LEVELS["p"], "y": [5.0, 6.0, 7.0, 9.5]}, "q": LEVELS["q"]}
    assert [one["digest"] for one in made(more)] != [one["digest"] for one in before]
    assert [one["id"] for one in made(more)] == [one["id"] for one in before]
    asked = made(question="Which is worse?")
    assert all(one["digest"] != two["digest"] for one, two in zip(asked, before, strict=True))
