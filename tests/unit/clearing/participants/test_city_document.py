"""The participants' document is checked whole."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from clearing.devices.rules import OPERATED_BY
from clearing.ledger.accounts import Kind
from clearing.participants.rules import City, Role, demonstration
from clearing.settlement.positions import party_of
from rulebook.messages.devices import DeviceKind


def _changed(**changes: Any) -> dict[str, Any]:
    return demonstration().model_dump(mode="json") | changes


def test_the_demonstration_has_every_role() -> None:
    assert {participant.role for participant in demonstration().participants} == set(Role)


def test_every_account_of_a_participant_counts_for_it() -> None:
    city = demonstration()
    for participant in city.participants:
        for book, code in participant.accounts:
            assert party_of(code, keeper=city.keepers[book]) == participant.id


def test_every_kind_of_terminal_is_some_participants() -> None:
    assert set(OPERATED_BY) == set(DeviceKind)


def test_the_document_reads_back() -> None:
    assert City.model_validate(demonstration().model_dump(mode="json")) == demonstration()


def test_an_opening_on_nobodys_account_is_named() -> None:
    opening = [
        {
            "id": "x",
            "book": "transit",
            "debit": "float-at-bank",
            "credit": "fees:x",
            "amount_minor": 1,
            "purpose": "fee",
        }
    ]
    with pytest.raises(ValidationError, match="account fees:x of transit is nobody's"):
        City.model_validate(_changed(opening=opening))


def test_a_book_without_keeper_is_named() -> None:
    with pytest.raises(ValidationError, match="book medical:employee-fund has no keeper"):
        City.model_validate(_changed(keepers={"transit": "card-company"}))


@pytest.mark.parametrize("amount", [0, -1, 1.5, "100"])
def test_an_opening_amount_is_a_whole_number_of_fen(amount: object) -> None:
    opening = demonstration().model_dump(mode="json")["opening"]
    with pytest.raises(ValidationError):
        City.model_validate(_changed(opening=[opening[0] | {"amount_minor": amount}]))


def _with_agent(code: str, limit: int) -> dict[str, Any]:
    agent = {
        "id": "agent-2",
        "role": "agent",
        "zh": "二",
        "en": "2",
        "accounts": [["transit", code]],
        "limit_minor": limit,
    }
    document = demonstration().model_dump(mode="json")
    return document | {"participants": [*document["participants"], agent]}


def test_an_agent_with_a_limit_has_it_on_its_account() -> None:
    city = City.model_validate(_with_agent("agent-with-limit:agent-2", 100000))
    assert {a.code: a.limit_minor for a in city.accounts() if a.limit_minor} == {"agent-with-limit:agent-2": 100000}


@pytest.mark.parametrize(("code", "limit"), [("agent-with-limit:agent-2", 0), ("agent-prefunded:agent-2", 5)])
def test_a_limit_and_its_account_go_together(code: str, limit: int) -> None:
    with pytest.raises(ValidationError, match="participant agent-2: limit_minor"):
        City.model_validate(_with_agent(code, limit))


def test_opening_transfers_carry_the_declared_day_not_todays() -> None:
    city = demonstration()
    assert {transfer.business_day for transfer in city.opening_transfers()} == {city.effective_from}
    assert Kind.FLOAT_AT_BANK in {account.kind for account in city.accounts()}


def _at_bank(book: str, **changes: object) -> dict[str, Any]:
    accounts = demonstration().model_dump(mode="json")["bank_accounts"]
    return _changed(bank_accounts=accounts | {book: accounts[book] | changes})


def _account(**changes: str) -> dict[str, str]:
    return demonstration().model_dump(mode="json")["bank_accounts"]["transit"]["account"] | changes


FAULTY_BANK_ACCOUNTS = {
    "another opening balance than the books": (
        _at_bank("transit", opening_minor=4_999_999),
        "the opening balances say 5000000",
    ),
    "an account of the ledger that is nobody's": (_at_bank("transit", ledger="fund-at-bank"), "is nobody's"),
    "one account for two books": (
        _at_bank("transit", account=_account(number="0200000109000000025")),
        "0200000109000000025 is of 2 books",
    ),
    "an IBAN": (_at_bank("transit", account=_account(number="DE75512108001245126162")), "account.number"),
    "a branch number of another length": (
        _at_bank("transit", account=_account(bank_code="10210009999")),
        "account.bank_code",
    ),
    "settled before it is traded": (_at_bank("transit", pay_within_days=0), "pay_within_days"),
}


@pytest.mark.parametrize(("document", "fault"), FAULTY_BANK_ACCOUNTS.values(), ids=FAULTY_BANK_ACCOUNTS)
def test_a_faulty_bank_account_is_refused(document: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValidationError, match=fault):
        City.model_validate(document)


def test_a_city_published_before_there_were_bank_accounts_still_loads() -> None:
    document = demonstration().model_dump(mode="json")
    del document["bank_accounts"]
    for participant in document["participants"]:
        del participant["bank_account"]
    assert City.model_validate(document).bank_accounts == {}
