"""The PSAM: MAC1 for the card, MAC2 from it, its number, and the hospital session."""

from __future__ import annotations

import pytest

from card_os.crypto.authentication import social_cryptogram
from card_os.profile import psam
from card_os.wire import commands as cmd
from card_os.wire import identifiers as names


def begin(card, sam, kit, **changes):
    card.send(cmd.select_name(names.TRANSIT_AID))
    ask = cmd.initialize_for_compound_purchase(key_id=1, amount_minor=0, terminal=kit.TERMINAL)
    answer = cmd.PurchaseInitialized.parse(card.send(ask))
    request = {
        "card": answer,
        "amount_minor": 0,
        "transaction_type": 9,
        "date": kit.DATE,
        "time": kit.TIME,
        "serial": kit.CARD_FACTORS[1],
        "issuer": kit.ISSUER,
    } | changes
    return cmd.SamInitialized.parse(sam.send(cmd.sam_initialize_for_purchase(**request)))


def number(sam) -> int:
    return psam.SAM_TRANSACTION_NUMBER.decode(sam.send(cmd.read_binary(names.SFI_SAM_TRANSACTION_NUMBER))).number


def test_the_number_moves_only_after_the_right_mac2(card, transit_sam, kit):
    assert begin(card, transit_sam, kit).terminal_sequence == 0
    assert begin(card, transit_sam, kit).terminal_sequence == 0
    transit_sam.send(cmd.sam_credit_for_purchase(bytes(4)), 0x9302)
    transit_sam.send(cmd.sam_credit_for_purchase(bytes(4)), 0x6985)
    assert number(transit_sam) == 0
    kit.purchase(card, transit_sam, 0)
    assert number(transit_sam) == 1
    assert begin(card, transit_sam, kit).terminal_sequence == 1


@pytest.mark.parametrize(
    "change",
    [{"amount_minor": 1}, {"time": bytes(3)}, {"issuer": bytes(8)}, {"serial": bytes(8)}, {"transaction_type": 6}],
    ids=lambda change: next(iter(change)),
)
def test_a_mac1_over_anything_else_is_refused_by_the_card(card, transit_sam, kit, change):
    permit = begin(card, transit_sam, kit, **change)
    debit = cmd.debit(terminal_sequence=permit.terminal_sequence, date=kit.DATE, time=kit.TIME, mac1=permit.mac1)
    card.send(debit, 0x9302)


def test_the_terminal_reads_what_it_needs(transit_sam, kit):
    application = psam.SAM_APPLICATION.decode(transit_sam.send(cmd.read_binary(names.SFI_SAM_APPLICATION)))
    assert (application.key_index, application.issuer) == (names.KEY_PURCHASE, kit.ISSUER)
    transit_sam.send(cmd.select_fid(names.MASTER_FILE))
    terminal = psam.SAM_TERMINAL.decode(transit_sam.send(cmd.read_binary(names.SFI_SAM_TERMINAL)))
    assert terminal.terminal == kit.TERMINAL
    card = psam.SAM_CARD.decode(transit_sam.send(cmd.read_binary(names.SFI_SAM_CARD)))
    assert card.serial == "0000" + kit.SAM_SERIAL.hex()


def test_nobody_else_moves_the_number(transit_sam, kit):
    transit_sam.send(cmd.update_binary(names.SFI_SAM_TRANSACTION_NUMBER, bytes(4)), 0x6982)
    transit_sam.send(cmd.select_fid(names.MASTER_FILE))
    transit_sam.authenticate(0, kit.sam_child("sam-maintenance"))
    transit_sam.send(cmd.select_fid(names.TRANSIT_SAM_DF))
    transit_sam.send(cmd.update_binary(names.SFI_SAM_TRANSACTION_NUMBER, bytes(4)), 0x6982)


def test_hospital_sam_and_vault_agree_with_the_card(card, hospital_sam, kit):
    first, second = b"\x01" * 8, b"\x02" * 8
    card.send(cmd.select_name(names.SOCIAL_AID))
    answer = card.send(cmd.internal_authenticate(names.KEY_SOCIAL_INTERNAL, first, second))
    assert answer == social_cryptogram(kit.child("social-internal"), first=first, second=second)
    hospital_sam.send(cmd.sam_encrypt(second), 0x6985)
    city, chip = kit.SOCIAL_FACTORS
    hospital_sam.send(cmd.sam_social_session(card_factor=chip, city_factor=city, random=first))
    assert hospital_sam.send(cmd.sam_encrypt(second)) == answer


def test_a_card_of_another_chip_is_not_believed(card, hospital_sam, kit):
    first, second = b"\x01" * 8, b"\x02" * 8
    card.send(cmd.select_name(names.SOCIAL_AID))
    answer = card.send(cmd.internal_authenticate(names.KEY_SOCIAL_INTERNAL, first, second))
    city, _ = kit.SOCIAL_FACTORS
    hospital_sam.send(cmd.sam_social_session(card_factor=bytes(8), city_factor=city, random=first))
    assert hospital_sam.send(cmd.sam_encrypt(second)) != answer


def test_social_update_by_both_forms_of_authentication(card, kit):
    card.send(cmd.select_name(names.SOCIAL_AID))
    key = kit.child("social-update")
    challenge = card.send(cmd.get_challenge(8))
    cryptogram = social_cryptogram(key, first=challenge, second=b"\x05" * 8)
    card.send(cmd.external_authenticate(names.KEY_SOCIAL_UPDATE, cryptogram + b"\x05" * 8))
    card.send(cmd.update_record(6, 4, b"\x0a\x012"))
    assert card.send(cmd.read_record(6, 4)) == b"\x0a\x012"
    challenge = card.send(cmd.get_challenge(4))
    card.send(cmd.external_authenticate(names.KEY_SOCIAL_UPDATE, kit.external_cryptogram(key, challenge)))
