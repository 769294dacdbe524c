"""Keys made on the card, what they sign, and the two ways to prove the management key."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from card_os.crypto import asymmetric
from card_os.crypto.secure_messaging import with_mac
from card_os.engine import Card
from card_os.profile.identity import IDENTITY, KEY_ALGORITHMS, KeyAlgorithm
from card_os.profile.personalisation import create_container
from card_os.wire import commands as cmd
from card_os.wire import identity as wire
from card_os.wire.apdu import CommandApdu
from card_os.wire.identifiers import MASTER_FILE
from card_os.wire.tlv import Tlv, find
from issuing.personalisation.identity_application import public_key
from simulator.softcard.keys import RandomKeys, VisibleKeys
from simulator.softcard.memory import CardMemory

MESSAGE = b"citycard"
DIGEST = hashes.Hash(hashes.SHA256())
DIGEST.update(MESSAGE)
DIGEST_BYTES = DIGEST.finalize()
# DigestInfo of SHA-256 (RFC 8017 §9.2 note 1), padded as EMSA-PKCS1-v1_5.
INFO = bytes.fromhex("3031300d060960864801650304020105000420") + DIGEST_BYTES
PADDED = b"\x00\x01" + b"\xff" * (256 - 3 - len(INFO)) + b"\x00" + INFO


def signature(desk, algorithm: int, slot: int, block: bytes) -> bytes:
    found = find(desk.send(*wire.sign(algorithm, slot, block)), wire.TEMPLATE, wire.RESPONSE)
    assert found is not None
    return found


def test_a_p256_key_signs_and_agrees(desk):
    desk.manage()
    key = public_key(desk.generate(0x9D, 0x11))
    assert isinstance(key, ec.EllipticCurvePublicKey)
    desk.send(wire.verify(wire.padded("123456")))
    key.verify(signature(desk, 0x11, 0x9D, DIGEST_BYTES), MESSAGE, ec.ECDSA(hashes.SHA256()))
    other = ec.derive_private_key(4711, ec.SECP256R1())
    point = asymmetric.p256_point((4711).to_bytes(32, "big"))
    shared = find(desk.send(*wire.agree(0x11, 0x9D, point)), wire.TEMPLATE, wire.RESPONSE)
    assert shared == other.exchange(ec.ECDH(), key)


def test_an_rsa_key_signs_and_deciphers(desk):
    desk.manage()
    key = public_key(desk.generate(0x9E, 0x07))
    assert isinstance(key, rsa.RSAPublicKey)
    key.verify(signature(desk, 0x07, 0x9E, PADDED), MESSAGE, padding.PKCS1v15(), hashes.SHA256())
    secret = key.encrypt(MESSAGE, padding.PKCS1v15())
    assert signature(desk, 0x07, 0x9E, secret).endswith(b"\x00" + MESSAGE)


def test_every_generation_makes_another_key(desk):
    desk.manage()
    assert len({desk.generate(0x9A, 0x11) for _ in range(4)}) == 4


def test_keys_of_the_operating_system(image):
    memory = CardMemory(image())
    card = Card(memory, bytes, key_maker=RandomKeys())
    card.transmit(cmd.select_name(wire.IDENTITY_AID))
    maker = RandomKeys()
    p, q = maker.rsa_2048()
    assert (p * q).bit_length() == 2048
    assert maker.p256() != maker.p256()


def test_visible_keys_repeat_with_their_seed():
    assert VisibleKeys(3).p256() == VisibleKeys(3).p256() != VisibleKeys(4).p256()
    assert VisibleKeys(3).rsa_2048() == VisibleKeys(3).rsa_2048()


def test_without_a_key_maker_no_key_is_made(image, identity_kit):
    memory = CardMemory(image())
    desk = identity_kit.Desk(Card(memory, lambda length: bytes(length)), memory)
    desk.reset()
    desk.manage()
    desk.send(wire.generate_key_pair(0x9A, 0x11), sw=0x6A81)


def test_keys_and_objects_outlive_a_reset(desk):
    desk.manage()
    desk.generate(0x9E, 0x11)
    before = signature(desk, 0x11, 0x9E, DIGEST_BYTES)
    desk.reset()
    assert signature(desk, 0x11, 0x9E, DIGEST_BYTES) == before
    desk.send(wire.generate_key_pair(0x9E, 0x11), sw=0x6982)


def test_a_replaced_private_key_does_not_stay_in_the_memory(desk):
    scalar = VisibleKeys(1).p256().to_bytes(32, "big")
    desk.manage()
    desk.generate(0x9E, 0x11)
    assert scalar in desk.memory.content
    desk.generate(0x9E, 0x11)
    # What the journal held last is the entry, never a key.
    assert scalar not in desk.memory.content


@pytest.mark.parametrize("algorithm", ["3DES", "AES-128"])
def test_mutual_authentication(image, identity_kit, algorithm):
    desk = identity_kit.powered(image(algorithm))
    _, identifier = identity_kit.ALGORITHMS[algorithm]
    key, block = identity_kit.MANAGEMENT, 8 if algorithm == "3DES" else 16
    independent = {"3DES": lambda: _triple_des(key), "AES-128": lambda: algorithms.AES128(key)}[algorithm]()
    cipher = Cipher(independent, modes.ECB())

    def step(*items: Tlv, sw: int = 0x9000) -> bytes:
        return desk.send(*wire.general_authenticate(identifier, wire.MANAGEMENT_KEY, *items), sw=sw)

    witness = find(step(Tlv(wire.WITNESS, b"")), wire.TEMPLATE, wire.WITNESS)
    clear = cipher.decryptor().update(witness)
    challenge = bytes(range(block))
    answer = find(step(Tlv(0x80, clear), Tlv(0x81, challenge), Tlv(0x82, b"")), wire.TEMPLATE, wire.RESPONSE)
    assert answer == cipher.encryptor().update(challenge)
    desk.generate(0x9A, 0x11)
    step(Tlv(0x80, clear), Tlv(0x81, challenge), sw=0x6982)  # a witness serves once
    desk.send(wire.generate_key_pair(0x9A, 0x11), sw=0x6982)


def _triple_des(key: bytes):
    from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES

    return TripleDES(key + key[:8])


@pytest.mark.parametrize("algorithm", ["3DES", "AES-128"])
def test_single_authentication(image, identity_kit, algorithm):
    desk = identity_kit.powered(image(algorithm))
    desk.manage(b"W" * 16, algorithm=algorithm, sw=0x6982)
    desk.send(wire.generate_key_pair(0x9A, 0x11), sw=0x6982)
    desk.manage(algorithm=algorithm)
    desk.generate(0x9A, 0x11)


REFUSED = {
    "a response without challenge": ((Tlv(0x82, bytes(8)),), 0x6982),
    "a witness without one given": ((Tlv(0x80, bytes(8)), Tlv(0x81, bytes(8))), 0x6982),
    "encryption for anybody (internal authentication)": ((Tlv(0x81, bytes(8)), Tlv(0x82, b"")), 0x6A80),
    "a host challenge of another length": ((Tlv(0x80, bytes(8)), Tlv(0x81, bytes(7))), 0x6A80),
    "both questions at once": ((Tlv(0x80, b""), Tlv(0x81, b"")), 0x6A80),
    "nothing": ((), 0x6A80),
    "the same tag twice": ((Tlv(0x81, b""), Tlv(0x81, b"")), 0x6A80),
}


@pytest.mark.parametrize("name", REFUSED)
def test_the_management_key_does_nothing_for_a_stranger(desk, name):
    items, sw = REFUSED[name]
    desk.send(*wire.general_authenticate(0x03, wire.MANAGEMENT_KEY, *items), sw=sw)
    desk.send(wire.generate_key_pair(0x9A, 0x11), sw=0x6982)


def test_a_challenge_is_no_witness(desk):
    """The card's own encrypted witness must not answer its challenge."""
    ask = wire.general_authenticate(0x03, wire.MANAGEMENT_KEY, Tlv(wire.WITNESS, b""))
    encrypted = find(desk.send(*ask), wire.TEMPLATE, wire.WITNESS)
    response = wire.general_authenticate(0x03, wire.MANAGEMENT_KEY, Tlv(wire.RESPONSE, encrypted))
    desk.send(*response, sw=0x6982)


