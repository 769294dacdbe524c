"""A benefit policy as data: read once from its JSON document, checked whole, kept as frozen values.

The document's amounts and rates are decimal strings (yuan; 0 to 1). Values that depend on who and where stand in a
``Table``: insured class → hospital level → value, with ``"*"`` for all others. See ``policies/`` for documents.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from enum import StrEnum, unique
from fractions import Fraction
from importlib import resources
from typing import Any, Generic, TypeVar

from rulebook.messages.medical import InsuranceType, ItemClass, MedicalType
from rulebook.money import Amount, Rounding, yuan

OTHERS = "*"
V = TypeVar("V")


class MalformedPolicy(ValueError):
    """The document is no policy; the message names the place in it."""


class NotInPolicy(LookupError):
    """The policy says nothing for this class, level, care or item: it must not be guessed."""


@unique
class Per(StrEnum):
    """What a deductible or the position in the bands is counted over."""

    YEAR = "year"
    STAY = "stay"


@unique
class Measure(StrEnum):
    """What the bands' limits count: all expense in scope, or only what is above the deductible."""

    IN_SCOPE = "in-scope"
    AFTER_DEDUCTIBLE = "after-deductible"


@dataclass(frozen=True, slots=True)
class Table(Generic[V]):
    """By insured class, then by hospital level."""

    rows: Mapping[str, Mapping[str, V]]

    def value(self, insured_class: str, level: str) -> V:
        """Raises ``NotInPolicy``."""
        row = self.rows.get(insured_class, self.rows.get(OTHERS, {}))
        found = row.get(level, row.get(OTHERS))
        if found is None:
            raise NotInPolicy(f"the policy has no value for {insured_class} at a hospital of level {level}")
        return found


@dataclass(frozen=True, slots=True)
class Deductible:
    """``amounts`` by the how-many-eth stay of the year; the last one holds for all later ones. Over a year there is one."""

    per: Per
    amounts: Table[tuple[Amount, ...]]

    def limit(self, insured_class: str, level: str, nth_stay: int) -> Amount:
        amounts = self.amounts.value(insured_class, level)
        return amounts[min(nth_stay, len(amounts)) - 1]


@dataclass(frozen=True, slots=True)
class Band:
    """From the band before (or nil) up to ``up_to``; None has no upper end. Above the last band the fund pays nothing."""

    up_to: Amount | None
    rates: Table[Fraction]


@dataclass(frozen=True, slots=True)
class CareRules:
    """How one kind of care is paid. ``annual_cap``: what the fund pays at most in a year, None where nothing limits it."""

    deductible: Deductible
    bands_per: Per
    measure: Measure
    bands: tuple[Band, ...]
    annual_cap: Table[Amount] | None


@dataclass(frozen=True, slots=True)
class TopUp:
    """Critical-illness or large-amount fund: pays of the year's in-scope personal burden above ``threshold``, in bands
    that count from the threshold."""

    threshold: Amount
    bands: tuple[Band, ...]
    annual_cap: Amount | None


@dataclass(frozen=True, slots=True)
class Policy:
    """``insured_classes`` maps our classes to the national psn_type. ``first_self_pay`` holds where an item says nothing
    of its own. ``account_pays``: whether the personal account may pay the in-scope personal part. ``region`` is the
    six-digit insuplc_admdvs and settling agency."""

    name: str
    fund: str
    insurance_type: InsuranceType
    region: str
    valid_from: date
    valid_to: date | None
    insured_classes: Mapping[str, str]
    rounding: Rounding
    first_self_pay: Mapping[ItemClass, Fraction]
    account_pays: bool
    care: Mapping[MedicalType, CareRules]
    top_up: TopUp | None
    open_questions: tuple[str, ...]

    def rules_for(self, care: MedicalType) -> CareRules:
        """Raises ``NotInPolicy``."""
        if care not in self.care:
            raise NotInPolicy(f"{self.name} does not cover {care.name.lower()} care")
        return self.care[care]

    def holds_on(self, day: date) -> bool:
        return self.valid_from <= day and (self.valid_to is None or day <= self.valid_to)


