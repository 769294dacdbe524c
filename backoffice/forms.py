"""What the services' forms share: an amount as a program says it, in fen, or as a person writes it, in yuan."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from fastapi import Depends, Form

from backoffice.problems import Refused

YUAN = r"^[0-9]{1,12}(\.[0-9]{1,2})?$"


def fen(yuan: str) -> int:
    """Of ``12``, ``12.3`` or ``12.30``, which is of the form ``YUAN``."""
    whole, _, part = yuan.partition(".")
    return int(whole) * 100 + int(part.ljust(2, "0"))


async def amount_given(
    amount_minor: Annotated[int | None, Form()] = None,
    amount_yuan: Annotated[str | None, Form(pattern=YUAN)] = None,
) -> int:
    """FastAPI dependency: fen, from the one field of the two that is there. Raises ``Refused`` 422."""
    if amount_yuan is not None and amount_minor is None:
        return fen(amount_yuan)
    if amount_minor is not None and amount_yuan is None:
        return amount_minor
    raise _wrong("give the amount once: amount_minor in fen, or amount_yuan in yuan")


Fen: TypeAlias = Annotated[int, Depends(amount_given)]


async def amount_above_zero(amount: Fen) -> int:
    """FastAPI dependency: the same, refused 422 where it is not above zero."""
    if amount <= 0:
        raise _wrong("must be above zero")
    return amount


FenAboveZero: TypeAlias = Annotated[int, Depends(amount_above_zero)]


def _wrong(message: str) -> Refused:
    faults = [{"field": "amount_minor", "message": message}]
    return Refused(422, "The request has wrong or missing fields", errors=faults, reason="invalid_fields")
