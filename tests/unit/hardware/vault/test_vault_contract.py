"""One test body for both vaults: whoever holds the keys, the answers are the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from Crypto.Cipher import DES3
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from card_os.crypto.secret import Secret
from card_os.crypto.suites import Algorithm
from hardware.vault import demonstration
from hardware.vault.software import SoftwareVault
from hardware.vault.vault import KeyLabel, MasterKey, UnknownKey, Vault

ISSUER = bytes.fromhex("01991000FFFFFFFF")
CARD = bytes.fromhex("9910000000000017")
LOAD = MasterKey(KeyLabel.LOAD)
TAC_SM4 = MasterKey(KeyLabel.TAC, algorithm=Algorithm.SM4)


def complement(factor: bytes) -> bytes:
    return bytes(0xFF - byte for byte in factor)


def by_pycryptodome(key: bytes, *factors: bytes) -> bytes:
    """The second implementation: 3DES(parent, f) ‖ 3DES(parent, NOT f), level by level."""
    for factor in factors:
        key = DES3.new(key, DES3.MODE_ECB).encrypt(factor + complement(factor))
    return key


@pytest.fixture(
    scope="module", name="vault", params=["software", pytest.param("pkcs11", marks=pytest.mark.needs_softhsm)]
)
def a_vault(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vault]:
    labels = demonstration.ISSUING_LABELS - {KeyLabel.PIN_RELOAD}
    if request.param == "software":
        yield SoftwareVault.demonstration(labels)
        return
    pkcs11_vault = pytest.importorskip("hardware.vault.pkcs11")
    folder: Path = tmp_path_factory.mktemp("softhsm")
    pkcs11_vault.set_up_demonstration(folder, {"issuing": labels, "clearing": demonstration.CLEARING_LABELS})
    opened = pkcs11_vault.Pkcs11Vault.open(folder, token_label="issuing", pin=demonstration.PIN)
    yield opened
    opened.close()


@pytest.mark.parametrize("factors", [(ISSUER,), (ISSUER, CARD), (CARD, ISSUER, CARD)], ids=["one", "two", "three"])
def test_child_key_agrees_with_a_second_implementation(vault: Vault, factors: tuple[bytes, ...]) -> None:
    assert vault.child_key(LOAD, factors) == by_pycryptodome(demonstration.master(KeyLabel.LOAD), *factors)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(cards=st.lists(st.binary(min_size=8, max_size=8), max_size=40), levels=st.integers(0, 2))
def test_column_equals_child_keys_one_by_one(vault: Vault, cards: list[bytes], levels: int) -> None:
    upper = (ISSUER, CARD)[:levels]
    expected = b"".join(vault.child_key(LOAD, (*upper, card)) for card in cards)
    assert vault.child_keys(LOAD, upper, b"".join(cards)) == expected


def test_large_column_comes_back_whole(vault: Vault) -> None:
    column = b"".join(number.to_bytes(8, "big") for number in range(20_000))
    keys = vault.child_keys(LOAD, (ISSUER,), column)
    assert len(keys) == 320_000
    assert keys[-16:] == vault.child_key(LOAD, (ISSUER, column[-8:]))


def test_wrapped_master_opens_under_the_child_key(vault: Vault) -> None:
    under, factors = MasterKey(KeyLabel.TRANSPORT), (ISSUER, CARD)
    wrapped = vault.wrapped_master(MasterKey(KeyLabel.PURCHASE), under=under, factors=factors)
    opened = DES3.new(vault.child_key(under, factors), DES3.MODE_ECB).decrypt(wrapped)
    assert opened == demonstration.master(KeyLabel.PURCHASE)


@pytest.mark.parametrize("plaintext", [b"", b"x", b"\x00" * 1000], ids=["empty", "one", "thousand"])
def test_sealed_datum_comes_back(vault: Vault, plaintext: bytes) -> None:
    sealed = vault.seal("name", plaintext)
    assert len(sealed) == 12 + len(plaintext) + 16
    assert vault.unseal("name", sealed) == plaintext


def test_sealing_twice_gives_two_ciphertexts(vault: Vault) -> None:
    first, second = vault.seal("name", b"Li Ming"), vault.seal("name", b"Li Ming")
    assert first != second
    assert b"Li Ming" not in first + second


@pytest.mark.parametrize("position", [0, 12, -1], ids=["nonce", "text", "tag"])
def test_altered_datum_is_refused(vault: Vault, position: int) -> None:
    sealed = bytearray(vault.seal("name", b"Li Ming"))
    sealed[position] ^= 1
    with pytest.raises(ValueError, match="altered"):
        vault.unseal("name", bytes(sealed))


@pytest.mark.parametrize("sealed", [b"", bytes(12), bytes(27)], ids=len)
def test_datum_too_short_to_be_sealed_is_refused(vault: Vault, sealed: bytes) -> None:
    with pytest.raises(ValueError, match="altered"):
        vault.unseal("name", sealed)


def test_datum_of_another_purpose_is_refused(vault: Vault) -> None:
    with pytest.raises(ValueError, match="'photo'"):
        vault.unseal("photo", vault.seal("name", b"Li"))


def test_both_vaults_read_one_another(vault: Vault) -> None:
    other = SoftwareVault.demonstration([])
    assert other.unseal("name", vault.seal("name", b"Li")) == b"Li"
    assert other.token("citizen-id", b"11") == vault.token("citizen-id", b"11")


def test_token_depends_on_purpose_and_value(vault: Vault) -> None:
    tokens = {vault.token(purpose, value) for purpose in ("a", "ab") for value in (b"c", b"bc")}
    assert len(tokens) == 4
    assert {len(token) for token in tokens} == {32}


def test_master_that_is_not_here_is_unknown(vault: Vault) -> None:
    for missing in (MasterKey(KeyLabel.PIN_RELOAD), MasterKey(KeyLabel.LOAD, 2)):
        with pytest.raises(UnknownKey, match=missing.label):
            vault.child_key(missing, (ISSUER,))


@pytest.mark.parametrize("factors", [(), (b"short",), (ISSUER, b"123456789")], ids=["none", "short", "nine"])
def test_wrong_factors_are_refused(vault: Vault, factors: tuple[bytes, ...]) -> None:
    with pytest.raises(ValueError, match="factor"):
        vault.child_key(LOAD, factors)


def test_column_of_broken_factors_is_refused(vault: Vault) -> None:
    with pytest.raises(ValueError, match="9 bytes"):
        vault.child_keys(LOAD, (ISSUER,), bytes(9))


def test_no_key_shows_itself(vault: Vault) -> None:
    shown = f"{vault!r} {vault} {vault.child_key(LOAD, (ISSUER,))!r} {vars(vault)!r}"
    assert "TEST-" not in shown
    assert vault.child_key(LOAD, (ISSUER,)).hex() not in shown


@pytest.mark.needs_softhsm
def test_token_gives_out_no_master_and_no_level_key(tmp_path: Path) -> None:
    module = pytest.importorskip("hardware.vault.pkcs11")
    from pkcs11 import Attribute
    from pkcs11.exceptions import AttributeSensitive

    module.set_up_demonstration(tmp_path, {"only": [KeyLabel.LOAD]})
    vault = module.Pkcs11Vault.open(tmp_path, token_label="only", pin=demonstration.PIN)
    vault.child_key(LOAD, (ISSUER, CARD))
    kept = vault._levels
    assert len(kept) == 2
    for key in kept.values():
        assert key[Attribute.EXTRACTABLE] is False
        with pytest.raises(AttributeSensitive):
            key[Attribute.VALUE]
    vault.close()


@pytest.mark.needs_softhsm
def test_each_token_holds_only_its_labels(tmp_path: Path) -> None:
    module = pytest.importorskip("hardware.vault.pkcs11")
    module.set_up_demonstration(tmp_path, {"issuing": [KeyLabel.PURCHASE], "clearing": [KeyLabel.TAC]})
    module.set_up_demonstration(tmp_path, {"issuing": [KeyLabel.PURCHASE], "clearing": [KeyLabel.TAC]})
    clearing = module.Pkcs11Vault.open(tmp_path, token_label="clearing", pin=demonstration.PIN)
    with pytest.raises(UnknownKey):
        clearing.child_key(MasterKey(KeyLabel.PURCHASE), (ISSUER,))
    assert clearing.child_key(MasterKey(KeyLabel.TAC), (ISSUER,))
    with pytest.raises(UnknownKey, match="no key a SAM loads"):
        clearing.wrapped_master(MasterKey(KeyLabel.TAC), under=MasterKey(KeyLabel.TAC), factors=(ISSUER,))
    clearing.close()


@pytest.mark.needs_softhsm
def test_wrong_pin_is_named(tmp_path: Path) -> None:
    module = pytest.importorskip("hardware.vault.pkcs11")
    module.set_up_demonstration(tmp_path, {"only": []})
    with pytest.raises(module.VaultUnavailable, match="PinIncorrect"):
        module.Pkcs11Vault.open(tmp_path, token_label="only", pin="9999")


@pytest.fixture(name="sm4_vault")
def a_vault_with_sm4() -> SoftwareVault:
    return SoftwareVault.demonstration({KeyLabel.TAC, KeyLabel.PURCHASE, KeyLabel.TRANSPORT})


def sm4_ecb(key: bytes, data: bytes) -> bytes:
    return Cipher(algorithms.SM4(bytes(key)), modes.ECB()).encryptor().update(data)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(cards=st.lists(st.binary(min_size=8, max_size=8), max_size=40), levels=st.integers(0, 2))
def test_sm4_masters_are_diversified_with_sm4(sm4_vault: SoftwareVault, cards: list[bytes], levels: int) -> None:
    """SM4(parent, f ‖ NOT f), level by level."""
    parent, upper = bytes(demonstration.master(KeyLabel.TAC)), (ISSUER, CARD)[:levels]
    for factor in upper:
        parent = sm4_ecb(parent, factor + complement(factor))
    expected = [sm4_ecb(parent, card + complement(card)) for card in cards]
    assert sm4_vault.child_keys(TAC_SM4, upper, b"".join(cards)) == b"".join(expected)
    assert [sm4_vault.child_key(TAC_SM4, (*upper, card)) for card in cards] == expected


@pytest.mark.parametrize("factors", [(b"short",), (bytes(16),), (ISSUER, b"123456789")], ids=["short", "two", "nine"])
def test_wrong_factors_of_an_sm4_master_are_refused(sm4_vault: SoftwareVault, factors: tuple[bytes, ...]) -> None:
    with pytest.raises(ValueError, match="factor has"):
        sm4_vault.child_key(TAC_SM4, factors)
    with pytest.raises(ValueError, match="factor has"):
        sm4_vault.child_keys(TAC_SM4, factors, b"")


def test_a_master_is_wrapped_with_the_algorithm_of_the_key_above_it(sm4_vault: SoftwareVault) -> None:
    under = MasterKey(KeyLabel.TRANSPORT, algorithm=Algorithm.SM4)
    wrapped = sm4_vault.wrapped_master(MasterKey(KeyLabel.PURCHASE), under=under, factors=[CARD])
    assert wrapped == sm4_ecb(sm4_vault.child_key(under, [CARD]), demonstration.master(KeyLabel.PURCHASE))


def test_a_master_of_one_algorithm_is_not_there_for_the_other() -> None:
    vault = SoftwareVault({LOAD: Secret(bytes(16))}, seal_key=Secret(bytes(32)), token_key=Secret(bytes(32)))
    with pytest.raises(UnknownKey, match="load version 1 for SM4"):
        vault.child_key(MasterKey(KeyLabel.LOAD, algorithm=Algorithm.SM4), [CARD])


@pytest.mark.needs_softhsm
def test_a_token_without_sm4_says_where_such_a_master_lives(tmp_path: Path) -> None:
    module = pytest.importorskip("hardware.vault.pkcs11")
    module.set_up_demonstration(tmp_path, {"only": [KeyLabel.TAC]})
    vault = module.Pkcs11Vault.open(tmp_path, token_label="only", pin=demonstration.PIN)
    assert vault.child_key(MasterKey(KeyLabel.TAC), [CARD])
    with pytest.raises(UnknownKey, match="no SM4; tac version 1 for SM4 lives in a software vault"):
        vault.child_keys(TAC_SM4, [ISSUER], CARD)
    vault.close()
