"""Random and mutated command streams: no exception out of the reader but a lost card, no state outside the model.

A normal run repeats the kept corpus and lets hypothesis make streams; ``--long`` sends a million commands under atheris."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

HERE = Path(__file__).parent
CORPUS = HERE.parents[2] / "data" / "card" / "fuzz"
COMMANDS_IN_A_LONG_RUN = 1_000_000
STREAMS_IN_A_SAMPLE = 1000

# Whole steps, so that shrinking takes a step away; a little of anything behind them.
STEPS = st.lists(st.binary(min_size=5, max_size=5), min_size=1, max_size=12).map(b"".join)


def test_hypothesis_finds_nothing(
    new_stream: Callable[[], Any], record_property: Callable[[str, object], None]
) -> None:
    sent = []

    @settings(max_examples=max(STREAMS_IN_A_SAMPLE, settings.default.max_examples), deadline=None, database=None)
    @given(steps=STEPS, noise=st.binary(max_size=40))
    def search(steps: bytes, noise: bytes) -> None:
        stream = new_stream()
        stream.run(steps + noise)
        sent.append(stream.commands)

    search()
    record_property("commands", sum(sent))


def test_the_kept_corpus_finds_nothing(
    new_stream: Callable[[], Any], record_property: Callable[[str, object], None]
) -> None:
    streams = sorted(path for path in CORPUS.iterdir() if path.suffix != ".md")
    assert len(streams) > 20
    sent = 0
    for path in streams:
        stream = new_stream()
        try:
            stream.run(path.read_bytes())
        except Exception as finding:
            raise AssertionError(f"{path.name}: {finding}") from finding
        sent += stream.commands
    record_property("commands", sent)


def test_a_conversation_that_nobody_spoils_ends_well(new_stream: Callable[[], Any]) -> None:
    """Otherwise the fuzzer would stop at the first command of each and find nothing."""
    for number in range(len(new_stream().rows)):
        stream = new_stream()
        row = stream.rows[number]
        command = row.prepare(stream.bench)
        assert getattr(stream.bench, row.on).card.transmit(command).sw.value == row.sw


def test_the_model_sees_a_purse_that_lies(new_stream: Callable[[], Any], streams: Any) -> None:
    """The judge itself: money from nowhere and a counter that goes back are findings."""
    for at, value in ((0, b"\x00\x00\x27\x10"), (6, b"\x00\x00")):
        stream = new_stream()
        memory, transit = stream.bench.memories["card"], stream.bench.card.card._context.session.directory
        purse = transit.purse
        memory.write(purse.offset + at, value)
        with pytest.raises(streams.Finding):
            stream.run(bytes(5))


def test_the_reader_sees_an_exception_that_escapes(new_stream: Callable[[], Any], streams: Any) -> None:
    stream = new_stream()
    stream.bench.card.card._context.store = None
    with pytest.raises(streams.Finding):
        stream.run(bytes(5))


@pytest.mark.long
def test_a_million_commands_find_nothing(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    if find_spec("atheris") is None:
        pytest.skip("atheris is missing: it has wheels for Linux on x86_64 with Python 3.11 to 3.13 only")
    (found := tmp_path / "found").mkdir()
    program = [sys.executable, str(HERE / "fuzz_card.py"), str(COMMANDS_IN_A_LONG_RUN), str(found), str(CORPUS)]
    ended = subprocess.run(
        [*program, "-max_len=400", "-len_control=0", "-timeout=60"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    sent = re.search(r"(\d+) commands, no finding", ended.stdout)
    assert sent is not None
    record_property("commands", int(sent[1]))
