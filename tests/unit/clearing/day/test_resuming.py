"""A run that is killed goes on where it was; two runs at once do each other no harm."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from clearing.day import run

SEED, STEPS = 11, 60
SMALL_GROUPS = 12  # so that there are several

_CHILD = """
import importlib.util, os, signal, sys, warnings
from pathlib import Path
warnings.simplefilter("ignore")
folder, tests = map(Path, sys.argv[1:3])
kill_at, small_groups, seed, steps = map(int, sys.argv[3:])

def loaded(name, path):
    spec = importlib.util.spec_from_file_location(name, path)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

town = loaded("town_of_clearing", tests.parent / "conftest.py").Town()
day = loaded("town_in_columns", tests / "conftest.py")
from clearing.day import run

run.GROUP_ROWS = small_groups
replaced, replace = 0, os.replace

def counted(*names):
    global replaced
    replaced += 1
    if replaced == kill_at:
        os.kill(os.getpid(), signal.SIGKILL)
    replace(*names)

os.replace = counted
day.Columnar(folder, town.vault, stages="stages").clear(day.told(town, seed, steps))
"""


@pytest.mark.parametrize("kill_at", [1, 3, 9])
def test_killed_at_any_point_it_resumes_to_the_same_result(
    town: Any, columnar: Any, tell: Any, kill_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "GROUP_ROWS", SMALL_GROUPS)
    numbers = map(str, (kill_at, SMALL_GROUPS, SEED, STEPS))
    child = [sys.executable, "-c", _CHILD, str(columnar.folder), str(Path(__file__).parent), *numbers]
    assert subprocess.run(child, check=False, capture_output=True).returncode == -signal.SIGKILL
    inputs = tell(town, SEED, STEPS)
    columnar.stages = "stages"
    resumed = columnar.clear(inputs)
    columnar.stages = ""
    assert resumed == columnar.clear(inputs)


def test_what_is_done_is_not_done_again(town: Any, columnar: Any, tell: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = tell(town, SEED, STEPS)
    columnar.stages = "stages"
    first = columnar.clear(inputs)
    monkeypatch.setattr(run, "read_part", None)
    monkeypatch.setattr(run.Clerk, "end", None)
    assert columnar.clear(inputs) == first


def test_two_runs_at_once_make_the_same_files(town: Any, columnar: Any, tell: Any) -> None:
    inputs = tell(town, SEED, STEPS)
    columnar.stages = "stages"
    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(columnar.clear, [inputs, inputs])
    assert one == other
    kept = {path.name for path in (columnar.folder / "results").rglob("*") if path.is_file()}
    assert kept == {os.path.basename(written.name) for written in (*one.cleared, *one.counters)}


def test_a_day_is_on_disk_when_it_is_cleared(town: Any, columnar: Any, tell: Any, disk: Any) -> None:
    columnar.stages = "stages"
    columnar.clear(tell(town, SEED, STEPS))
    for name in ("results", "stages"):
        disk.assert_there(columnar.folder / name)
