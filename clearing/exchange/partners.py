"""The other cities this one exchanges transactions with: part of the city's document."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from rulebook.messages.base import Hex

LARGEST_PACKAGE = 10_000
"""Transactions; what the published layout advises (``messages``)."""


def _of(length: int) -> AfterValidator:
    def check(value: bytes) -> bytes:
        if len(value) != length:
            raise ValueError(f"has {len(value)} bytes; it must have {length}")
        return value

    return AfterValidator(check)


CentreId = Annotated[Hex, _of(8)]
"""Names a city's clearing in every message: 8 bytes."""


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Partner(_Closed):
    """Another city. ``participant``: as which it stands in our books. ``issuers``: whose cards it answers for. ``public_key``:
    Ed25519, signs what comes from it. ``answer_within_days``: working days in which either side answers a package.
    ``claim_within_days``: days after a transaction in which it may still be claimed. The terms are ours."""

    participant: str
    centre: CentreId
    issuers: Annotated[tuple[CentreId, ...], Field(min_length=1)]
    public_key: Annotated[Hex, _of(32)]
    answer_within_days: Annotated[int, Field(gt=0, strict=True)] = 3
    claim_within_days: Annotated[int, Field(gt=0, strict=True)] = 30


class Exchange(_Closed):
    """``centre``: this city's own id in messages."""

    centre: CentreId
    partners: tuple[Partner, ...] = ()
    transactions_per_package: Annotated[int, Field(gt=0, le=LARGEST_PACKAGE, strict=True)] = LARGEST_PACKAGE

    @model_validator(mode="after")
    def _nobody_twice(self) -> Exchange:
        names = {
            "participant": [p.participant for p in self.partners],
            "centre": [self.centre.hex().upper(), *(p.centre.hex().upper() for p in self.partners)],
            "issuer": [issuer.hex().upper() for p in self.partners for issuer in p.issuers],
        }
        faults = [
            f"exchange: {what} {one} is there more than once"
            for what, found in names.items()
            for one in sorted({each for each in found if found.count(each) > 1})
        ]
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def partner(self, centre: bytes) -> Partner | None:
        return next((each for each in self.partners if each.centre == centre), None)

    def partner_of(self, issuer: bytes) -> Partner | None:
        """Who answers for that issuer's cards; None: nobody has an agreement with us."""
        return next((each for each in self.partners if issuer in each.issuers), None)
