"""Terms with effective dates, in documents of which every version holds those of the past as well. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Annotated, Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

ONE_DAY = timedelta(days=1)


class Closed(BaseModel):
    """A part of a document: frozen, and no field that nobody knows."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class MalformedDocument(ValueError):
    """The document does not hold what it should; ``faults`` lists everything that is wrong with it."""

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(self.faults))


class Document(Closed):
    """A published one never changes; the next has the next version."""

    version: Annotated[int, Field(ge=1, strict=True)]

    @property
    def terms(self) -> tuple[Terms, ...]:
        """All that it holds, those of the past as well."""
        raise NotImplementedError


class Terms(Closed):
    """In force on ``effective_from`` and every day to ``effective_to`` (included; None: until terminated)."""

    effective_from: date
    effective_to: date | None = None

    @property
    def named(self) -> str:
        """Which terms they are, in every version of the document, in words."""
        raise NotImplementedError

    @model_validator(mode="after")
    def _begin_before_they_end(self) -> Self:
        if self.effective_to is not None and self.effective_to < self.effective_from:
            raise ValueError(f"{self.named}: effective_to lies before effective_from")
        return self

    def in_force_on(self, day: date) -> bool:
        return self.effective_from <= day and (self.effective_to is None or day <= self.effective_to)

    def meets(self, later: Terms) -> bool:
        """Whether one that does not begin earlier begins before this one has ended."""
        return later.effective_from <= (self.effective_to or date.max)


D = TypeVar("D", bound=Document)


def read(document: Mapping[str, Any], model: type[D]) -> D:
    """Raises ``MalformedDocument``."""
    try:
        return model.model_validate(dict(document))
    except ValidationError as error:
        raise MalformedDocument(
            f"{'.'.join(map(str, fault['loc'])) or 'document'}: {fault['msg']}" for fault in error.errors()
        ) from error


def unmade(before: Iterable[Terms], after: Iterable[Terms], *, today: date) -> list[str]:
    """How a document's next version, ``after``, would change what has been in force up to ``today``; each as a fault."""
    kept = {terms.named: terms for terms in after}
    begun = {terms.named: terms for terms in before if terms.effective_from <= today}
    faults = [f"{name} {why}" for name, terms in begun.items() if (why := _changed(terms, kept.get(name), today))]
    faults += [
        f"{name} is new; it can begin on {today + ONE_DAY}"
        for name, terms in kept.items()
        if name not in begun and terms.effective_from <= today
    ]
    return sorted(faults)


def _changed(before: Terms, after: Terms | None, today: date) -> str:
    if after is None or after.model_copy(update={"effective_to": before.effective_to}) != before:
        return "has begun; only its effective_to may change"
    ends = {before.effective_to, after.effective_to}
    if len(ends) > 1 and any(end is not None and end < today for end in ends):
        return f"has begun; its effective_to may be changed only from and to {today} or later"
    return ""
