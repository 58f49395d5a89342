"""``--anonymous``: nothing written says who made the runs, on which machine, and where."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from pgx.analysis.analyse import analyse
from pgx.analysis.model import Evidence
from pgx.errors import ConfigError
from pgx.report.anonymous import scrubbed
from pgx.report.page import page
from pgx.report.shown import shown
from pgx.report.verify import verify
from pgx.report.write import write_report
from tests.report.fabricated import evidence, lost, part

USER, HOST, REMOTE = "mallory-k", "gpu-17.dept.example.edu", "git@git.example.edu:quux/pgx.git"


@pytest.fixture
def someone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user with a name, a home and a checkout of their own; the output directory."""
    home = tmp_path / "people" / USER
    work = home / "work"
    work.mkdir(parents=True)
    for words in (
        ("init", "-q"),
        ("config", "user.name", "Mallory Kestrel"),
        ("config", "user.email", "mk@example.edu"),
        ("remote", "add", "origin", REMOTE),
    ):
        subprocess.run(["git", *words], cwd=work, check=True)
    monkeypatch.chdir(work)
    monkeypatch.setenv("HOME", str(home))
    for name in ("LOGNAME", "USER"):
        monkeypatch.setenv(name, USER)
    monkeypatch.setattr("socket.gethostname", lambda: HOST)
    return work / "outputs"


def told(output: Path) -> Evidence:
    """Evidence that says who, where and with what in every text that it holds."""
    says = (
        f"{USER} ({USER.upper()}) on {HOST}: {output}/x and ~/runs/1, /scratch/{USER}/a.yaml:3, "
        f"C:\\Users\\{USER}\\pgx, {REMOTE}, https://git.example.edu/quux/pgx, Mallory Kestrel "
        "<mk@example.edu>, gpu-17 of quux, /home/oscar/thesis"
    )
    gone = ("gae", "cartpole-v1", 1)
    made = evidence(
        ("total_return", "gae"),
        3,
        ("cartpole-v1",),
        {gone: lost(*gone, "failed", says)},
        notes=(says, "oscar was told"),
        question=f"Which is better? asks {USER}",
        prediction=f"GAE, says {USER} of {HOST}",
        labels={"gae": f"GAE by {USER}"},
    )
    other = f"/home/{USER}/pgx"
    parts = tuple(
        part(
            made.study,
            arm,
            "cartpole-v1",
            git={"root": other, "commit": "c0ffee" * 7, "dirty": True, "remote": REMOTE},
            command=[f"{other}/.venv/bin/pgx", "train", f"output={output}", f"note={says}"],
            host=HOST,
            diff=says,
        )
        for arm in made.study.arms
    )
    configs = {
        arm: {"cartpole-v1": {"policy.path": f"{output}/policy.pt", "note": says, says: 1}}
        for arm in made.study.arms
    }
    arms = dict.fromkeys(made.study.arms, (f"note={says}",))
    return Evidence(replace(made.study, arms=arms), made.runs, parts, configs, made.notes)


def secrets(output: Path) -> set[str]:
    words = {USER, HOST, "gpu-17", "Mallory", "Kestrel", "mk@", "example.edu", "quux", "oscar"}
    return words | {"c0ffee", "scratch", "/home/", "C:\\", "~/", str(output), str(Path.home())}


def test_nothing_written_says_who_or_where(someone: Path, tmp_path: Path) -> None:
    made = told(someone)
    plain = page(made, analyse(made, resamples=10), "")
    for word in secrets(someone) - {"c0ffee"}:
        assert word.lower() in plain.lower(), f"{word} is nowhere: this test would say nothing"
    write_report(scrubbed(made, someone), tmp_path / "sent", resamples=20)
    for path in (tmp_path / "sent").rglob("*"):
        content = path.read_bytes().lower() if path.is_file() else b""
        if path.name == "report.html":  # the charting library is not about anyone
            content = content.replace(shown(content.decode()).scripts[0].encode(), b"")
            assert b"vega-embed" in content
        text = path.suffix not in (".png", ".pdf", ".parquet")  # in these, two bytes mean nothing
        words = {word for word in secrets(someone) if text or len(word) > 5}
        found = {word for word in words if word.lower().encode() in content}
        assert found == set(), path
    assert verify(tmp_path / "sent").differences == []


def test_what_is_not_about_anyone_is_kept(someone: Path) -> None:
    made = told(someone)
    clean = scrubbed(made, someone)
    assert clean.study.question == "Which is better? asks <user>"
    assert clean.parts[0]["git"] == {"commit": "withheld", "dirty": True}
    assert clean.parts[0]["command"][:3] == ["pgx", "train", "output=<path>"]
    for name in ("config_hash", "started", "versions", "hardware", "seeds"):
        assert clean.parts[0][name] == made.parts[0][name]
    assert clean.notes[1] == "<user> was told"
    for one, other in zip(made.runs, clean.runs, strict=True):
        assert replace(one, reason=None) is not other
        assert (one.arm, one.seed, one.status) == (other.arm, other.seed, other.status)
        assert one.returns is other.returns
    harmless = "γ and/or λ at 1/2, n/a; p<.05/7 @5% a=b/c estimator@other, 10:30, 3/4/2026"
    kept = scrubbed(replace(made, notes=(harmless,)), someone)
    assert kept.notes == (harmless,)


def test_a_scrubbed_prediction_has_not_changed(someone: Path) -> None:
    clean = scrubbed(told(someone), someone)
    assert clean.study.prediction == "GAE, says <user> of <host>"
    assert not [line for line in analyse(clean, resamples=10).changed if "prediction" in line]
    other = [{**one, "prediction_sha256": "0" * 64} for one in told(someone).parts]
    late = scrubbed(replace(told(someone), parts=tuple(other)), someone)
    assert "changed after runs" in analyse(late, resamples=10).changed[0]


def test_a_name_that_says_who_is_refused(someone: Path) -> None:
    made = evidence(("total_return", f"{USER}_trick"), 2)
    with pytest.raises(ConfigError, match=r"the name mallory-k_trick says who or where; rename"):
        scrubbed(made, someone)
