"""Each benchmark still fits the code it measures: it starts and says how to run it. What it measures is no test's business."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"
_HELP_OF_ALL = """
import runpy, sys
sys.path.insert(0, sys.argv[1])
for program in sys.argv[2:]:
    sys.argv = [program, "--help"]
    try:
        runpy.run_path(program, run_name="__main__")
    except SystemExit as ended:
        assert not ended.code, program
"""


def test_each_benchmark_says_how_to_run_it() -> None:
    programs = [str(path) for path in sorted(BENCHMARKS.glob("*.py")) if "__main__" in path.read_text()]
    assert len(programs) > 8
    command = [sys.executable, "-c", _HELP_OF_ALL, str(BENCHMARKS), *programs]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.count("usage: ") == len(programs)
