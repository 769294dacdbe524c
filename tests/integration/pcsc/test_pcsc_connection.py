"""Our own side of PC/SC over a real pcscd: power, swap, pull, and what one is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from typer.testing import CliRunner

from card_os.engine import ByteCard
from card_os.wire import commands
from card_os.wire import identifiers as names
from card_os.wire.dialogue import CardGone
from hardware.readers.drive import exchange
from hardware.readers.pcsc import PcscConnection, PcscError, ReaderUnusable, list_readers
from simulator.softcard.daemon import DaemonUnavailable, ReaderPair, private_readers
from simulator.softcard.vpcd import VirtualReader
from terminals.cli import app

pytestmark = pytest.mark.needs_pcsc

WAIT_S = 5.0
CHALLENGE = commands.get_challenge().encode()


@pytest.fixture
def slot(pair: ReaderPair) -> Iterator[VirtualReader]:
    with VirtualReader(pair.card.port) as slot:
        yield slot


def serial(connection: PcscConnection) -> str:
    exchange(connection, commands.select_name(names.TRANSIT_AID))
    return exchange(connection, commands.read_binary(names.SFI_PUBLIC)).data[10:20].hex()


def test_every_reader_is_listed(readers):
    assert set(list_readers()) == {slot.reader for pair in readers.pairs for slot in (pair.card, pair.sam)}


def test_cards_change_at_reset_without_waiting(pair, slot, make_card):
    cards = [make_card(number) for number in (1, 2)]
    slot.insert(cards[0])
    with PcscConnection(pair.card.reader, wait_s=WAIT_S) as connection:
        for number in (2, 1, 2):
            slot.present(cards[number - 1])
            assert connection.reset() == connection.atr == cards[number - 1].atr
            assert serial(connection) == f"03109910{number:012d}"


def test_a_card_that_left_does_not_answer_for_the_next(pair, slot, make_card):
    slot.insert(make_card(1))
    with PcscConnection(pair.card.reader, wait_s=WAIT_S) as connection:
        serial(connection)
        slot.present(make_card(2))
        for _ in range(2):
            with pytest.raises(CardGone):
                connection.transmit(CHALLENGE)
        connection.reset()
        assert serial(connection).endswith("2")


def test_rights_are_gone_after_a_reset(pair, slot, make_card):
    slot.insert(make_card(1))
    read_holder = commands.read_binary(names.SFI_HOLDER)
    with PcscConnection(pair.card.reader, wait_s=WAIT_S) as connection:
        exchange(connection, commands.select_name(names.TRANSIT_AID))
        exchange(connection, commands.verify_pin(names.PIN, bytes.fromhex("123456")))
        assert exchange(connection, read_holder).sw.value == 0x9000
        connection.reset()
        exchange(connection, commands.select_name(names.TRANSIT_AID))
        assert exchange(connection, read_holder).sw.value == 0x6982


def test_a_card_torn_by_its_memory_is_gone_and_comes_back_at_reset(pair, slot, make_card):
    card = make_card(1)
    slot.insert(card)
    with PcscConnection(pair.card.reader, wait_s=WAIT_S) as connection:
        serial(connection)
        original, card.transmit = card.transmit, torn
        with pytest.raises(CardGone, match="during the command"):
            connection.transmit(CHALLENGE)
        card.transmit = original
        connection.reset()
        assert serial(connection).endswith("1")


def torn(command: bytes) -> bytes:
    raise CardGone("field lost")


def test_a_pulled_card_is_gone_until_it_is_inserted_again(pair, slot, make_card):
    card = make_card(1)
    slot.insert(card)
    with PcscConnection(pair.card.reader, wait_s=WAIT_S) as connection:
        slot.remove()
        with pytest.raises(CardGone):
            connection.transmit(CHALLENGE)
        with pytest.raises(CardGone, match="no card in") as gone:
            connection.reset()
        assert isinstance(gone.value.__cause__, PcscError)
        slot.insert(card)
        assert connection.wait_for_card(WAIT_S) == card.atr


def test_an_empty_reader_and_an_unknown_one_are_named(pair):
    with pytest.raises(CardGone, match=pair.sam.reader):
        PcscConnection(pair.sam.reader)
    with pytest.raises(ReaderUnusable, match=f"no reader is called 'nowhere'; there are: .*{pair.card.reader}"):
        PcscConnection("nowhere")


def test_a_held_card_is_nobody_elses(pair, slot, make_card):
    slot.insert(make_card(1))
    with (
        PcscConnection(pair.card.reader, wait_s=WAIT_S),
        pytest.raises(ReaderUnusable, match="another program holds"),
    ):
        PcscConnection(pair.card.reader)


def test_card_and_sam_slot_are_used_in_turn(pair, slot, make_card):
    slot.insert(make_card(1))
    with (
        VirtualReader(pair.sam.port) as sam_slot,
        PcscConnection(pair.card.reader, wait_s=WAIT_S) as card,
    ):
        sam_slot.insert(make_card(2))
        with PcscConnection(pair.sam.reader, wait_s=WAIT_S) as sam:
            for _ in range(3):
                assert serial(card).endswith("1")
                assert serial(sam).endswith("2")


def test_one_process_has_one_daemon(readers):
    with pytest.raises(DaemonUnavailable, match="already runs"), private_readers():
        pass


@pytest.mark.parametrize("pairs", [0, 9])
def test_more_readers_than_pcscd_bears_are_refused(pairs: int):
    with pytest.raises(ValueError, match="room for 1 to 8"), private_readers(pairs):
        pass


def show(*arguments: str) -> tuple[int, str]:
    ended = CliRunner().invoke(app, ["show", *arguments], env={"COLUMNS": "160"})
    return ended.exit_code, ended.output


def test_card_show_prints_the_card_in_the_first_reader_with_one(pair, slot, make_card: Callable[[int], ByteCard]):
    slot.insert(make_card(17))
    with PcscConnection(pair.card.reader, wait_s=WAIT_S):
        pass
    code, text = show()
    assert code == 0
    for part in (pair.card.reader, "3109910000000000017", "老年 elder", "2036-08-31", "0.00", "11***************X"):
        assert part in text
    assert "测试" not in text
    assert all(part in show("--unmasked")[1] for part in ("11010519491231002X", "测试"))


def test_card_show_says_which_readers_are_empty(readers):
    code, text = show()
    assert code == 1
    assert "no card in any reader" in text
    assert readers.pairs[1].sam.reader in text
    assert show("--reader", "nowhere")[0] == 1
