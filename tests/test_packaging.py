"""A wheel, an editable install and a checkout, made for real and used from an empty folder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ("pgx", "conf", "hydra_plugins", "pgx_lab.py", "pyproject.toml", "README.md", "LICENSE")


class Installed(NamedTuple):
    """A virtual environment with pgx-lab in it, and nothing of the checkout on its path."""

    prefix: Path
    configs: Path  #: where its configs must be found

    @property
    def site(self) -> Path:
        return next((self.prefix / "lib").glob("python*/site-packages"))

    def run(
        self, *command: str, folder: Path, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return run([str(self.prefix / "bin" / command[0]), *command[1:]], folder, **environment)


def run(command: list[str], folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run ``command`` in ``folder``, with nothing of the caller's import path."""
    inherited = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PGX_TRACEBACK")}
    return subprocess.run(
        command,
        cwd=folder,
        env={**inherited, "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def pip(folder: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    done = run(command, folder)
    assert done.returncode == 0, done.stdout + done.stderr


def environment(prefix: Path) -> str:
    """A fresh virtual environment that sees the installed dependencies; its interpreter.

    The tests' own packages are added as a directory, so that their .pth files, among them the one
    of an editable pgx-lab, are not read.
    """
    venv.create(prefix, with_pip=False)
    site = next((prefix / "lib").glob("python*/site-packages"))
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return str(prefix / "bin" / "python")


INSTALL = ("install", "--no-index", "--no-deps", "--ignore-installed", "--no-build-isolation")


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what is built, so that building leaves nothing in the checkout."""
    folder = tmp_path_factory.mktemp("sources")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(
                ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__")
            )
        else:
            shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="session")
def wheel(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip(folder, "wheel", "--no-index", "--no-deps", "--no-build-isolation", str(sources))
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="session")
def from_wheel(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    prefix = tmp_path_factory.mktemp("from_wheel") / "venv"
    pip(wheel.parent, "--python", environment(prefix), *INSTALL, str(wheel))
    site = Installed(prefix, Path()).site
    return Installed(prefix, site / "pgx" / "conf")


@pytest.fixture(scope="session")
def editable(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    prefix = tmp_path_factory.mktemp("editable") / "venv"
    pip(sources, "--python", environment(prefix), *INSTALL, "--editable", str(sources))
    return Installed(prefix, sources / "conf")


FIND = "import pgx.paths, pgx; print(pgx.paths.config_directory())"


@pytest.mark.parametrize("kind", ["from_wheel", "editable"])
def test_an_install_works_in_an_empty_folder(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    installed: Installed = request.getfixturevalue(kind)
    found = installed.run("python", "-c", FIND, folder=tmp_path)
    assert found.stdout.strip() == str(installed.configs), found.stderr
    helped = installed.run("pgx", "--help", folder=tmp_path)
    assert helped.returncode == 0
    assert "train" in helped.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_checkout_works_from_an_empty_folder(tmp_path: Path) -> None:
    found = run([sys.executable, "-c", FIND], tmp_path, PYTHONPATH=str(ROOT))
    assert found.stdout.strip() == str(ROOT / "conf"), found.stderr
    command = [sys.executable, "-m", "pgx_lab", "--help"]
    assert run(command, tmp_path, PYTHONPATH=str(ROOT)).returncode == 0


def test_the_wheel_carries_every_config_and_nothing_else_at_the_top(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == {"pgx", "pgx_lab.py", "hydra_plugins"}
    assert [n for n in names if n.startswith("hydra_plugins/")] == [
        "hydra_plugins/pgx_arms/__init__.py"  # no __init__.py above it: other plugins live there
    ]
    configs = {str(path.relative_to(ROOT)) for path in (ROOT / "conf").rglob("*.yaml")}
    assert {name.removeprefix("pgx/") for name in names if name.startswith("pgx/conf/")} == configs


PLUGINS = """
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
found = [*Plugins.instance().discover(Sweeper), *Plugins.instance().discover(Launcher)]
print(*(f"{one.__module__}.{one.__name__}" for one in found))
import sys
print(*sorted({"torch", "numpy", "polars", "rich"} & set(sys.modules)))
"""


@pytest.mark.parametrize("kind", ["from_wheel", "editable", "checkout"])
def test_hydra_finds_the_plugins_and_they_import_nothing_heavy(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    if kind == "checkout":
        done = run([sys.executable, "-c", PLUGINS], tmp_path, PYTHONPATH=str(ROOT))
    else:
        installed: Installed = request.getfixturevalue(kind)
        done = installed.run("python", "-c", PLUGINS, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    found, heavy = done.stdout.split("\n")[:2]
    own = {"hydra_plugins.pgx_arms.ArmsSweeper", "hydra_plugins.pgx_arms.LocalLauncher"}
    assert own <= set(found.split())
    assert heavy == ""
    assert done.stderr == ""


def test_the_table_of_the_published_scores_needs_no_checkout(
    from_wheel: Installed, tmp_path: Path
) -> None:
    done = from_wheel.run("pgx", "table", "atari", "--json", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["rows"]) == 8
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["from_wheel", "editable"])
def test_nothing_named_conf_lands_in_site_packages(
    kind: str, request: pytest.FixtureRequest
) -> None:
    installed: Installed = request.getfixturevalue(kind)
    names = {path.name for path in installed.site.iterdir()}
    assert any(name.startswith("pgx_lab-") for name in names)
    assert "conf" not in names


def test_train_runs_from_the_wheel_in_an_empty_folder(
    from_wheel: Installed, tmp_path: Path
) -> None:
    words = ("train", "experiment=a2c", "arm=a2c", "seeds=2", "decisions=2000")
    done = from_wheel.run("pgx", *words, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    part = tmp_path / "outputs" / "adhoc" / "a2c" / "cartpole-v1" / "seeds-0-1"
    manifest = json.loads((part / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["status"] == "finished"


@pytest.fixture
def flat(tmp_path: Path) -> Path:
    """A folder with pgx_lab.py beside pgx, as in site-packages."""
    folder = tmp_path / "site"
    shutil.copytree(ROOT / "pgx", folder / "pgx")
    shutil.copy(ROOT / "pgx_lab.py", folder)
    return folder


def refusal(path: str, folder: Path) -> str:
    """What ``pgx`` says when it refuses: exactly one line, with status 2.

    Without site-packages (``-S``): an editable pgx-lab there would be found as well.
    """
    done = run([sys.executable, "-S", "-m", "pgx_lab", "--help"], folder, PYTHONPATH=path)
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    return line


def test_a_foreign_pgx_that_overwrote_ours_is_refused(flat: Path, tmp_path: Path) -> None:
    (flat / "pgx" / "__init__.py").write_text("from pgx._src.games import x\n", encoding="utf-8")
    assert "pip uninstall -y pgx pgx-lab && pip install pgx-lab" in refusal(str(flat), tmp_path)


def test_a_foreign_pgx_that_shadows_ours_is_refused(flat: Path, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign" / "pgx"
    foreign.mkdir(parents=True)
    (foreign / "__init__.py").write_text("raise ImportError('jax')\n", encoding="utf-8")
    line = refusal(f"{foreign.parent}{os.pathsep}{flat}", tmp_path)
    assert str(foreign) in line
    assert "pip uninstall pgx" in line


def test_a_pgx_whose_files_were_uninstalled_is_refused(flat: Path, tmp_path: Path) -> None:
    (flat / "pgx" / "__init__.py").unlink()
    assert "missing or incomplete" in refusal(str(flat), tmp_path)


def test_constraints_pin_exactly_and_without_a_build() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert "torch==2.13.0" in pins
    assert all(line.count("==") == 1 and "+" not in line and "/" not in line for line in pins)
