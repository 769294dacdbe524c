"""After a whole day no key, PIN, password or person stands in the clear: on no disk, in no log, journal, feed or statement."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random

import httpx
import pytest

from clearing.demonstration import ACCOUNTS as CLEARING_ACCOUNTS
from hardware.vault import demonstration
from hardware.vault.software import SoftwareVault
from hardware.vault.vault import KeyLabel, MasterKey
from issuing.demonstration import ACCOUNTS as ISSUING_ACCOUNTS
from issuing.personalisation.contents import DEMONSTRATION_PIN
from simulator.city.people import Citizen, citizens
from simulator.city.places import DAY
from simulator.city.run import Played
from simulator.city.statements import write_statements
from tests.integration.simulator.conftest import CARDS, SEED

Needles = Mapping[str, bytes]


@pytest.fixture(scope="module")
def people() -> list[Citizen]:
    return list(citizens(CARDS, random=Random(f"{SEED}:people"), on=DAY))


@pytest.fixture(scope="module")
def facts(city: Played) -> str:
    """The whole feed, as clearing and terminals get it."""
    headers = {"Authorization": f"Bearer {city.services.token}"}
    answer = httpx.get(f"{city.services.urls['issuing']}/feed?limit=5000", headers=headers, trust_env=False)
    page = answer.json()
    assert len(page["items"]) == page["last"] > CARDS
    return answer.text


@pytest.fixture(scope="module")
def persons(people: list[Citizen]) -> Needles:
    found = {f"citizen id {number}": one.citizen_id.encode() for number, one in enumerate(people)}
    # Names of two characters are words as well; six bytes by chance are no find in what the server writes.
    return found | {f"name {number}": one.name.encode() for number, one in enumerate(people) if len(one.name) > 2}


@pytest.fixture(scope="module")
def keys(facts: str) -> Needles:
    """Masters, and every key of every card, as bytes and as hexadecimal."""
    vault = SoftwareVault.demonstration(KeyLabel)
    values = {f"master {label}": bytes(demonstration.master(label)) for label in KeyLabel}
    values |= {"seal key": bytes(demonstration.SEAL_KEY), "token key": bytes(demonstration.TOKEN_KEY)}
    cards = {item["fact"]["serial"]: item["fact"] for item in _items(facts) if item["fact"]["kind"] == "card"}
    assert len(cards) == CARDS
    for serial, card in cards.items():
        factors = (bytes.fromhex(card["issuer"]), bytes.fromhex(serial)[-8:])
        for label in (KeyLabel.APPLICATION, KeyLabel.PURCHASE, KeyLabel.LOAD, KeyLabel.TAC, KeyLabel.MAINTENANCE):
            values[f"{label} key of card {serial}"] = bytes(vault.child_key(MasterKey(label), factors))
    return {f"{name} {form}": needle for name, value in values.items() for form, needle in _forms(value)}


def _items(facts: str) -> list[dict[str, dict[str, str]]]:
    items: list[dict[str, dict[str, str]]] = httpx.Response(200, text=facts).json()["items"]
    return items


def _forms(value: bytes) -> Iterator[tuple[str, bytes]]:
    yield "raw", value
    yield "hex", value.hex().encode()
    yield "HEX", value.hex().upper().encode()


def _found(data: bytes, needles: Needles) -> list[str]:
    return [name for name, needle in needles.items() if needle in data]


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.fixture(scope="module")
def everything(city: Played, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Every file of the city, the database's and its write-ahead log's among them, and the statements."""
    files = _files(city.order.folder)
    statements = write_statements(city, tmp_path_factory.mktemp("statements"))
    return {str(path): path.read_bytes() for path in [*files, *statements]}


def test_the_search_looks_where_things_are(everything: dict[str, bytes], facts: str) -> None:
    """Tokens of persons and serials of cards are to be found where they should, or the searches below prove nothing."""
    card = next(item["fact"] for item in _items(facts) if item["fact"]["kind"] == "card")
    assert any("/postgres/" in name for name, data in everything.items() if card["person"].encode() in data)
    assert any("/terminals/" in name for name, data in everything.items() if bytes.fromhex(card["serial"]) in data)
    assert sum(len(data) > 0 for name, data in everything.items() if "/log/" in name) == 2


def test_no_person_is_on_any_disk(everything: dict[str, bytes], persons: Needles) -> None:
    assert len(persons) > CARDS
    assert {name: found for name, data in everything.items() if (found := _found(data, persons))} == {}


def test_no_key_is_on_any_disk(everything: dict[str, bytes], keys: Needles) -> None:
    assert len(keys) > CARDS
    assert {name: found for name, data in everything.items() if (found := _found(data, keys))} == {}


def test_no_password_or_token_is_on_any_disk(city: Played, everything: dict[str, bytes]) -> None:
    """The roles' passwords stand in the one file that is for them."""
    needles = {name: account.password.encode() for name, account in {**ISSUING_ACCOUNTS, **CLEARING_ACCOUNTS}.items()}
    needles |= {"service token": city.services.token.encode(), "reader": str(city.services.reader.password).encode()}
    found = {Path(name).name: found for name, data in everything.items() if (found := _found(data, needles))}
    assert found == {"database-roles.json": ["reader"]}


def test_no_pin_is_in_log_journal_or_statement(everything: dict[str, bytes]) -> None:
    """As a PIN or in a VERIFY command; in the database's binary files three bytes stand by chance."""
    verify = bytes.fromhex("0020000003") + DEMONSTRATION_PIN
    needles = {"digits": DEMONSTRATION_PIN.hex().encode(), **dict(_forms(verify))}
    elsewhere = {name: data for name, data in everything.items() if "/postgres/" not in name}
    assert {name: found for name, data in elsewhere.items() if (found := _found(data, needles))} == {}


def test_the_feed_names_nobody_and_holds_no_key(
    facts: str, persons: Needles, keys: Needles, people: list[Citizen]
) -> None:
    assert _found(facts.encode(), {**persons, **keys}) == []
    assert not [one for one in people if one.name in facts]


def test_files_with_secrets_are_their_owners_only(city: Played) -> None:
    secrets = [path for path in _files(city.order.folder) if path.name in {"database-roles.json", "device.key"}]
    assert len(secrets) == 1 + city.terminals
    assert {oct(stat.S_IMODE(path.stat().st_mode)) for path in secrets} == {"0o600"}
