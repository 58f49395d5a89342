"""The console script of pgx-lab, in a module of its own so that it works when ``pgx`` is not ours.

The JAX board-game suite on the package index is called ``pgx`` too and installs into the same
folder: whichever came last has overwritten the other. Nothing of ``pgx`` is imported before that is
ruled out.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

SIGNATURE = "policy-gradient"  #: a word in the docstring of our pgx/__init__.py
REMEDY = "pip uninstall -y pgx pgx-lab && pip install pgx-lab"


def clash() -> str | None:
    """One line about what is wrong with the importable ``pgx``, or None if it is ours."""
    spec = find_spec("pgx")
    found = Path(spec.origin) if spec is not None and spec.origin is not None else None
    ours = Path(__file__).resolve().parent / "pgx" / "__init__.py"
    if found is None:
        return f"the package pgx is missing or incomplete: {REMEDY}"
    if found.resolve() != ours:
        return f"{found.parent} shadows pgx-lab: pip uninstall pgx, or take it off PYTHONPATH"
    if SIGNATURE not in found.read_text(encoding="utf-8", errors="replace"):
        return f"the board-game suite pgx has overwritten pgx-lab in {found.parent}: {REMEDY}"
    return None


def main() -> int:
    """Run ``pgx``; if the importable ``pgx`` is another project's, one line and status 2."""
    problem = clash()
    if problem is not None:
        print(f"error: {problem}", file=sys.stderr)
        return 2
    from pgx.cli import main as run

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
