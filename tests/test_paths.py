"""Where the configs are found; the three ways to install are in test_packaging.py."""

from __future__ import annotations

from pathlib import Path

import pytest

import pgx.paths
from pgx.paths import config_directory


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that stands for the installed package."""
    folder = tmp_path / "pgx"
    folder.mkdir()
    monkeypatch.setattr(pgx.paths, "__file__", str(folder / "paths.py"))
    return folder


def fill(folder: Path) -> Path:
    folder.mkdir()
    (folder / "train.yaml").touch()
    return folder


def test_configs_beside_the_package_are_found(package: Path) -> None:
    beside = fill(package.parent / "conf")
    assert config_directory() == beside


def test_configs_inside_the_package_come_first(package: Path) -> None:
    fill(package.parent / "conf")
    inside = fill(package / "conf")
    assert config_directory() == inside


def test_a_conf_folder_of_someone_else_is_not_taken(package: Path) -> None:
    (package.parent / "conf").mkdir()
    with pytest.raises(FileNotFoundError, match="reinstall pgx-lab"):
        config_directory()
