"""Whether the rows of a part that ended are still what its manifest says; a cheap look.

Of episodes the parquet file's footer is read, which a truncated file has lost; of metrics the two
columns that tell how far every seed came. Rows that are still blocks are read whole.
"""

from __future__ import annotations

from pathlib import Path

from pgx.errors import ConfigError
from pgx.records import Part, episodes, metrics
from pgx.tracking.episodes import EPISODE_ROW
from pgx.tracking.rows import ADVICE

WORKS = "restore it, or use --replace"  #: what to do about damage, in a sweep's words


def damage(part: Part) -> str | None:
    """What is wrong with a part's rows, with the file's name; None if nothing is.

    Args:
        part: one that still trains or was interrupted is left to who continues it.
    """
    if part.live or part.manifest["status"] not in ("finished", "failed"):
        return None
    entries = {seed: part.manifest["seed_status"][str(seed)] for seed in part.seeds}
    counted = {s: e["decisions"] for s, e in entries.items() if e["status"] == "finished"}
    if not any(counted.values()):
        return None
    try:
        _check_episodes(part)
        reached = _reached(part)
    except ConfigError as error:
        return in_a_sweep(str(error))
    for seed, decisions in counted.items():
        if (held := reached.get(seed, 0)) < decisions:
            return f"{part.path}: ends at {held} of seed {seed}'s {decisions} decisions; {WORKS}"
    return None


def in_a_sweep(line: str) -> str:
    """What a reader of rows says about damage, with the words that a sweep takes."""
    return line.replace(ADVICE, WORKS)


def _check_episodes(part: Part) -> None:
    import polars as pl
    from polars.exceptions import PanicException, PolarsError

    path = part.path / "episodes.parquet"
    if not path.exists():
        episodes(part)
        return
    try:
        with path.open("rb") as file:
            columns = pl.read_parquet_schema(file)
    except (OSError, PolarsError, PanicException) as error:
        raise _unreadable(path) from error
    if missing := [name for name in EPISODE_ROW if name not in columns]:
        raise ConfigError(f"{path}: has no column {', '.join(missing)}; {ADVICE}")


def _reached(part: Part) -> dict[int, int]:
    """The decisions after which each seed's last row of metrics was written."""
    import polars as pl
    from polars.exceptions import PanicException, PolarsError

    path = part.path / "metrics.parquet"
    if not path.exists():
        table = metrics(part)
    else:
        try:
            with path.open("rb") as file:
                table = pl.read_parquet(file, columns=["seed", "decisions"])
        except (OSError, PolarsError, PanicException) as error:
            raise _unreadable(path) from error
    grouped = table.group_by("seed").agg(pl.col("decisions").max())
    return dict(grouped.rows())


def _unreadable(path: Path) -> ConfigError:
    return ConfigError(f"{path}: cannot be read, it is damaged; {ADVICE}")
