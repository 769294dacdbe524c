"""What ``citycard card serve`` refuses before a card is anywhere, and what it saves when a place is lost."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from simulator.softcard import serve
from simulator.softcard.demonstration import demonstration_memory
from simulator.softcard.images import CardImage, MalformedImage, load, save
from simulator.softcard.memory import CardMemory


@pytest.fixture(autouse=True)
def signals_as_they_were():
    before = {end: signal.getsignal(end) for end in (signal.SIGINT, signal.SIGTERM)}
    yield
    for end, handler in before.items():
        signal.signal(end, handler)


def refused(*arguments: object) -> str:
    ended = CliRunner().invoke(serve.app, [*map(str, arguments), "--port", "1"])
    assert ended.exit_code == 1
    assert not isinstance(ended.exception, ValueError)
    return " ".join(ended.output.split())


def test_one_image_is_not_two_cards(tmp_path: Path):
    path = tmp_path / "one.img"
    assert "named twice: one image is one card" in refused(path, tmp_path / ".." / tmp_path.name / "one.img")
    assert not path.exists()


def test_more_images_than_readers_are_refused(tmp_path: Path):
    assert "readers for 16" in refused("--own", *(tmp_path / f"{number}.img" for number in range(17)))
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_told_before_the_card_is_used(tmp_path: Path):
    assert "nowhere" in refused(tmp_path / "nowhere" / "one.img")


def test_no_card_is_made_where_another_image_cannot_be_read(tmp_path: Path):
    (tmp_path / "wrong.img").write_bytes(b"nonsense")
    assert "wrong.img: 8 bytes" in refused(tmp_path / "new.img", tmp_path / "wrong.img")
    assert not (tmp_path / "new.img").exists()


def test_a_port_that_is_none_is_refused():
    assert CliRunner().invoke(serve.app, ["--port", "70000"]).exit_code == 2


def test_a_lost_place_costs_no_other_image(tmp_path: Path):
    memories = [demonstration_memory(number) for number in (1, 2)]
    with pytest.raises(OSError, match=r"lost.*one\.img was not written"):
        serve._write_back([tmp_path / "lost" / "one.img", tmp_path / "two.img"], memories)
    assert load(tmp_path / "two.img").chip_serial == (2).to_bytes(8, "big")


@pytest.mark.parametrize("at", [2048, 12])
def test_cells_without_a_file_system_are_no_image(tmp_path: Path, at: int):
    cells = bytearray(demonstration_memory(1).content)
    cells[at : at + 4] = b"\xff\xff\xff\xff"
    path = tmp_path / "wrong.img"
    save(CardImage.of(CardMemory(bytes(cells))), path)
    with pytest.raises(MalformedImage, match=r"wrong\.img: the cells have no readable file system"):
        load(path)
