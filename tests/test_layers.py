"""DESIGN's layer table, read off the sources: imports point down, and every room stays small."""

from __future__ import annotations

import ast
import io
import sys
import tokenize
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

#: The first name below ``pgx`` of every module, layer by layer.
LAYERS = (
    {"", "types", "axes", "errors", "paths"},
    {"streams", "returns", "schedules", "nets", "squares", "lift", "stats"},
    {"policies", "baselines", "environments"},
    {"estimators"},
    {"rollout", "normalization", "optimizers", "population"},
    {"module", "callbacks", "progress", "checkpoint", "tracking", "allocator", "freeze", "spinning"}
    | {"evaluation", "diagnostics", "updates"},
    {"train", "sweep", "report", "cli", "records", "tables", "export", "status"}
    | {
        "status_table",
        "sheets",
        "config",
        "names",
        "build",
        "crowd",
        "expert",
        "part",
        "__main__",
        "doctor",
        "init",
        "bench",
    }
    | {"restore", "evaluate", "film", "usage", "atari", "study", "analysis", "sharing", "guard"}
    | {"gradients"},
)

#: Third-party packages that become known at a layer; the layers above know them as well.
KNOWS = (
    {"torch", "numpy"},
    {"scipy"},
    {"gymnasium", "ale_py", "yaml"},
    set(),
    set(),
    {"pytorch_lightning", "wandb", "polars", "rich", "omegaconf"},
    {"hydra", "typer", "packaging", "stable_baselines3", "pgx_lab"}
    | {"imageio_ffmpeg"}
    | {"altair", "vl_convert", "wandb_workspaces"},
)


def modules(root: Path = ROOT) -> dict[str, Path]:
    """Dotted name to path of every module of the package."""
    found = {}
    for path in sorted((root / "pgx").rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(name: str, path: Path, known: set[str]) -> Iterator[str]:
    """Every module that ``name`` imports anywhere, under TYPE_CHECKING and in functions too."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) + 1 - node.level]
            origin = ".".join([*parents, *filter(None, [node.module])] if node.level else [])
            origin = origin or str(node.module)
            members = {f"{origin}.{alias.name}" for alias in node.names}
            yield from members & known
            if members - known:
                yield origin


def layer(name: str) -> int:
    """The layer of a module of pgx, by the first name below ``pgx``."""
    head = [*name.split("."), ""][1]
    found = [level for level, names in enumerate(LAYERS) if head in names]
    assert len(found) == 1, f"{name} belongs to no layer: add it to DESIGN's table and to LAYERS"
    return found[0]


def complaints(root: Path) -> list[str]:
    """Every import that points up, or at a package that its layer does not know."""
    found, known = [], modules(root)
    for name, path in known.items():
        level = layer(name)
        packages = set().union(*KNOWS[: level + 1]) | set(sys.stdlib_module_names)
        for target in imports(name, path, set(known)):
            if target.split(".")[0] != "pgx":
                if target.split(".")[0] not in packages:
                    found.append(f"{name} (layer {level}) may not know {target}")
            elif layer(target) > level:
                found.append(f"{name} (layer {level}) imports {target} (layer {layer(target)})")
            elif level == 3 and layer(target) == 2:
                found.append(f"{name}: policy and baseline come in as arguments, not {target}")
    return found


def test_imports_point_down() -> None:
    assert complaints(ROOT) == []


def test_modules_do_not_import_each_other_in_a_circle() -> None:
    known = modules()
    graph = {name: set(imports(name, path, set(known))) for name, path in known.items()}
    graph = {
        name: {t for t in targets if t in graph and t != name} for name, targets in graph.items()
    }
    assert list(TopologicalSorter(graph).static_order())


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("nets.py", "from pgx.policies import mlp"),
        ("nets.py", "from pgx import train"),
        ("types.py", "from . import cli"),
        ("policies/mlp.py", "from ..estimators.gae import GAE"),
        ("policies/mlp.py", "def f():\n    import pgx.module"),
        ("axes.py", "if TYPE_CHECKING:\n    from pgx.rollout import collect"),
        ("estimators/gae.py", "from pgx.baselines.value import Value"),
        ("returns.py", "import pytorch_lightning as pl"),
        ("rollout.py", "from hydra.utils import instantiate"),
    ],
)
def test_an_import_that_points_up_is_found(tmp_path: Path, path: str, source: str) -> None:
    places = [path, "__init__.py", "train.py", "cli.py", "module.py", "rollout.py"]
    places += [f"{folder}/__init__.py" for folder in ("policies", "estimators", "baselines")]
    places += ["estimators/gae.py", "baselines/value.py"]
    for place in places:
        (tmp_path / "pgx" / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "pgx" / place).touch()
    assert complaints(tmp_path) == []
    (tmp_path / "pgx" / path).write_text(source, encoding="utf-8")
    assert len(complaints(tmp_path)) == 1


def test_a_module_without_a_layer_is_found() -> None:
    with pytest.raises(AssertionError, match="belongs to no layer"):
        layer("pgx.attic")


def code_lines(source: str) -> set[int]:
    """The numbers of the lines that hold code: no blank lines, comments or docstrings."""
    empty = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    empty |= {tokenize.ENDMARKER}
    lines = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in empty:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            lines.difference_update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return lines


def long_functions(source: str, limit: int) -> list[str]:
    """The functions of more than ``limit`` lines of code."""
    lines = code_lines(source)
    return [
        node.name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and len(lines & set(range(node.lineno, (node.end_lineno or node.lineno) + 1))) > limit
    ]


def test_rooms_stay_small() -> None:
    for path in [*modules().values(), ROOT / "pgx_lab.py"]:
        source = path.read_text(encoding="utf-8")
        assert source.count("\n") <= 300, f"{path.relative_to(ROOT)} has over 300 lines"
        assert long_functions(source, 40) == [], f"{path.relative_to(ROOT)}: over 40 lines of code"


def test_lines_of_code_are_counted_without_docstrings_comments_and_blanks() -> None:
    source = 'def f(a,\n      b):\n    """One.\n\n    Two.\n    """\n\n    # three\n    return a\n'
    assert code_lines(source) == {1, 2, 9}
    assert long_functions(source, 3) == []
    assert long_functions(source, 2) == ["f"]


def test_a_file_is_named_for_what_it_knows() -> None:
    vague = {"utils", "util", "common", "helpers", "misc"}
    found = [path for top in ("pgx", "conf", "tests") for path in (ROOT / top).rglob("*")]
    assert [str(path) for path in found if path.stem in vague] == []