def test_the_algorithm_table_names_what_is_not_yet():
    assert {row.label for row in KEY_ALGORITHMS.values()} == {"RSA-2048", "ECC P-256"}
    (missing,) = (row for row in KeyAlgorithm if row.identifier is None)
    assert missing is KeyAlgorithm.SM2
    assert missing.clause.startswith("not yet")


# RFC 6979 A.2.5, P-256 with SHA-256.
_SCALAR = bytes.fromhex("C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721")
_SIGNED = {
    b"sample": (
        0xEFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716,
        0xF7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8,
    ),
    b"test": (
        0xF1ABB023518351CD71D881567B1EA663ED3EFCF6C5132B354F28D3B0B7D38367,
        0x019F4113742A2B14BD25926B49C649155F267E60D3814B4C0CC84250E46F0083,
    ),
}


@pytest.mark.parametrize("message", _SIGNED)
def test_ecdsa_equals_rfc_6979(message):
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    digest = hashes.Hash(hashes.SHA256())
    digest.update(message)
    assert decode_dss_signature(asymmetric.p256_sign(_SCALAR, digest.finalize())) == _SIGNED[message]


def test_ecdh_equals_nist_cavp():
    """NIST CAVP ECC CDH primitive, P-256, COUNT = 0."""
    scalar = bytes.fromhex("7d7dc5f71eb29ddaf80d6214632eeae03d9058af1fb6d22ed80badb62bc1a534")
    point = bytes.fromhex(
        "04700c48f77f56584c5cc632ca65640db91b6bacce3a4df6b42ce7cc838833d287"
        "db71e509e3fd9b060ddb20ba5c51dcc5948d46fbf640dfe0441782cab85fa4ac"
    )
    shared = "46fc62106420ff012e54a434fbdd2d25ccc5852060561e68040dd7778997bd7b"
    assert asymmetric.p256_agree(scalar, point).hex() == shared