def packaged_policies() -> tuple[Policy, ...]:
    """Every document in ``clearing/benefits/policies``, in order of file name."""
    folder = resources.files("clearing.benefits") / "policies"
    documents = sorted((item for item in folder.iterdir() if item.name.endswith(".json")), key=lambda item: item.name)
    return tuple(read_policy(json.loads(item.read_text(encoding="utf-8"), parse_float=_no_float)) for item in documents)


def read_policy(document: Mapping[str, Any]) -> Policy:
    """Raises ``MalformedPolicy``."""
    try:
        return Policy(
            name=document["name"],
            fund=document["fund"],
            insurance_type=InsuranceType(document["insutype"]),
            region=document["region"],
            valid_from=date.fromisoformat(document["valid_from"]),
            valid_to=_optional(document["valid_to"], date.fromisoformat),
            insured_classes=dict(document["insured_classes"]),
            rounding=Rounding(document["rounding"]),
            first_self_pay={ItemClass[name]: _rate(rate) for name, rate in document["first_self_pay"].items()},
            account_pays=document["account_pays"],
            care={MedicalType[name.upper()]: _care(rules) for name, rules in document["care"].items()},
            top_up=_optional(document["top_up"], _top_up),
            open_questions=tuple(document["open_questions"]),
        )
    except MalformedPolicy:
        raise
    except KeyError as error:
        raise MalformedPolicy(f"{document.get('name', 'policy')}: {error.args[0]!r} is missing or not known") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise MalformedPolicy(f"{document.get('name', 'policy')}: {error}") from error


def _care(rules: Mapping[str, Any]) -> CareRules:
    deductible = rules["deductible"]
    return CareRules(
        deductible=Deductible(Per(deductible["per"]), _table(deductible["amounts"], _amounts)),
        bands_per=Per(rules["bands_per"]),
        measure=Measure(rules["measure"]),
        bands=_bands(rules["bands"]),
        annual_cap=_optional(rules["annual_cap"], lambda table: _table(table, _amount)),
    )


def _top_up(rules: Mapping[str, Any]) -> TopUp:
    return TopUp(_amount(rules["threshold"]), _bands(rules["bands"]), _optional(rules["annual_cap"], _amount))


def _bands(documents: Sequence[Mapping[str, Any]]) -> tuple[Band, ...]:
    bands = tuple(Band(_optional(band["up_to"], _amount), _table(band["rates"], _rate)) for band in documents)
    limits = [band.up_to for band in bands]
    if not bands or None in limits[:-1]:
        raise MalformedPolicy("bands: there must be one, and only the last may be without up_to")
    known = [limit for limit in limits if limit is not None]
    if any(not lower < upper for lower, upper in zip([Amount(0), *known], known, strict=False)):
        raise MalformedPolicy(f"bands: up_to must rise from band to band, got {', '.join(map(str, known))}")
    return bands


def _table(document: Mapping[str, Mapping[str, Any]], read: Callable[[Any], V]) -> Table[V]:
    return Table({who: {where: read(value) for where, value in row.items()} for who, row in document.items()})


def _amounts(texts: list[str]) -> tuple[Amount, ...]:
    if not isinstance(texts, list) or not texts:
        raise MalformedPolicy(f"a deductible is a list with one amount for each stay, got {texts!r}")
    return tuple(map(_amount, texts))


def _amount(text: str) -> Amount:
    if not isinstance(text, str):
        raise MalformedPolicy(f"{text!r}: amounts are decimal strings of yuan")
    amount = yuan(text)
    if amount < Amount(0):
        raise MalformedPolicy(f"{text}: an amount of a policy is not negative")
    return amount


def _rate(text: str) -> Fraction:
    if not isinstance(text, str):
        raise MalformedPolicy(f"{text!r}: rates are decimal strings")
    try:
        rate = Fraction(Decimal(text))
    except (InvalidOperation, OverflowError) as error:
        raise MalformedPolicy(f"{text!r}: rates are decimal strings, e.g. 0.85") from error
    if not 0 <= rate <= 1:
        raise MalformedPolicy(f"{text}: a rate lies between 0 and 1")
    return rate


def _optional(value: Any, read: Callable[[Any], V]) -> V | None:
    return None if value is None else read(value)


def _no_float(text: str) -> Any:
    raise MalformedPolicy(f"{text}: amounts and rates are decimal strings, not JSON numbers")
