"""Virtual readers under a real pcscd, and a personalised card to put into them.

A test here skips, naming what is missing, where the machine has no PC/SC. Each pytest worker starts a pcscd of its own."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Iterator
from functools import cache

import pytest

from card_os.engine import ByteCard, Card, blank_card
from card_os.profile.citizen import CITIZEN_CARD
from card_os.profile.social_security import (
    SOCIAL_HOLDER,
    SOCIAL_ISSUER,
    SocialHolder,
    SocialIssuer,
    identification_code,
)
from card_os.profile.transit import (
    CARD_HOLDER,
    MANAGEMENT,
    PUBLIC_APPLICATION,
    TRANSIT_PROCESS,
    CardHolder,
    Management,
    PublicApplication,
    TransitProcess,
)
from card_os.wire import identifiers as names
from hardware.readers.drive import Ports, drive
from hardware.vault.operations import perform
from hardware.vault.software import SoftwareVault
from hardware.vault.vault import KeyLabel, MasterKey
from issuing.personalisation.dialogue import Plan, personalise
from issuing.personalisation.identity import ISSUER, REGION, Identity
from simulator.softcard.daemon import DaemonUnavailable, ReaderPair, VirtualReaders, private_readers
from simulator.softcard.memory import CardMemory

VAULT = SoftwareVault.demonstration(frozenset(KeyLabel))


@pytest.fixture(scope="session")
def readers() -> Iterator[VirtualReaders]:
    try:
        with private_readers(pairs=2) as running:
            yield running
    except DaemonUnavailable as missing:
        pytest.skip(str(missing))


@pytest.fixture
def pair(readers: VirtualReaders) -> ReaderPair:
    return readers.pairs[0]


@pytest.fixture
def tool() -> Callable[[str], str]:
    """Path of a program, or a skip that names its Debian package."""
    packages = {"opensc-tool": "opensc", "pcsc_scan": "pcsc-tools", "scriptor": "pcsc-tools"}

    def find(name: str) -> str:
        path = shutil.which(name)
        if path is None:
            pytest.skip(f"{name} is missing: install the Debian package {packages[name]}")
        return path

    return find


def _random() -> Callable[[int], bytes]:
    numbers = itertools.count(1)
    return lambda length: (next(numbers) * 0x9E3779B97F4A7C15 % (1 << 8 * length)).to_bytes(length, "big")


@cache
def _personalised(number: int) -> bytes:
    identity = Identity(chip_serial=number.to_bytes(8, "big"), serial=bytes.fromhex(f"03109910{number:012d}"))
    transit, social = names.TRANSIT_DF, names.SOCIAL_DF
    contents = {
        (transit, names.SFI_PUBLIC): (
            PUBLIC_APPLICATION.encode(
                PublicApplication(
                    issuer=ISSUER,
                    application_type=2,
                    version=1,
                    serial=identity.serial.hex(),
                    valid_from="20260101",
                    valid_to="20361231",
                )
            ),
        ),
        (transit, names.SFI_HOLDER): (
            CARD_HOLDER.encode(
                CardHolder(identity_type=0, staff=0, name="测试", certificate_number="", certificate_type=0)
            ),
        ),
        (transit, names.SFI_MANAGEMENT): (MANAGEMENT.encode(Management(province="1000", city="1000", card_class=2)),),
        (transit, names.SFI_TRANSIT_PROCESS): (TRANSIT_PROCESS.encode(TransitProcess()),),
        (social, names.SFI_SOCIAL_ISSUER): SOCIAL_ISSUER.encode(
            SocialIssuer(
                identification_code=identification_code(region=REGION, chip_serial=identity.chip_serial),
                card_class="2",
                version="2.00",
                organisation="911000",
                issued="20260101",
                valid_to="20361231",
                card_number="768225469",
            )
        ),
        (social, names.SFI_SOCIAL_HOLDER): SOCIAL_HOLDER.encode(
            SocialHolder(
                social_number="11010519491231002X",
                name="测试",
                sex="2",
                nation="01",
                birthplace="110105",
                born="19491231",
            )
        ),
    }
    memory = CardMemory()
    transport = VAULT.child_key(MasterKey(KeyLabel.TRANSPORT), [identity.chip_serial])
    chip = ByteCard(blank_card(memory, identity.chip_serial, transport, _random()))
    ports = Ports(card=chip, vault=lambda operation: perform(VAULT, operation), persist=lambda _: None)
    plan = Plan(CITIZEN_CARD, identity, contents, {names.PIN: bytes.fromhex("123456")})
    drive(personalise(plan, resumed=False), ports)
    return memory.content


@pytest.fixture
def make_card() -> Callable[[int], ByteCard]:
    """A personalised citizen card of that number, each time in the state it left the office."""
    return lambda number: ByteCard(Card(CardMemory(_personalised(number)), _random()))
