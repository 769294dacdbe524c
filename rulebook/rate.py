"""Exact rates in documents: written as text ("0.8", "1/3"), for a JSON number would have been a float on its way."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Any

from pydantic import BeforeValidator, Field


def _exact(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError('a rate is a text like "0.8" or "1/3"')
    try:
        return Fraction(value)
    except (ValueError, ZeroDivisionError) as error:
        raise ValueError(f'"{value}" is no rate; write a text like "0.8" or "1/3"') from error


Rate = Annotated[Fraction, BeforeValidator(_exact), Field(ge=0, le=1)]
"""A field of a pydantic document: a part of one, from 0 to 1."""
