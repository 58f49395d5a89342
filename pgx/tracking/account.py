"""The keys ``tracker`` and ``wandb``, and what they need: a login, and a server that is there."""

from __future__ import annotations

import netrc
import os
import re
import socket
from configparser import ConfigParser
from configparser import Error as ConfigParserError
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

from omegaconf import DictConfig

from pgx.errors import ConfigError, check_choice, check_number
from pgx.tracking.grid import MOST_POINTS

_SERVER = "https://api.wandb.ai"
_CONNECT_S = 5.0
_LOGINS = ("WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE")


def check_tracker(config: DictConfig) -> None:
    """Check where rows are to go.

    Raises:
        ConfigError: with what would work.
    """
    check_choice("tracker", config.tracker, ("files", "wandb"))
    keys = config.wandb
    check_choice("wandb.mode", keys.mode, ("offline", "online"))
    check_number("wandb.points", keys.points, least=1, most=MOST_POINTS, whole=True)
    check_name("wandb.project", keys.project)
    if keys.entity is not None:
        check_name("wandb.entity", keys.entity)
    if config.tracker == "wandb" and keys.mode == "online" and not logged_in():
        raise ConfigError(
            "wandb.mode=online: nobody is logged in here; run `wandb login`, set WANDB_API_KEY, "
            "or choose wandb.mode=offline"
        )


def check_name(key: str, value: Any) -> None:
    """Raise `ConfigError` naming ``key`` unless ``value`` can be a project or an entity."""
    if not isinstance(value, str) or not re.fullmatch(r"[^/\\#?%:\s]{1,128}", value):
        raise ConfigError(f"{key}={value}: give a name of W&B, without blanks and / \\ # ? % :")


def logged_in() -> bool:
    """Whether wandb will find a key: in the environment, its settings, or a netrc file."""
    if any(os.environ.get(name) for name in _LOGINS) or _settings().get("api_key"):
        return True
    given = os.environ.get("NETRC")
    paths = [Path(given)] if given else [Path.home() / name for name in (".netrc", "_netrc")]
    return any(_knows(path, urlsplit(server()).netloc) for path in paths)


def reachable() -> bool:
    """Whether something listens where W&B should be; what lies behind a proxy is not asked."""
    url = urlsplit(server())
    if getproxies().get(url.scheme):
        return True
    try:
        port = url.port or (80 if url.scheme == "http" else 443)
        socket.create_connection((url.hostname or "", port), timeout=_CONNECT_S).close()
    except OSError:
        return False
    return True


def server() -> str:
    """Where W&B is, for whoever is logged in here."""
    return os.environ.get("WANDB_BASE_URL") or _settings().get("base_url") or _SERVER


def _settings() -> dict[str, str]:
    """What `wandb login --host` and the like left in the user's settings."""
    folder = Path(os.environ.get("WANDB_CONFIG_DIR") or Path.home() / ".config" / "wandb")
    parser = ConfigParser(interpolation=None)
    try:
        parser.read(folder / "settings")
    except ConfigParserError:
        return {}
    return dict(parser["default"]) if parser.has_section("default") else {}


def _knows(path: Path, host: str) -> bool:
    try:
        return netrc.netrc(path.expanduser()).authenticators(host) is not None
    except (OSError, netrc.NetrcParseError):
        return False
