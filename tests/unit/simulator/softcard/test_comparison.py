"""Differences between cards are explained by file, record, field and counter, and tell no secret."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import pytest
from typer.testing import CliRunner

from card_os.engine.files import FileSystem
from card_os.engine.store import Store
from simulator.softcard.comparison import compare, differences, dump_of
from simulator.softcard.demonstration import demonstration_memory
from simulator.softcard.diff import app
from simulator.softcard.images import CardImage, load, save
from simulator.softcard.state import Hidden, state_of
from terminals.dump.document import to_json

GOLDEN = Path(__file__).parents[3] / "data" / "card" / "images" / "v0.1"
FRESH, USED = GOLDEN / "citizen-fresh.img", GOLDEN / "citizen-used.img"


def test_a_load_a_ride_and_a_wrong_pin_are_told_as_such():
    found = compare(FRESH, USED)
    for line in (
        "transit 1001 / PIN 3A/00 tries left: 3 of 3 → 2 of 3",
        "transit 1001 / purse 2 balance: 0 → 4500",
        "transit 1001 / purse 2 online sequence: 0 → 1",
        "transit 1001 / purse 2 offline sequence: 0 → 2",
        "transit 1001 / file 0018 transaction log, record 1 new: 0001000000000000C80999100000000120260915081500",
    ):
        assert line in found
    assert not [line for line in found if line.startswith(("MF", "social"))]


def test_a_log_that_moved_by_one_is_one_new_record():
    found = compare(USED, GOLDEN / "citizen-torn-after-commit.img")
    assert [line for line in found if "transaction log" in line] == [
        "transit 1001 / file 0018 transaction log, record 1 new: 0002000000000000C80999100000000120260915081500"
    ]
    assert "unfinished write: not there → finished at the next power-up" in found


def test_what_was_never_committed_is_no_difference():
    assert compare(USED, GOLDEN / "citizen-torn-before-commit.img") == ()


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.img")), ids=lambda path: path.stem)
def test_a_card_equals_itself_and_every_other_differs(path):
    assert compare(path, path) == ()
    for other in set(GOLDEN.glob("*.img")) - {path}:
        same_card = {path.stem, other.stem} <= {"citizen-used", "citizen-torn-before-commit"}
        assert bool(compare(path, other)) is not same_card


def test_no_key_and_no_pin_is_printed():
    images = {path: load(path) for path in GOLDEN.glob("*.img")}
    secrets = set()
    for image in images.values():
        files = FileSystem(Store(image.memory()))
        for directory in files.directories:
            secrets |= {files.key(directory, *name).value.hex() for name in directory.keys}
    assert len(secrets) > 10
    for old, new in permutations(images, 2):
        text = "\n".join(compare(old, new)).lower()
        assert not [secret for secret in secrets if len(secret) >= 16 and secret in text]
    assert str(Hidden.of(b"key")) == "<redacted>"
    assert "key" not in repr(Hidden.of(b"key"))


def test_a_changed_key_is_told_without_its_bytes():
    state = state_of(demonstration_memory(5))
    changed = state | {"transit 1001 / key 3F/01 value": Hidden.of(b"another")}
    assert differences(state, changed) == ("transit 1001 / key 3F/01 value: changed (<redacted>)",)


@pytest.mark.parametrize(
    ("old", "new", "lines"),
    [
        ({"a": 1}, {"a": 2}, ("a: 1 → 2",)),
        ({"a": 1}, {}, ("a: 1 → not there",)),
        ({}, {"a": b"\x01"}, ("a: not there → 01",)),
        ({"a": b"\x00\x01\x02\x03"}, {"a": b"\x09\x01\x08\x07"}, ("a: byte 0 00 → 09, bytes 2–3 0203 → 0807",)),
        ({"a": b"\x00"}, {"a": b"\x00\x01"}, ("a: 00 → 0001",)),
        ({"a": (b"1", b"2")}, {"a": (b"1", b"3")}, ("a, record 2: byte 0 32 → 33",)),
        ({"a": (b"1", b"2")}, {"a": (b"2",)}, ("a, record 1 gone: 31",)),
        ({"a": (b"1",)}, {"a": (b"2", b"3")}, ("a, record 1 gone: 31", "a, record 1 new: 32", "a, record 2 new: 33")),
        ({}, {"a": ()}, ("a: now there, without records",)),
        ({}, {"a": (b"1",)}, ("a, record 1 new: 31",)),
        ({"a": (b"1",)}, {"a": (b"22",)}, ("a, record 1: 31 → 3232",)),
    ],
)
def test_how_a_difference_is_worded(old, new, lines):
    assert differences(old, new) == lines


def test_fields_of_a_known_file_are_named():
    memory = demonstration_memory(5)
    state = state_of(memory)
    place = "transit 1001 / file 0015 public application information, valid_to (byte 24)"
    assert state[place] == bytes.fromhex("20360831")


def test_an_image_and_a_dump_are_compared_by_what_is_free_to_read(tmp_path):
    dump = tmp_path / "used.json"
    dump.write_text(to_json(dump_of(load(USED))))
    assert compare(USED, dump) == ()
    found = compare(FRESH, dump)
    assert any("purse 2 value 0: bytes 2–3 0000 → 1194" in line for line in found)
    assert not any("PIN" in line for line in found), "a dump knows no counters"


def test_the_command_prints_and_its_exit_code_says_whether(tmp_path):
    same = CliRunner().invoke(app, [str(FRESH), str(FRESH)])
    assert (same.exit_code, same.output) == (0, "")
    differing = CliRunner().invoke(app, [str(FRESH), str(USED)])
    assert differing.exit_code == 1
    assert "balance: 0 → 4500" in differing.output


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"nonsense", b"\xff\xfe", b"CITYCARD", b"[" * 100_000])
def test_what_is_neither_image_nor_dump_is_said(tmp_path, content):
    path = tmp_path / "wrong"
    path.write_bytes(content)
    ended = CliRunner().invoke(app, [str(path), str(FRESH)])
    assert ended.exit_code == 2
    assert f"citycard card diff: {path}: " in ended.output


def test_a_file_that_is_not_there_is_said(tmp_path):
    assert CliRunner().invoke(app, [str(tmp_path / "missing"), str(FRESH)]).exit_code == 2


def test_reading_a_state_changes_nothing(tmp_path):
    memory = load(GOLDEN / "citizen-torn-after-commit.img").memory()
    before = memory.content
    state_of(memory)
    assert memory.content == before
    save(CardImage.of(memory), tmp_path / "again.img")
    assert compare(tmp_path / "again.img", GOLDEN / "citizen-torn-after-commit.img") == ()
