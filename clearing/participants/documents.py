"""Which documents participants agree on, what they are checked against, and how one comes into force by two persons. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum, unique
from importlib.resources import files
from typing import Any, Protocol

from clearing.apportionment.agreement import Agreements, load_agreements
from clearing.apportionment.demonstration import demonstration_agreements
from clearing.ledger.accounts import Kind, code
from clearing.participants import city_document
from clearing.participants.city_document import CityDocument
from clearing.participants.contracts import Contracts, load_contracts
from clearing.participants.effective import Document, MalformedDocument, read, unmade
from clearing.participants.rules import City
from rulebook.tariff import Tariff


@unique
class DocumentKind(StrEnum):
    CITY = "city"
    CONTRACTS = "contracts"
    APPORTIONMENT = "apportionment"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a document's names must be found in."""

    city: City
    tariff: Tariff


def _contracts(document: Mapping[str, Any], around: Surroundings) -> Document:
    city = around.city
    return load_contracts(document, accounts=city.settlement_accounts(), retained=city.retained())


def _agreements(document: Mapping[str, Any], around: Surroundings) -> Document:
    here = around.city.settlement_accounts()
    operators = {name for (_, name), account in here.items() if account == code(Kind.OPERATOR_PAYABLE, name)}
    return load_agreements(document, operators=operators, tariff=around.tariff)


def _city(document: Mapping[str, Any], _: Surroundings) -> Document:
    return read(document, CityDocument)


def _terms_unmade(before: Document | None, after: Document, *, today: date) -> list[str]:
    return unmade(before.terms if before is not None else (), after.terms, today=today)


class Unmade(Protocol):
    """How ``after`` would change what must stay of ``before``; each as a fault."""

    def __call__(self, before: Document | None, after: Document, *, today: date) -> list[str]: ...


@dataclass(frozen=True, slots=True)
class KindRule:
    """``load`` raises ``MalformedDocument`` with every fault found; ``model`` reads one that was published."""

    zh: str
    en: str
    model: type[Document]
    load: Callable[[Mapping[str, Any], Surroundings], Document]
    unmade: Unmade = _terms_unmade


KINDS: Mapping[DocumentKind, KindRule] = {
    DocumentKind.CITY: KindRule("参与方", "participants", CityDocument, _city, city_document.unmade),
    DocumentKind.CONTRACTS: KindRule("合同", "contracts", Contracts, _contracts),
    DocumentKind.APPORTIONMENT: KindRule("分摊协议", "apportionment", Agreements, _agreements),
}


def checked(
    kind: DocumentKind,
    document: Mapping[str, Any],
    *,
    before: Mapping[str, Any] | None,
    around: Surroundings,
    today: date,
) -> Document:
    """``before``: the version in force; what it says of the days up to ``today`` stays. Raises ``MalformedDocument`` with every
    fault found."""
    rule = KINDS[kind]
    found = rule.load(document, around)
    known = rule.model.model_validate(before) if before is not None else None
    if faults := rule.unmade(known, found, today=today):
        raise MalformedDocument(faults)
    return found


@unique
class DocumentState(StrEnum):
    PROPOSED = "proposed"
    WITHDRAWN = "withdrawn"
    APPROVED = "approved"


@unique
class DocumentEvent(StrEnum):
    APPROVE = "approve"
    WITHDRAW = "withdraw"


LIFE: Mapping[tuple[DocumentState, DocumentEvent], DocumentState] = {
    (DocumentState.PROPOSED, DocumentEvent.APPROVE): DocumentState.APPROVED,
    (DocumentState.PROPOSED, DocumentEvent.WITHDRAW): DocumentState.WITHDRAWN,
}


def demonstration_documents(*, its_network: bool = True) -> dict[DocumentKind, Mapping[str, Any]]:
    """What the demonstration's participants have agreed on (ours). ``its_network``: whether the tariff has the lines that the
    agreement on shared rides is about."""
    contracts = json.loads((files(__package__) / "contracts.json").read_bytes())
    return {DocumentKind.CONTRACTS: contracts} | (
        {DocumentKind.APPORTIONMENT: demonstration_agreements()} if its_network else {}
    )
