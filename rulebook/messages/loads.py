"""A top-up between the agent's desk and clearing (design.md, "Top up")."""

from __future__ import annotations

from enum import StrEnum, unique

from rulebook.messages.base import Hex, Message


class LoadRequest(Message):
    """What INITIALIZE FOR LOAD answered, with what the desk put in. The id is (issuer, serial, purse, online_sequence).
    Amounts fen; ``date`` and ``time`` BCD as they will stand in MAC2; ``serial`` 0x15[10..19]."""

    device: str
    issuer: Hex
    serial: Hex
    purse: int
    online_sequence: int
    amount_minor: int
    balance_minor: int
    key_version: int
    algorithm: int
    random: Hex
    mac1: Hex
    terminal: Hex
    date: Hex
    time: Hex


class LoadAuthorised(Message):
    """MAC2 for CREDIT FOR LOAD."""

    mac2: Hex


class LoadConfirmation(Message):
    """The card's TAC after CREDIT FOR LOAD, or from GET TRANSACTION PROVE at a later contact."""

    device: str
    issuer: Hex
    serial: Hex
    purse: int
    online_sequence: int
    tac: Hex


class LoadQuestion(Message):
    """``POST /loads/standings``: where does this load stand? Answered with ``LoadStanding``."""

    device: str
    issuer: Hex
    serial: Hex
    purse: int
    online_sequence: int


@unique
class LoadState(StrEnum):
    RESERVED = "reserved"
    POSTED = "posted"
    VOIDED = "voided"


class LoadStanding(Message):
    """Where a load stands after a confirmation or a question: what is under its TAC, with ``balance_minor`` before it."""

    state: LoadState
    amount_minor: int
    balance_minor: int
    terminal: Hex
    date: Hex
    time: Hex


@unique
class LoadRefusal(StrEnum):
    """Why a load is not authorised, in order of precedence. The problem document's ``reason``."""

    CARD_UNKNOWN = "card_unknown"
    CARD_NOT_ACTIVE = "card_not_active"
    CARD_DENIED = "card_denied"
    MAC1_WRONG = "mac1_wrong"
    AMOUNT_NOT_POSITIVE = "amount_not_positive"
    PURSE_LIMIT_PASSED = "purse_limit_passed"
    REPEATED_WITH_OTHER_CONTENT = "repeated_with_other_content"
    EARLIER_LOAD_OPEN = "earlier_load_open"
    AGENT_WITHOUT_COVER = "agent_without_cover"


@unique
class ConfirmationRefusal(StrEnum):
    """Why a TAC posts nothing, in order of precedence. The problem document's ``reason``."""

    LOAD_UNKNOWN = "load_unknown"
    TAC_WRONG = "tac_wrong"
    AGENT_WITHOUT_COVER = "agent_without_cover"  # only for a load that had been voided before its TAC came
