"""Coverage-guided command streams against the card's engine (atheris), until a number of commands have been sent.

    .venv/bin/python tests/unit/card_os/fuzzing/fuzz_card.py COMMANDS [corpus folder …] [-libFuzzer options]

The first folder takes what reaches new code. A finding leaves its stream in the working folder as ``crash-…`` and ends with a
traceback; put the file into tests/data/card/fuzz, where every run of the tests repeats it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import atheris

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

with atheris.instrument_imports(include=["card_os.engine", "card_os.wire"]):
    from conftest import module_at

    streams = module_at(HERE / "streams.py", "card_fuzz_streams")
    kit = module_at(HERE.parent / "conftest.py", "card_fuzz_kit")
    tearing = module_at(HERE.parent / "tearing" / "conftest.py", "card_fuzz_tearing")

LIMIT = int(sys.argv[1])
_sent = 0


def test_one_input(data: bytes) -> None:
    global _sent
    stream = streams.Stream(kit, tearing)
    stream.run(data)
    _sent += stream.commands
    if _sent >= LIMIT:
        print(f"{_sent} commands, no finding", flush=True)
        os._exit(0)  # atheris.Fuzz never returns


if __name__ == "__main__":
    atheris.Setup([sys.argv[0], *sys.argv[2:]], test_one_input)
    atheris.Fuzz()
