"""Reading cards of any issuer: the published T-Union samples (tests/data/card), and cards that lack or vary things."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from card_os.wire.dialogue import CardGone
from card_os.wire.tlv import Tlv
from hardware.readers.drive import Ports, drive
from terminals.dialogues.read_card import CardContents, TransitContents, read_card

SAMPLES = json.loads((Path(__file__).parents[3] / "data/card/tunion_records.json").read_text(encoding="utf-8"))
PUBLIC = SAMPLES["file_0015"]["sample"]
MANAGEMENT = SAMPLES["file_0017"]["sample"]
LOG = SAMPLES["record_0x18_transaction"]["sample_rx"]
TRIP = SAMPLES["record_0x1E_travel"]["sample_rx"]
BALANCE = SAMPLES["balance"]["rx"]
AID = SAMPLES["aid"]

SELECT_TRANSIT = f"00A4040008{AID}00"
SELECT_SM_ONLY = "00A4040008A00000063201010700"
SELECT_PPSE = "00A404000E" + b"2PAY.SYS.DDF01".hex().upper() + "00"
SELECT_SOCIAL = "00A404000F7378312E73682EC9E7BBE1B1A3D5CF00"
READ_PUBLIC, READ_MANAGEMENT = "00B0950000", "00B0970000"
LOG_1, LOG_2, TRIP_1, PROCESS_1 = "00B201C400", "00B202C400", "00B201F400", "00B201D400"
BALANCE_TOTAL, BALANCE_LIMIT, BALANCE_ACTUAL = "805C000204", "805C010204", "805C030204"


class Table:
    """A card that answers what stands in the table, and 6A82 to all else."""

    def __init__(self, answers: Mapping[str, str]) -> None:
        self._answers = answers
        self.atr = b"\x3b\x00"

    def reset(self) -> bytes:
        return self.atr

    def transmit(self, command: bytes) -> bytes:
        return bytes.fromhex(self._answers.get(command.hex().upper(), "6A82"))


def read(answers: Mapping[str, str]) -> CardContents:
    return drive(read_card(), Ports(card=Table(answers)))


def transit(answers: Mapping[str, str]) -> TransitContents:
    contents = read({SELECT_TRANSIT: "9000", **answers}).transit
    assert contents is not None
    return contents


def fci(public: str) -> str:
    return Tlv(0x6F, Tlv(0xA5, Tlv(0x9F0C, bytes.fromhex(public)).encode()).encode()).encode().hex() + "9000"


def ppse(*entries: tuple[str, bytes]) -> str:
    directory = b"".join(
        Tlv(0x61, Tlv(0x4F, bytes.fromhex(aid)).encode() + Tlv(0x50, label).encode()).encode() for aid, label in entries
    )
    return Tlv(0x6F, Tlv(0xA5, Tlv(0xBF0C, directory).encode()).encode()).encode().hex() + "9000"


def test_the_published_sample_card_is_read_whole():
    contents = transit(
        {
            SELECT_TRANSIT: fci(PUBLIC),
            READ_MANAGEMENT: MANAGEMENT + "9000",
            BALANCE_TOTAL: BALANCE,
            LOG_1: LOG,
            TRIP_1: TRIP,
        }
    )
    assert contents.public is not None
    expected = SAMPLES["file_0015"]["expected"]
    assert contents.public.pan == expected["card_number"]
    assert (contents.public.valid_from, contents.public.valid_to) == (expected["issue"], expected["expiry"])
    assert contents.management is not None
    assert (contents.management.city, contents.management.card_class) == ("5840", 1)
    assert contents.balance_minor == SAMPLES["balance"]["expected_fen"]
    (log,) = contents.log
    assert (log.sequence, log.amount_minor, log.type) == (1069, 500, 9)
    assert (log.terminal.hex(), log.date + log.time) == ("300089000340", "20241229141740")
    (trip,) = contents.trips
    assert (trip.type, trip.industry, trip.amount_minor, trip.balance_minor) == (4, 1, 500, 3585)
    assert (trip.city, trip.terminal.hex(), trip.institution.hex().upper()) == (
        "1000",
        "300089000340",
        "01011000FFFFFFFF",
    )
    assert contents.process is None


def test_file_15_is_read_where_the_fci_does_not_carry_it():
    public = transit({SELECT_TRANSIT: "6F00" + "9000", READ_PUBLIC: PUBLIC + "9000"}).public
    assert public is not None
    assert public.pan == "3105170070104791381"


@pytest.mark.parametrize("broken", ["6F", "FF", "6F81", "6F05A503"], ids=str)
def test_a_broken_fci_does_not_stop_the_reading(broken: str):
    assert transit({SELECT_TRANSIT: broken + "9000", READ_PUBLIC: PUBLIC + "9000"}).public is not None


def test_a_card_that_wants_the_exact_length_gets_it():
    answers = {
        "00B095001E": PUBLIC + "9000",
        "00B097003C": "6700",
        "00B201C400": "6700",
        "00B201C417": LOG,
    }
    contents = transit(answers)
    assert contents.public is not None
    assert len(contents.log) == 1


@pytest.mark.parametrize(
    ("answers", "balance"),
    [
        pytest.param({BALANCE_ACTUAL: "000003E89000", BALANCE_TOTAL: "000007D09000"}, 1000, id="actual"),
        pytest.param({BALANCE_TOTAL: "8000164E9000"}, 5710, id="total with its top bit set"),
        pytest.param({BALANCE_TOTAL: "000003E89000", BALANCE_LIMIT: "000001F49000"}, 500, id="total less overdraft"),
        pytest.param({BALANCE_TOTAL: "000000649000", BALANCE_LIMIT: "000001F49000"}, -400, id="overdraft used"),
        pytest.param({BALANCE_ACTUAL: "9000"}, None, id="no data"),
        pytest.param({}, None, id="no purse"),
    ],
)
def test_balance_variants(answers: dict[str, str], balance: int | None):
    assert transit(answers).balance_minor == balance


@pytest.mark.parametrize(
    "second", ["6A83", "9000", "00" * 23 + "9000", "FF" * 23 + "9000", LOG[:30] + "9000"], ids=lambda text: text[:12]
)
def test_the_log_ends_at_an_unused_or_too_short_record(second: str):
    assert len(transit({LOG_1: LOG, LOG_2: second}).log) == 1


@pytest.mark.parametrize(
    "length", [pytest.param(32, id="shorter"), pytest.param(42, id="without reserve"), pytest.param(60, id="longer")]
)
def test_trip_records_of_other_lengths_are_read(length: int):
    raw = bytes.fromhex(TRIP)[:-2].ljust(length, b"\xee")[:length]
    (trip,) = transit({TRIP_1: raw.hex() + "9000"}).trips
    assert (trip.amount_minor, trip.time) == (500, "20241229141740")


def test_at_most_the_records_of_the_standard_are_asked():
    endless = {f"00B2{number:02X}C400": LOG for number in range(1, 256)}
    assert len(transit(endless).log) == 10


def test_the_ppse_leads_to_a_transit_application_of_another_name():
    sm_only = "A000000632010107"
    contents = read(
        {
            SELECT_PPSE: ppse(("A000000333010101", b"PBOC DEBIT"), (sm_only, b"MOT_T_EP")),
            "00A4040008A00000033301010100": fci(PUBLIC),
            SELECT_SM_ONLY: fci(PUBLIC),
        }
    )
    assert contents.transit is not None
    assert contents.transit.aid.hex().upper() == sm_only


@pytest.mark.parametrize(
    "directory", ["6A82", "9000", "6F03A501" + "9000", ppse(("A000000333010101", b"PBOC DEBIT"))], ids=lambda t: t[:10]
)
def test_a_card_without_transit_application(directory: str):
    assert read({SELECT_PPSE: directory}) == CardContents(None, None)


def test_social_security_fields_are_found_by_tag_in_any_version():
    without_extension = {
        "00B2012C00": "0710" + "37363832323534363900000000000000" + "9000",
        "00B2022C00": "03043" + "22E3030" + "9000",
        "00B2013400": "0812313130313035313934393132333130303258" + "9000",
        "00B2023400": "0904" + "张三".encode("gbk").hex() + "9000",
        "00B2033400": "0A0131" + "9000",
        "00B2043400": "EE0131" + "9000",
    }
    social = read({SELECT_SOCIAL: "9000", **without_extension}).social
    assert social is not None
    assert social.issuer == {"card_number": "768225469", "version": "2.00"}
    assert social.holder == {"social_number": "11010519491231002X", "name": "张三", "sex": "1"}


def test_a_protected_social_application_is_there_but_empty():
    social = read({SELECT_SOCIAL: "9000", "00B2012C00": "6982"}).social
    assert social is not None
    assert (social.issuer, social.holder) == ({}, {})


def test_a_card_pulled_while_reading_is_gone():
    class Pulled(Table):
        def transmit(self, command: bytes) -> bytes:
            raise CardGone("pulled")

    with pytest.raises(CardGone):
        drive(read_card(), Ports(card=Pulled({})))
