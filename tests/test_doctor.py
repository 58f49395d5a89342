"""`pgx doctor`: what is missing, what is known bad, and what leaves no trace."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from pgx import doctor
from pgx.doctor import Finding

ROOT = Path(__file__).resolve().parents[1]


def install(monkeypatch: pytest.MonkeyPatch, **versions: str) -> None:
    """Let exactly these distributions be installed; underscores stand for hyphens."""
    known = {name.replace("_", "-"): version for name, version in versions.items()}
    monkeypatch.setattr(doctor, "_version", known.get)


def test_requirements_are_compared_with_what_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, numpy="2.1.0", torch="2.5.1", wandb="0.31.0")
    declared = [
        "submitit>=1; extra == 'slurm'",
        "numpy",
        "torch>=2.6",
        "gymnasium>=1.4",
        "wandb>=0.31",
        "pgx-lab[bench]; extra == 'dev'",
    ]
    assert list(doctor.requirements(declared)) == [
        Finding("numpy", "ok", "2.1.0"),
        Finding("torch", "bad", "2.5.1 installed: pip install 'torch>=2.6'"),
        Finding("gymnasium", "bad", "not installed: pip install 'gymnasium>=1.4'"),
        Finding("wandb", "ok", "0.31.0"),
        Finding("submitit", "missing", "optional: pip install 'pgx-lab[slurm]'"),
    ]


def test_a_local_build_of_torch_fits_its_requirement(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, torch="2.13.0+cpu")
    assert list(doctor.requirements(["torch>=2.6"])) == [Finding("torch", "ok", "2.13.0+cpu")]


def test_a_checkout_that_is_not_installed_is_said_to_be_one() -> None:
    (finding,) = doctor.requirements(None)
    assert finding.status == "missing"
    assert "pip install -e ." in finding.detail


@pytest.mark.parametrize(
    ("version", "names"), [("2.6.2", ["pytorch-lightning"]), ("2.6.3", ["pytorch-lightning"])]
)
def test_compromised_releases_are_bad(
    version: str, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, pytorch_lightning=version)
    found = list(doctor.compromised())
    assert [(finding.name, finding.status) for finding in found] == [(n, "bad") for n in names]
    install(monkeypatch, pytorch_lightning="2.6.6")
    assert list(doctor.compromised()) == []


def test_the_board_game_suite_is_bad_wherever_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, pgx="2.6.0")
    (finding,) = doctor.clashes()
    assert finding.status == "bad"
    assert "pip uninstall pgx" in finding.detail
    install(monkeypatch)
    (finding,) = doctor.clashes()
    assert finding.status == "ok"


def test_an_output_folder_is_probed_without_a_trace(tmp_path: Path) -> None:
    assert doctor.writable(tmp_path / "new" / "runs").status == "ok"
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    finding = doctor.writable(tmp_path / "file" / "runs")
    assert finding.status == "bad"
    assert "output=DIR" in finding.detail


def test_the_allocator_is_usable_where_glibc_is() -> None:
    expected = "ok" if os.confstr_names.get("CS_GNU_LIBC_VERSION") else "note"
    assert doctor.allocator().status == expected


def test_the_command_prints_json_and_its_status_says_whether_something_is_bad(
    tmp_path: Path,
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pgx_lab", "doctor", "--json"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    findings = {row["name"]: row for row in json.loads(done.stdout)}
    assert {"python", "pgx", "threads", "cuda", "allocator", "configs", "output"} <= set(findings)
    bad = [name for name, row in findings.items() if row["status"] == "bad"]
    assert done.returncode == int(bool(bad)), done.stderr
    assert list(tmp_path.iterdir()) == []


def test_known_requirements_are_read_from_the_installed_metadata() -> None:
    assert doctor._version("numpy") == metadata.version("numpy")
    assert doctor._version("a-package-that-does-not-exist") is None