def test_rsa_equals_the_library():
    p, q = VisibleKeys(0).rsa_2048()
    key = p.to_bytes(128, "big") + q.to_bytes(128, "big")
    private = rsa.RSAPrivateNumbers(
        p=p,
        q=q,
        d=(d := pow(65537, -1, (p - 1) * (q - 1))),
        dmp1=d % (p - 1),
        dmq1=d % (q - 1),
        iqmp=pow(q, -1, p),
        public_numbers=rsa.RSAPublicNumbers(65537, p * q),
    ).private_key()
    assert asymmetric.rsa_private(key, PADDED) == private.sign(MESSAGE, padding.PKCS1v15(), hashes.SHA256())


def test_a_locked_application_is_selected_but_does_nothing(desk, kit):
    def lock(ins: int) -> None:
        challenge = desk.send(cmd.get_challenge(8))
        command = CommandApdu(0x84, ins, 0x00, 0x00)
        desk.send(with_mac(command, kit.child("maintenance"), challenge=challenge))

    lock(0x1E)
    assert desk.ask(cmd.select_name(wire.IDENTITY_AID)).sw.value == 0x6283
    for command in (wire.verify(wire.padded("123456")), wire.get_data(0x7E), wire.GET_VERSION):
        desk.send(command, sw=0x6985)
    lock(0x18)
    desk.send(wire.verify(wire.padded("123456")))


def test_an_erased_application_leaves_neither_keys_nor_rights(desk, kit):
    desk.send(cmd.select_fid(MASTER_FILE))
    challenge = desk.send(cmd.get_challenge(8))
    desk.send(cmd.external_authenticate(0, kit.external_cryptogram(kit.child("maintenance"), challenge)))
    desk.send(cmd.select_name(wire.IDENTITY_AID))
    desk.manage()
    desk.generate(0x9E, 0x11)
    desk.send(CommandApdu(0x80, 0x0E, 0x00, 0x00))
    assert VisibleKeys(1).p256().to_bytes(32, "big") not in desk.memory.content
    assert desk.ask(wire.GET_VERSION).sw.value != 0x9000
    assert IDENTITY.container is not None
    # Made again, it begins with nobody proved and nothing in it (its room is not given back: a small one).
    desk.send(create_container(replace(IDENTITY.container, pages=2)))
    desk.send(wire.generate_key_pair(0x9E, 0x11), sw=0x6982)
    desk.send(wire.get_data(0x5FC102), sw=0x6A82)
    desk.send(wire.verify(None), sw=0x6A88)
