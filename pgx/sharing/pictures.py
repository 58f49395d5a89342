"""The figures that summary runs show, if what draws them is installed."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from pgx.analysis.model import Analysis

KINDS = ("curves", "differences")  #: charts that are sent, one of each per environment
MISSING = "no figures in the summary runs; pip install 'pgx-lab[report]' pillow"


def pictures(analysis: Analysis, folder: Path) -> dict[str, str] | None:
    """Draw learning curves and differences: name to file; None if that cannot be done here.

    wandb takes an image only where Pillow can open it.

    Args:
        analysis: what they show.
        folder: for the files.
    """
    if any(importlib.util.find_spec(name) is None for name in ("vl_convert", "PIL")):
        return None
    from pgx.report.drawing import draw

    drawn = [path for path in draw(analysis, folder) if path.suffix == ".png"]
    return {path.stem: path.name for path in drawn if path.stem.startswith(KINDS)}
