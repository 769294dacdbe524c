"""The fuzzer's interpreter and the table of conversations it starts from, as fixtures (test modules cannot import them)."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

HERE = Path(__file__).parent


def module_at(path: Path, name: str) -> ModuleType:
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture(scope="session")
def streams() -> ModuleType:
    return module_at(HERE / "streams.py", "card_fuzz_streams")


@pytest.fixture(scope="session")
def new_stream(streams: ModuleType) -> Callable[[], Any]:
    """Makes streams, one like the other."""
    kit = module_at(HERE.parent / "conftest.py", "card_fuzz_kit")
    tearing = module_at(HERE.parent / "tearing" / "conftest.py", "card_fuzz_tearing")
    return lambda: streams.Stream(kit, tearing)
