"""The identity application judged by programs that know PIV and nothing of us: OpenSC's tools and Yubico's library."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from card_os.engine import ByteCard
from card_os.profile.identity import KeySlot
from hardware.readers.pcsc import PcscConnection
from hardware.vault.demonstration import ISSUING_LABELS
from hardware.vault.software import SoftwareVault
from hardware.vault.vault import KeyLabel, MasterKey
from issuing.personalisation.demonstration_authority import authority_certificate, demonstration_authority
from issuing.personalisation.identity import Identity, child
from simulator.softcard.daemon import ReaderPair, VirtualReaders
from simulator.softcard.demonstration import IDENTITY_PIN, IDENTITY_PUK, VALIDITY, identity_memory, powered
from simulator.softcard.keys import VisibleKeys
from simulator.softcard.memory import CardMemory
from simulator.softcard.vpcd import VirtualReader

pytestmark = pytest.mark.needs_pcsc

NUMBER = 7
LIMIT_S = 60
MODULES = ("/usr/lib/x86_64-linux-gnu/opensc-pkcs11.so", "/usr/lib/aarch64-linux-gnu/opensc-pkcs11.so")
MESSAGE = b"citycard"


@cache
def cells() -> bytes:
    return identity_memory(NUMBER).content


@dataclass(frozen=True)
class Program:
    """Runs other people's programs against the virtual readers."""

    environment: dict[str, str]
    find: Callable[[str], str]

    def run(self, name: str, *arguments: str, code: int | None = 0) -> str:
        ended = subprocess.run(
            [self.find(name), *arguments],
            env={**os.environ, **self.environment, "LC_ALL": "C"},
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        said = ended.stdout + ended.stderr
        assert code is None or ended.returncode == code, said
        return said

    def pkcs11(self, *arguments: str, **options: int) -> str:
        module = next((path for path in MODULES if Path(path).exists()), None)
        if module is None:
            pytest.skip("opensc-pkcs11.so is missing: install the Debian package opensc-pkcs11")
        return self.run("pkcs11-tool", "--module", module, *arguments, **options)


@pytest.fixture
def card(pair: ReaderPair) -> Iterator[ByteCard]:
    card = powered(CardMemory(cells()), NUMBER, key_maker=VisibleKeys(NUMBER))
    with VirtualReader(pair.card.port) as slot:
        slot.insert(card)
        with PcscConnection(pair.card.reader, wait_s=5):
            pass  # pcscd has noticed the card: the programs find it at once
        yield card


@pytest.fixture
def program(readers: VirtualReaders, tool: Callable[[str], str], card: ByteCard, tmp_path: Path) -> Program:
    key = tmp_path / "management.key"
    key.write_text(":".join(f"{byte:02X}" for byte in management_key()))
    return Program({**readers.environment, "PIV_EXT_AUTH_KEY": str(key)}, tool)


def management_key() -> bytes:
    """24 bytes K1‖K2‖K1, as tools take a 3DES key."""
    wanted = child(
        KeyLabel.IDENTITY_MANAGEMENT,
        Identity(chip_serial=NUMBER.to_bytes(8, "big"), serial=bytes.fromhex(f"03109910{NUMBER:012d}")),
    )
    vault = SoftwareVault.demonstration(ISSUING_LABELS)
    key = bytes(vault.child_key(MasterKey(KeyLabel.IDENTITY_MANAGEMENT), wanted.factors))
    return key + key[:8]


def certificate(program: Program, identifier: str) -> x509.Certificate:
    shown = program.run("pkcs15-tool", "--read-certificate", identifier)
    return x509.load_pem_x509_certificate(shown[shown.index("-----BEGIN") :].encode())


def test_opensc_knows_the_card(program):
    assert "Personal Identity Verification Card" in program.run("opensc-tool", "-n")
    assert "Personal Identity Verification Card" in program.run("piv-tool", "-n")


@pytest.mark.parametrize(
    ("identifier", "kind"),
    [
        ("01", ec.EllipticCurvePublicKey),
        ("02", rsa.RSAPublicKey),
        ("03", rsa.RSAPublicKey),
        ("04", ec.EllipticCurvePublicKey),
    ],
)
def test_pkcs15_tool_reads_certificates_of_the_authority(program, identifier, kind):
    found = certificate(program, identifier)
    found.verify_directly_issued_by(authority_certificate(VALIDITY.first, VALIDITY.last))
    assert isinstance(found.public_key(), kind)


def test_pkcs15_tool_dumps_keys_pins_and_certificates(program):
    dumped = program.run("pkcs15-tool", "--dump")
    for line in (
        "PIN [PIV PUK]",
        "Private EC Key [PIV AUTH key]",
        "Private RSA Key [SIGN key]",
        "ModLength      : 2048",
    ):
        assert line in dumped
    assert dumped.count("X.509 Certificate [") == 4
    assert f"Serial number  : {'0' * 12}03109910{NUMBER:012d}" in dumped


def test_pkcs15_tool_changes_and_unblocks_the_pin(program):
    program.run("pkcs15-tool", "--change-pin", "--pin", IDENTITY_PIN, "--new-pin", "654321")
    assert "CKR_PIN_INCORRECT" in program.pkcs11("--login", "--pin", IDENTITY_PIN, "--test", code=1)
    program.run("pkcs15-tool", "--unblock-pin", "--puk", IDENTITY_PUK, "--new-pin", "11111111")
    program.run("pkcs15-tool", "--verify-pin", "--pin", "11111111")


def test_pkcs11_tool_finds_no_error(program):
    said = program.pkcs11("--login", "--pin", IDENTITY_PIN, "--test")
    assert "No errors" in said
    assert "RSA-PKCS: OK" in said


def sign(program: Program, folder: Path, identifier: str, *mechanism: str) -> bytes:
    (folder / "message").write_bytes(MESSAGE)
    files = ("-i", str(folder / "message"), "-o", str(folder / "signature"))
    program.pkcs11("--login", "--pin", IDENTITY_PIN, "--sign", "--id", identifier, "-m", *mechanism, *files)
    return (folder / "signature").read_bytes()


@pytest.mark.parametrize("identifier", ["01", "04"])
def test_a_p256_signature_verifies(program, tmp_path, identifier):
    signature = sign(program, tmp_path, identifier, "ECDSA-SHA256", "--signature-format", "openssl")
    key = certificate(program, identifier).public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    key.verify(signature, MESSAGE, ec.ECDSA(hashes.SHA256()))


def test_an_rsa_signature_verifies(program, tmp_path):
    signature = sign(program, tmp_path, "02", "SHA256-RSA-PKCS")
    key = certificate(program, "02").public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    key.verify(signature, MESSAGE, padding.PKCS1v15(), hashes.SHA256())


def test_pkcs11_tool_deciphers_what_was_enciphered_for_the_card(program, tmp_path):
    key = certificate(program, "03").public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    (tmp_path / "secret").write_bytes(key.encrypt(MESSAGE, padding.PKCS1v15()))
    files = ("-i", str(tmp_path / "secret"), "-o", str(tmp_path / "plain"))
    program.pkcs11("--login", "--pin", IDENTITY_PIN, "--decrypt", "--id", "03", "-m", "RSA-PKCS", *files)
    assert (tmp_path / "plain").read_bytes() == MESSAGE


def test_piv_tool_replaces_a_certificate(program, tmp_path):
    first, last = VALIDITY.first, VALIDITY.last
    certify = demonstration_authority("other", "1", first, last, random=lambda length: b"\x11" * length)
    der = certify(KeySlot.CARD_AUTHENTICATION, ec.generate_private_key(ec.SECP256R1()).public_key())
    new = x509.load_der_x509_certificate(der)
    (tmp_path / "new.pem").write_bytes(new.public_bytes(Encoding.PEM))
    # piv-tool's exit code is the number of bytes it wrote
    program.run("piv-tool", "-A", "M:9B:03", "-C", "9E", "-i", str(tmp_path / "new.pem"), code=None)
    assert certificate(program, "04") == new


def test_piv_tool_makes_the_card_generate_a_key(program, card, tmp_path):
    """Debian's piv-tool 0.23 cannot print the new public key (OpenSC issue 3156): what counts is that the card signs anew."""
    before = sign(program, tmp_path, "04", "ECDSA-SHA256")
    program.run("piv-tool", "-A", "M:9B:03", "-G", "9E:11", code=None)
    assert sign(program, tmp_path, "04", "ECDSA-SHA256") != before


@pytest.fixture
def session(pair: ReaderPair, card: ByteCard) -> Iterator[object]:
    """yubikit's own PivSession over our connection to the reader."""
    core = pytest.importorskip("yubikit.core", reason="yubikey-manager is missing: uv sync")
    smartcard = pytest.importorskip("yubikit.core.smartcard")
    piv = pytest.importorskip("yubikit.piv")

    class OurConnection(smartcard.SmartCardConnection):
        transport = core.TRANSPORT.USB

        def __init__(self, connection: PcscConnection) -> None:
            self._connection = connection

        def send_and_receive(self, apdu: bytes) -> tuple[bytes, int]:
            answer = self._connection.transmit(bytes(apdu))
            return answer[:-2], int.from_bytes(answer[-2:], "big")

    with PcscConnection(pair.card.reader, wait_s=5) as connection:
        yield piv.PivSession(OurConnection(connection))


def test_yubikit_opens_the_card_and_counts_its_pin_tries(session):
    from yubikit.core import InvalidPinError

    assert tuple(session.version) == (1, 0, 0)
    assert session.get_pin_attempts() == 3
    with pytest.raises(InvalidPinError) as refused:
        session.verify_pin("000000")
    assert refused.value.attempts_remaining == 2
    session.verify_pin(IDENTITY_PIN)


def test_yubikit_signs_and_deciphers(session):
    from yubikit.piv import KEY_TYPE, SLOT

    session.verify_pin(IDENTITY_PIN)
    signature = session.sign(SLOT.AUTHENTICATION, KEY_TYPE.ECCP256, MESSAGE, hashes.SHA256())
    session.get_certificate(SLOT.AUTHENTICATION).public_key().verify(signature, MESSAGE, ec.ECDSA(hashes.SHA256()))
    secret = session.get_certificate(SLOT.KEY_MANAGEMENT).public_key().encrypt(MESSAGE, padding.PKCS1v15())
    assert session.decrypt(SLOT.KEY_MANAGEMENT, secret, padding.PKCS1v15()) == MESSAGE
    session.verify_pin(IDENTITY_PIN)  # 9C wants it just before
    signature = session.sign(SLOT.SIGNATURE, KEY_TYPE.RSA2048, MESSAGE, hashes.SHA256(), padding.PKCS1v15())
    public = session.get_certificate(SLOT.SIGNATURE).public_key()
    public.verify(signature, MESSAGE, padding.PKCS1v15(), hashes.SHA256())


def test_yubikit_generates_keys_puts_objects_and_agrees_on_a_secret(session):
    from yubikit.core.smartcard import ApduError
    from yubikit.piv import KEY_TYPE, OBJECT_ID, SLOT

    with pytest.raises(ApduError) as refused:
        session.generate_key(SLOT.KEY_MANAGEMENT, KEY_TYPE.ECCP256)
    assert refused.value.sw == 0x6982
    session.authenticate(management_key())
    ours = session.generate_key(SLOT.KEY_MANAGEMENT, KEY_TYPE.ECCP256)
    other = ec.generate_private_key(ec.SECP256R1())
    session.verify_pin(IDENTITY_PIN)
    assert session.calculate_secret(SLOT.KEY_MANAGEMENT, other.public_key()) == other.exchange(ec.ECDH(), ours)
    new = session.generate_key(SLOT.AUTHENTICATION, KEY_TYPE.RSA2048)
    session.verify_pin(IDENTITY_PIN)
    signature = session.sign(SLOT.AUTHENTICATION, KEY_TYPE.RSA2048, MESSAGE, hashes.SHA256(), padding.PKCS1v15())
    new.verify(signature, MESSAGE, padding.PKCS1v15(), hashes.SHA256())
    session.put_object(OBJECT_ID.CHUID, bytes(range(256)) * 13)
    assert session.get_object(OBJECT_ID.CHUID) == bytes(range(256)) * 13


def test_yubikit_refuses_a_wrong_management_key(session):
    from yubikit.core.smartcard import ApduError

    with pytest.raises(ApduError) as refused:
        session.authenticate(bytes(range(24)))
    assert refused.value.sw == 0x6982


def test_yubikit_changes_and_unblocks_pin_and_puk(session):
    session.change_pin(IDENTITY_PIN, "12344321")
    session.change_puk(IDENTITY_PUK, "87654321")
    session.unblock_pin("87654321", IDENTITY_PIN)
    session.verify_pin(IDENTITY_PIN)


def test_opensc_explorer_talks_to_the_application(program, tmp_path):
    """The PIV driver has no MF to begin in; 3000 is what it calls the holder identifier."""
    script = tmp_path / "script"
    script.write_text("apdu 00CB3FFF035C017E00\nverify CHV128 31:32:33:34:35:36:FF:FF\n")
    said = program.run("opensc-explorer", "-m", "3000", str(script))
    assert "7E 12 4F 0B A0 00 00 03 08 00 00 10 00 01 00" in said
    assert "Code correct." in said


@pytest.fixture
def ykman(program: Program, pair: ReaderPair) -> Callable[..., str]:
    """Yubico's command line with the reader named: any PIV card will do."""
    pytest.importorskip("ykman", reason="yubikey-manager is missing: uv sync")
    own = Program(program.environment, lambda _: sys.executable)
    start = "import sys; from ykman._cli.__main__ import main; sys.argv[0] = 'ykman'; main()"
    return lambda *arguments: own.run("ykman", "-c", start, "--reader", pair.card.reader, "piv", *arguments)


def test_ykman_shows_the_slots(ykman):
    said = ykman("info")
    assert "PIN tries remaining" in said
    for slot in ("9A (AUTHENTICATION)", "9C (SIGNATURE)", "9D (KEY_MANAGEMENT)", "9E (CARD_AUTH)"):
        assert slot in said


@pytest.mark.parametrize(("algorithm", "slot"), [("RSA2048", "9a"), ("ECCP256", "9c")])
def test_ykman_makes_a_key_and_a_request_the_card_has_signed(ykman, tmp_path, algorithm, slot):
    public, request = str(tmp_path / "public.pem"), tmp_path / "request.pem"
    manager, holder = ("-m", management_key().hex()), ("-P", IDENTITY_PIN)
    ykman("keys", "generate", *manager, *holder, "-a", algorithm, slot, public)
    ykman("certificates", "request", *holder, "-s", "CN=test", slot, public, str(request))
    assert x509.load_pem_x509_csr(request.read_bytes()).is_signature_valid
    ykman("certificates", "generate", *manager, *holder, "-s", "CN=test", slot, public)
    ykman("certificates", "export", slot, str(tmp_path / "own.pem"))
    own = x509.load_pem_x509_certificate((tmp_path / "own.pem").read_bytes())
    own.verify_directly_issued_by(own)
