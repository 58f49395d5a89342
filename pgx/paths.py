"""Where pgx's own files lie, however it was installed."""

from __future__ import annotations

from pathlib import Path


def config_directory() -> Path:
    """The directory of pgx's own configs, the one that holds ``train.yaml``.

    A wheel carries it inside the package; a checkout and an editable install have it beside it.

    Raises:
        FileNotFoundError: neither place holds it, so the installation is broken.
    """
    package = Path(__file__).resolve().parent
    places = (package / "conf", package.parent / "conf")
    for place in places:
        if (place / "train.yaml").is_file():
            return place
    raise FileNotFoundError(
        f"pgx's configs are in neither {places[0]} nor {places[1]}: reinstall pgx-lab"
    )
