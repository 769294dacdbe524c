"""Card images: what was saved comes back, what was changed is refused, what a release stored loads for ever."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from card_os.engine import ByteCard, Card
from simulator.softcard.demonstration import demonstration_memory
from simulator.softcard.images import CardImage, MalformedImage, load, save
from simulator.softcard.memory import CardMemory

GOLDEN = Path(__file__).parents[3] / "data" / "card" / "images"
RELEASES = sorted(folder for folder in GOLDEN.iterdir() if folder.is_dir())
EXPECTED = {folder: json.loads((folder / "expected.json").read_text()) for folder in RELEASES}
STORED = [pytest.param(folder, name, id=f"{folder.name}-{name}") for folder in RELEASES for name in EXPECTED[folder]]


def test_the_first_release_is_there():
    assert [folder.name for folder in RELEASES][:1] == ["v0.1"]
    for folder, expected in EXPECTED.items():
        assert {path.stem for path in folder.glob("*.img")} == set(expected)


@pytest.mark.parametrize(("folder", "name"), STORED)
def test_a_state_stored_by_a_release_loads_and_answers_as_then(folder, name):
    expected = EXPECTED[folder][name]
    card = ByteCard(Card(load(folder / f"{name}.img").memory(), Random(expected["random_seed"]).randbytes))
    for command, stored in expected["exchanges"]:
        answer = card.transmit(bytes.fromhex(command)).hex().upper()
        if command[2:4] == "A4":  # the FCI may say more one day
            answer, stored = answer[-4:], stored[-4:]
        assert answer == stored, command


def test_what_is_saved_comes_back(tmp_path):
    image = CardImage.of(demonstration_memory(3))
    save(image, tmp_path / "card.img")
    assert load(tmp_path / "card.img") == image
    assert image.memory().content == image.content
    assert [path.name for path in tmp_path.iterdir()] == ["card.img"]


def test_an_image_is_its_owners_and_shows_nothing_of_its_keys(tmp_path):
    image = CardImage.of(demonstration_memory(3))
    save(image, tmp_path / "card.img")
    assert stat.S_IMODE((tmp_path / "card.img").stat().st_mode) == 0o600
    assert repr(image) == f"CardImage(chip_serial={image.chip_serial!r})"


def test_saving_does_not_finish_a_torn_write():
    torn = load(GOLDEN / "v0.1" / "citizen-torn-after-commit.img")
    assert CardImage.of(torn.memory()).content == torn.content
    memory = torn.memory()
    Card(memory, Random(1).randbytes)
    assert memory.content != torn.content, "power-up finishes it"


RAW = CardImage.of(demonstration_memory(3)).encode()


@given(at=st.integers(0, len(RAW) - 1), flip=st.integers(1, 255))
def test_any_changed_byte_is_found(at, flip):
    with pytest.raises(MalformedImage):
        CardImage.decode(RAW[:at] + bytes((RAW[at] ^ flip,)) + RAW[at + 1 :])


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "no card image"),
        (RAW[:40], "no card image"),
        (RAW[:-1], "the header says"),
        (RAW + b"\x00", "the header says"),
        (RAW[:8] + b"\x00\x02" + RAW[10:], "version 2"),
    ],
)
def test_what_is_no_image_is_refused_by_name(tmp_path, raw, said):
    path = tmp_path / "wrong.img"
    path.write_bytes(raw)
    with pytest.raises(MalformedImage, match=rf"wrong\.img: .*{said}"):
        load(path)


def test_cells_that_are_no_card_are_refused(tmp_path):
    path = tmp_path / "empty.img"
    empty = CardImage(bytes(8), CardMemory().content)
    path.write_bytes(empty.encode())
    with pytest.raises(MalformedImage, match=r"empty\.img: .*blank_card"):
        load(path)
