"""The keys of W&B, and who is logged in: mistakes are found before anything is trained."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from pgx.cli import main
from pgx.config import compose_config
from pgx.errors import ConfigError
from pgx.names import config_hash
from pgx.tracking.account import check_tracker, logged_in, reachable


@pytest.fixture(autouse=True)
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home without a login."""
    for name in ("API_KEY", "IDENTITY_TOKEN_FILE", "BASE_URL", "CONFIG_DIR"):
        monkeypatch.delenv(f"WANDB_{name}", raising=False)
    for name in ("NETRC", "http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.mark.parametrize(
    ("word", "line"),
    [
        ("tracker=mlflow", "tracker=mlflow: choose one of: files, wandb"),
        ("tracker=wandbb", "did you mean 'wandb'?"),
        ("wandb.mode=on", "wandb.mode=on"),
        ("wandb.points=1001", "wandb.points=1001: choose a whole number of at least 1 and at most"),
        ("wandb.points=0", "wandb.points=0"),
        ("wandb.project=null", "wandb.project=None: give a name"),
        ("wandb.project=a/b", "wandb.project=a/b: give a name"),
        ("wandb.entity='a b'", "wandb.entity=a b: give a name"),
    ],
)
def test_mistakes(word: str, line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_tracker(compose_config([word]))
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


def test_online_needs_a_login_and_offline_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    check_tracker(compose_config(["tracker=wandb"]))
    check_tracker(compose_config(["wandb.mode=online"]))  # nothing is sent
    online = compose_config(["tracker=wandb", "wandb.mode=online"])
    with pytest.raises(ConfigError, match=r"wandb login.*wandb\.mode=offline"):
        check_tracker(online)
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    check_tracker(online)


def test_without_a_login_nothing_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert main(["train", "tracker=wandb", "wandb.mode=online"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: wandb.mode=online: nobody is logged in here")
    assert list((tmp_path / "here").iterdir()) == []


def test_a_login_is_found_where_wandb_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not logged_in()
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine api.wandb.ai login user password secret\n")
    netrc.chmod(0o600)
    assert logged_in()
    settings = tmp_path / ".config/wandb/settings"
    settings.parent.mkdir(parents=True)
    settings.write_text("[default]\nbase_url = http://wandb.here:8080\n")
    assert not logged_in()  # that key is another server's
    monkeypatch.setenv("WANDB_BASE_URL", "https://api.wandb.ai")
    assert logged_in()
    netrc.unlink()
    settings.write_text("[default]\napi_key = secret\n")
    assert logged_in()
    settings.write_text("no settings at all")
    assert not logged_in()


def test_a_closed_port_is_not_reachable(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{server.getsockname()[1]}")
        assert reachable()
    assert not reachable()
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert reachable()  # what lies behind it cannot be asked


def test_where_rows_go_is_not_of_the_config_that_makes_a_run() -> None:
    here = compose_config([])
    there = compose_config(["tracker=wandb", "wandb.project=other", "wandb.points=9"])
    assert config_hash(here) == config_hash(there)
