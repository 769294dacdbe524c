"""Conversations as data: command, expected status, expected data, why. Each begins on a personalised card after reset."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from card_os.profile.transit import PUBLIC_APPLICATION
from card_os.wire import commands as cmd
from card_os.wire import identifiers as names
from card_os.wire.apdu import CommandApdu

PIN = bytes.fromhex("123456")
WRONG = bytes.fromhex("654321")
TERMINAL = bytes.fromhex("991000000042")


@dataclass(frozen=True)
class Step:
    command: CommandApdu
    sw: int
    why: str
    data: str | None = None


def raw(text: str) -> CommandApdu:
    return CommandApdu.parse(bytes.fromhex(text))


TRANSIT = Step(cmd.select_name(names.TRANSIT_AID), 0x9000, "transit")
SOCIAL = Step(cmd.select_name(names.SOCIAL_AID), 0x9000, "social security")
WRONG_PIN = cmd.verify_pin(names.PIN, WRONG)
RIGHT_PIN = cmd.verify_pin(names.PIN, PIN)
LOAD_1 = cmd.initialize_for_load(key_id=1, amount_minor=1, terminal=TERMINAL)
LOAD_0 = cmd.initialize_for_load(key_id=1, amount_minor=0, terminal=TERMINAL)
PURCHASE_0 = cmd.initialize_for_purchase(key_id=1, amount_minor=0, terminal=TERMINAL)
COMPOUND_0 = cmd.initialize_for_compound_purchase(key_id=1, amount_minor=0, terminal=TERMINAL)
DEBIT = cmd.debit(terminal_sequence=0, date=bytes(4), time=bytes(3), mac1=bytes(4))
CREDIT = cmd.credit_for_load(date=bytes(4), time=bytes(3), mac2=bytes(4))

CONVERSATIONS: dict[str, tuple[Step, ...]] = {
    "three wrong PINs block it": (
        TRANSIT,
        Step(WRONG_PIN, 0x63C2, "two left"),
        Step(WRONG_PIN, 0x63C1, "one left"),
        Step(WRONG_PIN, 0x63C0, "none left"),
        Step(WRONG_PIN, 0x6983, "blocked"),
        Step(RIGHT_PIN, 0x6983, "the right one comes too late"),
        Step(LOAD_1, 0x6982, "and opens nothing"),
    ),
    "the right PIN gives the tries back": (
        TRANSIT,
        Step(WRONG_PIN, 0x63C2, "two left"),
        Step(RIGHT_PIN, 0x9000, "right"),
        Step(WRONG_PIN, 0x63C2, "two left again"),
    ),
    "a PIN of another key id does not exist": (TRANSIT, Step(cmd.verify_pin(5, PIN), 0x6A88, "no PIN 05")),
    "the PIN changes": (
        TRANSIT,
        Step(raw("805E010006654321FF1111"), 0x63C2, "not without the old one"),
        Step(raw("805E010006123456FF1111"), 0x9000, "with it"),
        Step(RIGHT_PIN, 0x63C2, "the old one is gone"),
        Step(cmd.verify_pin(0, bytes.fromhex("1111")), 0x9000, "the new one is it"),
    ),
    "a load needs the PIN": (
        TRANSIT,
        Step(LOAD_1, 0x6982, "not without"),
        Step(RIGHT_PIN, 0x9000, "with"),
        Step(LOAD_1, 0x9000, "now"),
    ),
    "selecting again forgets the PIN": (
        TRANSIT,
        Step(RIGHT_PIN, 0x9000, "with"),
        TRANSIT,
        Step(LOAD_1, 0x6982, "forgotten"),
    ),
    "the counters can be asked without PIN": (TRANSIT, Step(LOAD_0, 0x9000, "amount 0")),
    "nothing to spend": (
        TRANSIT,
        Step(cmd.get_balance(), 0x9000, "empty purse", "00000000"),
        Step(cmd.initialize_for_purchase(key_id=1, amount_minor=1, terminal=TERMINAL), 0x9401, "one fen too much"),
        Step(PURCHASE_0, 0x9000, "an entry costs nothing"),
    ),
    "a key that is not there": (
        TRANSIT,
        Step(cmd.initialize_for_purchase(key_id=2, amount_minor=0, terminal=TERMINAL), 0x9403, "purchase key 02"),
        Step(cmd.initialize_for_load(key_id=2, amount_minor=0, terminal=TERMINAL), 0x9403, "load key 02"),
    ),
    "debit without initialize": (TRANSIT, Step(DEBIT, 0x6985, "nothing begun")),
    "credit without initialize": (TRANSIT, Step(CREDIT, 0x6985, "nothing begun")),
    "a load is not finished by a debit": (
        TRANSIT,
        Step(LOAD_0, 0x9000, "begin a load"),
        Step(DEBIT, 0x6985, "wrong end"),
        Step(CREDIT, 0x6985, "and the load is over too"),
    ),
    "a wrong MAC1 ends the purchase": (
        TRANSIT,
        Step(PURCHASE_0, 0x9000, "begin"),
        Step(DEBIT, 0x9302, "MAC1 wrong"),
        Step(DEBIT, 0x6985, "begin anew"),
    ),
    "a wrong MAC2 ends the load": (
        TRANSIT,
        Step(LOAD_0, 0x9000, "begin"),
        Step(CREDIT, 0x9302, "MAC2 wrong"),
        Step(CREDIT, 0x6985, "begin anew"),
    ),
    "selecting drops a begun purchase": (
        TRANSIT,
        Step(PURCHASE_0, 0x9000, "begin"),
        TRANSIT,
        Step(DEBIT, 0x6985, "dropped"),
    ),
    "the limit of the purse": (
        TRANSIT,
        Step(RIGHT_PIN, 0x9000, "PIN"),
        Step(cmd.initialize_for_load(key_id=1, amount_minor=100_001, terminal=TERMINAL), 0x6A84, "one fen above"),
        Step(cmd.initialize_for_load(key_id=1, amount_minor=100_000, terminal=TERMINAL), 0x9000, "full"),
    ),
    "the cache belongs to compound purchases": (
        TRANSIT,
        Step(cmd.cache_trip(bytes(48)), 0x6985, "nothing begun"),
        Step(PURCHASE_0, 0x9000, "a plain purchase"),
        Step(cmd.cache_trip(bytes(48)), 0x6985, "has no cache"),
        Step(COMPOUND_0, 0x9000, "a compound one"),
        Step(cmd.cache_trip(bytes(48)), 0x9000, "has"),
        Step(cmd.cache_trip(bytes(47)), 0x6700, "of the right length"),
        Step(raw("80DC02D080" + "00" * 128), 0x6A83, "1A has one record"),
        Step(raw("80DC00B830" + "00" * 48), 0x6981, "17 has no records"),
        Step(raw("80DC00C830" + "00" * 48), 0x6A82, "no file 19"),
    ),
    "a transaction that was not done has no prove": (
        TRANSIT,
        Step(cmd.get_transaction_prove(transaction_type=9, sequence=0), 0x9406, "new card"),
        Step(cmd.get_transaction_prove(transaction_type=2, sequence=0), 0x9406, "new card"),
        Step(cmd.get_transaction_prove(transaction_type=0, sequence=0), 0x9406, "no such type"),
    ),
    "reading": (
        TRANSIT,
        Step(cmd.read_binary(0x15, length=2), 0x9000, "issuer code", "0199"),
        Step(cmd.read_binary(0x15, length=4, offset=4), 0x9000, "by offset", "FFFFFFFF"),
        Step(cmd.read_binary(0x15, length=31), 0x6C1E, "says how many there are"),
        Step(cmd.read_binary(0x15, offset=30), 0x6B00, "behind the end"),
        Step(cmd.read_binary(0x14), 0x6A82, "no such file"),
        Step(cmd.read_binary(0x18), 0x6981, "records"),
        Step(cmd.read_record(0x15, 1), 0x6981, "no records"),
        Step(cmd.read_record(0x18, 1), 0x6A83, "nothing happened yet"),
        Step(cmd.read_record(0x1A, 2), 0x6A83, "one record"),
        Step(cmd.read_binary(0x16), 0x6982, "the holder's name is behind the PIN"),
    ),
    "reading through the current file": (
        TRANSIT,
        Step(raw("00B0000000"), 0x6986, "none yet"),
        Step(cmd.select_fid(0x0017), 0x9000, "by id"),
        Step(raw("00B0000406"), 0x9000, "current file", "100010000001"),
    ),
    "updating needs the application key": (
        TRANSIT,
        Step(RIGHT_PIN, 0x9000, "the PIN is not enough"),
        Step(cmd.update_binary(0x15, b"\x00"), 0x6982, "public file"),
        Step(cmd.append_record(0x1E, bytes(48)), 0x6982, "trip log"),
        Step(cmd.update_record(0x1A, 1, bytes(128)), 0x6982, "transit process"),
        Step(cmd.append_record(0x18, bytes(23)), 0x6982, "the log"),
    ),
    "social security": (
        SOCIAL,
        Step(cmd.read_record(5, 2), 0x9000, "card class", "020133"),
        Step(raw("00B2072C0B"), 0x9000, "card number", "0709" + b"768225469".hex()),
        Step(raw("00B2072C0A"), 0x6C0B, "exact length"),
        Step(raw("00B20A3000"), 0x9000, "by tag: sex", "0A0131"),
        Step(raw("00B2333000"), 0x6A83, "no such tag"),
        Step(cmd.append_record(5, b"\x01\x00"), 0x6982, "closed"),
        Step(cmd.get_balance(), 0x6A82, "no purse here"),
    ),
    "the TAC key answers no challenge": (
        TRANSIT,
        Step(cmd.internal_authenticate(0, bytes(8), bytes(8)), 0x6985, "it signs transactions only"),
    ),
    "authentication wants its challenge": (
        TRANSIT,
        Step(cmd.external_authenticate(1, bytes(8)), 0x6984, "none"),
        Step(cmd.get_challenge(8), 0x9000, "one"),
        Step(cmd.get_balance(), 0x9000, "used up by any command"),
        Step(cmd.external_authenticate(1, bytes(8)), 0x6984, "none"),
        Step(cmd.get_challenge(8), 0x9000, "one"),
        Step(cmd.external_authenticate(1, bytes(8)), 0x63C4, "wrong"),
        Step(cmd.get_challenge(4), 0x9000, "one"),
        Step(cmd.external_authenticate(7, bytes(8)), 0x6A88, "no such key"),
    ),
    "only administration creates": (
        Step(raw("80E000190728001EF0F0FF00"), 0x6982, "MF"),
        TRANSIT,
        Step(raw("80E000190728001EF0F0FF00"), 0x6982, "DF"),
        Step(cmd.get_challenge(8), 0x9000, "challenge"),
        Step(raw("84D4010124" + "00" * 36), 0x6982, "key"),
    ),
    "selecting": (
        Step(cmd.select_fid(0x3F00), 0x9000, "MF", "6F128 40E315041592E5359532E4444463031A500".replace(" ", "")),
        Step(cmd.select_name(names.TRANSIT_AID[:5]), 0x9000, "by its beginning"),
        Step(cmd.select_name(b"UNKNOWN"), 0x6A82, "no such name"),
        Step(cmd.select_fid(0x2222), 0x6A82, "no such file"),
        Step(raw("00A4040205A000000632"), 0x6A82, "no next one"),
    ),
    "what is no command": (
        Step(raw("00FF0000"), 0x6D00, "instruction"),
        Step(raw("90A40000023F00"), 0x6E00, "class"),
        Step(raw("00A40900023F00"), 0x6A86, "P1"),
        Step(raw("00A4000001 3F".replace(" ", "")), 0x6700, "length"),
        Step(raw("0084000006"), 0x6700, "challenges have 4 or 8 bytes"),
        Step(raw("80500002 0A".replace(" ", "") + "00" * 10), 0x6700, "INITIALIZE has 11"),
        Step(raw("80500402 0B".replace(" ", "") + "00" * 11), 0x6A86, "no such transaction"),
        Step(raw("805C000104"), 0x6A86, "no deposit account on this card"),
        Step(raw("00B0F50000"), 0x6A86, "SFI has five bits"),
    ),
    "no PSAM": (
        TRANSIT,
        Step(cmd.sam_credit_for_purchase(bytes(4)), 0x6985, "nothing begun"),
        Step(cmd.sam_encrypt(bytes(8)), 0x6985, "no session"),
        Step(raw("8070000024" + "00" * 14 + "06" + "00" * 21), 0x6A80, "type"),
        Step(raw("8070000024" + "00" * 10 + "06" + "00" * 25), 0x9403, "no purchase master"),
        Step(cmd.sam_social_session(card_factor=bytes(8), city_factor=bytes(8), random=bytes(8)), 0x6A88, "none"),
    ),
}


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_conversation(card, name):
    for step in CONVERSATIONS[name]:
        answer = card.card.transmit(step.command)
        assert f"{answer.sw} {step.why}" == f"{step.sw:04X} {step.why}"
        if step.data is not None:
            assert answer.data.hex().upper() == step.data.upper(), step.why


def test_the_fci_carries_file_15(card):
    fci = card.send(cmd.select_name(names.TRANSIT_AID))
    public = card.send(cmd.read_binary(0x15))
    assert fci.endswith(b"\x9f\x0c\x1e" + public)
    assert PUBLIC_APPLICATION.decode(public).pan == "3109910000000000001"


def test_transport_keys_open_nothing_after_personalisation(card, kit):
    transport = kit.child_of_levels(kit.master("transport"), (kit.CHIP,))
    challenge = card.send(cmd.get_challenge(8))
    card.send(cmd.external_authenticate(0, kit.external_cryptogram(transport, challenge)), 0x63C4)
    card.authenticate(0, kit.child("maintenance"))
