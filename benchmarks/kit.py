"""The tests' own cards, PSAMs and terminals, so that a benchmark measures what the tests judge."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

_TESTS = Path(__file__).parents[1] / "tests" / "unit"


def conftest_of(*folders: str) -> ModuleType:
    """The ``conftest`` of ``tests/unit/<folders>`` as a module."""
    name = "_".join(("kit", *folders))
    spec = importlib.util.spec_from_file_location(name, _TESTS.joinpath(*folders) / "conftest.py")
    assert spec is not None
    assert spec.loader is not None
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
