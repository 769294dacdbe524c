"""The bank accounts of participants and books, and how a book is settled through its own: part of the city's document."""

from __future__ import annotations

from enum import StrEnum, unique
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


@unique
class Netting(StrEnum):
    GROSS = "gross"  # every pair pays in both directions
    BILATERAL = "bilateral"  # every pair pays the difference
    MULTILATERAL = "multilateral"  # every participant pays or gets one amount


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class BankAccount(_Closed):
    """An account at a Chinese bank: there is no IBAN. ``number``: 8 to 32 digits; ``bank_code``: the branch's 12-digit number
    in the national payment system (CNAPS); ``name``: the holder as the bank knows it."""

    number: Annotated[str, Field(pattern=r"^[0-9]{8,32}$")]
    bank_code: Annotated[str, Field(pattern=r"^[0-9]{12}$")]
    name: Annotated[str, Field(min_length=1, max_length=140)]


class BookAtBank(_Closed):
    """``ledger``: the code of the ledger account that stands for ``account``. ``opening_minor``: what was on it before the
    first statement (fen). ``pay_within_days``: working days from the window's business day to the settlement date (T+n)."""

    account: BankAccount
    ledger: str
    opening_minor: Annotated[int, Field(ge=0, strict=True)]
    netting: Netting = Netting.MULTILATERAL
    pay_within_days: Annotated[int, Field(gt=0, strict=True)] = 1
