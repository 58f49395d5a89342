"""``pgx export``: every episode of a study in one tidy table, all its parts joined."""

from __future__ import annotations

import logging
from pathlib import Path

from pgx.errors import ConfigError, suggest
from pgx.tracking.atomic import replacing

FORMATS = ("csv", "parquet")

logger = logging.getLogger(__name__)


def export(study: str, root: Path, format: str = "csv", output: Path | None = None) -> Path:
    """Write the episodes of a study, columns `pgx.records.COLUMNS`, and say where.

    A run held by two parts is written once; a line on the log says which part was left out.

    Args:
        study: its name.
        root: the output directory that holds it.
        format: ``csv`` or ``parquet``.
        output: a file, or a directory (existing, or a name without a suffix) for
            ``<study>.<format>``; ``None`` is the working directory.

    Returns:
        The file, written whole or not at all.

    Raises:
        ConfigError: no such study or format, a file name that says another format or cannot be
            written, or a part of the study that is damaged: no row is left out silently.
    """
    from pgx.records import find_parts, join

    if format not in FORMATS:
        raise ConfigError(f"--format: no '{format}'; {suggest(format, FORMATS)}")
    path = _target(study, format, Path() if output is None else Path(output))
    table, notes = join(find_parts(root, study))
    for note in notes:
        logger.warning("%s", note)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:  # polars would expand a name
            if format == "csv":
                table.write_csv(file)
            else:
                table.write_parquet(file)
    except OSError as error:
        raise ConfigError(f"--to: {path} cannot be written ({error.strerror})") from error
    return path


def _target(study: str, format: str, output: Path) -> Path:
    if output.is_dir() or not output.suffix:
        return output / f"{study}.{format}"
    if output.suffix != f".{format}":
        raise ConfigError(f"--to: {output} does not end in .{format}; rename it or use --format")
    return output
