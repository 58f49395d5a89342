"""The rows of a part as one table, however far its process came: from parquet, or from blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pgx.errors import ConfigError
from pgx.tracking.blocks import read_blocks

if TYPE_CHECKING:
    import polars as pl

ADVICE = "restore it, or train the part again with replace=true"  #: what to do about damage


def rows_file(directory: Path, kind: str) -> Path:
    """The file that holds a part's rows of a kind, ``episodes`` or ``metrics``, or would."""
    parquet = directory / f"{kind}.parquet"
    return parquet if parquet.exists() else directory / f"{kind}.blocks"


def read_rows(
    directory: Path,
    kind: str,
    row: Mapping[str, str],
    seeds: Sequence[int],
    *,
    recorded: bool,
    whole: bool,
) -> pl.DataFrame:
    """Every row of a kind, checked; parquet appears before the blocks go.

    Args:
        directory: of the part.
        kind: ``episodes`` or ``metrics``.
        row: names and dtypes of the columns that every row has.
        seeds: the part's; no row may be of another one.
        recorded: whether there must be a file.
        whole: whether its last row must be there as well; else a torn block ends the reading.

    Raises:
        ConfigError: the file is gone or damaged.
    """
    parquet, table = directory / f"{kind}.parquet", None
    if not parquet.exists():
        table = _read_blocks(directory / f"{kind}.blocks", whole)
    if table is None and parquet.exists():
        table = _read_parquet(parquet)
    path = rows_file(directory, kind)
    if table is None:
        if recorded:
            what = "holds no rows" if path.exists() else "is gone"
            path = path if path.exists() else parquet
            raise ConfigError(f"{path}: {what}, though the manifest tells of some; {ADVICE}")
        return empty(row)
    if complaint := _complaint(table, row, seeds):
        raise ConfigError(f"{path}: {complaint}; {ADVICE}")
    return table


def empty(row: Mapping[str, str]) -> pl.DataFrame:
    """A table of such rows without a row."""
    import polars as pl

    return pl.DataFrame(schema={name: _dtype(kind) for name, kind in row.items()})


def _read_blocks(path: Path, whole: bool) -> pl.DataFrame | None:
    """The rows of a block file; ``None`` if it does not exist or has not even a header."""
    import polars as pl

    try:
        columns = read_blocks(path, whole=whole)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read, it is damaged; {ADVICE}") from error
    return pl.DataFrame(columns) if columns else None


def _read_parquet(path: Path) -> pl.DataFrame:
    import polars as pl
    from polars.exceptions import PanicException, PolarsError

    try:
        with path.open("rb") as file:  # polars would take a name for a pattern
            return pl.read_parquet(file)
    except (OSError, PolarsError, PanicException) as error:
        raise ConfigError(f"{path}: cannot be read, it is damaged; {ADVICE}") from error


def _complaint(table: pl.DataFrame, row: Mapping[str, str], seeds: Sequence[int]) -> str | None:
    """What is wrong with the rows, if anything is."""
    missing = [name for name in row if name not in table.columns]
    if missing:
        return f"has no column {', '.join(missing)}"
    for name, kind in row.items():
        if table[name].dtype != _dtype(kind):
            return f"column {name} is {table[name].dtype}, not {kind}"
        if table[name].null_count():
            return f"column {name} has gaps"
    if foreign := sorted(set(table["seed"].unique().to_list()) - set(seeds)):
        return f"holds seed {foreign[0]}, which is not of this part"
    key = table.select("seed", "episode" if "episode" in row else "iteration")
    if key.is_duplicated().any():
        return f"holds an {key.columns[1]} twice"
    return None


def _dtype(name: str) -> Any:
    import polars as pl

    return {"int64": pl.Int64, "float64": pl.Float64}[name]
