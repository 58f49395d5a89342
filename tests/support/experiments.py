"""The scripts of ``experiments/`` as modules; they belong to no package."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType

from tests.conftest import ROOT

EXPERIMENTS = ROOT / "experiments"


def measure(study: str) -> ModuleType:
    """A study's measure.py."""
    return script(f"{study}/measure.py")


def script(path: str) -> ModuleType:
    """A script, by its path below ``experiments``; read anew, so that a test may change it."""
    name = f"experiments_{path.removesuffix('.py').replace('/', '_')}"
    place = importlib.util.spec_from_file_location(name, EXPERIMENTS / path)
    assert place is not None and place.loader is not None
    module = importlib.util.module_from_spec(place)
    sys.modules[name] = module  # dataclasses look their annotations up there
    place.loader.exec_module(module)
    return module
