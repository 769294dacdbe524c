"""Where an operator's file says what a record's fields are: a declared document, checked whole when it is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields
from enum import IntEnum, StrEnum, unique
from functools import cache
from importlib.resources import files
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from rulebook.record import Record
from rulebook.record.columns import RECORD_DTYPE
from rulebook.record.record import ENUM_FIELDS, TEXT_FIELDS

REQUIRED = frozenset(f.name for f in fields(Record) if f.default is MISSING)
"""Fields of a record that no default can stand for."""

_FINISHED = frozenset({"kind", "outcome", "refers_to"})
"""What an intent and its outcome differ in is known of a finished transaction."""


class MalformedLayout(ValueError):
    """``faults`` lists everything that is wrong with it."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = tuple(faults)


@unique
class Form(StrEnum):
    CSV = "csv"
    FIXED_WIDTH = "fixed-width"
    XML = "xml"


@unique
class Each(StrEnum):
    """What a row of the file is. A finished transaction becomes two records, the intent (2n - 1) and its outcome (2n), where
    n is what the row gives as ``journal_sequence``."""

    RECORD = "record"
    TRANSACTION = "transaction"


@unique
class Reading(StrEnum):
    """How a text is read. DECIMAL: a number without sign, times ten to the field's ``scale``. HEX: bytes, or a number."""

    DECIMAL = "decimal"
    HEX = "hex"
    TEXT = "text"


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Part(_Closed):
    """One piece of a field's text: of a CSV ``column``, of an XML ``path`` below the row's element, of a fixed-width line, or a
    ``constant``. ``start`` (from 1) and ``length`` cut characters out; a fixed-width line needs them."""

    column: str = ""
    path: Annotated[str, Field(pattern=r"^(@?\w+(/@?\w+)*)?$")] = ""
    constant: str = ""
    start: Annotated[int, Field(ge=0)] = 0
    length: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _one_place(self) -> Part:
        if sum(bool(each) for each in (self.column, self.path, self.constant)) > 1:
            raise ValueError("column, path and constant exclude each other")
        if bool(self.start) != bool(self.length):
            raise ValueError("start and length go together")
        if not (self.column or self.path or self.constant or self.start):
            raise ValueError("a part is a column, a path, a constant, or start and length")
        if not self.constant.isascii():
            raise ValueError("constant must be ASCII")
        return self

    @property
    def name(self) -> str:
        """How a fault calls it."""
        return self.column or self.path or self.constant or f"characters {self.start} to {self.start + self.length - 1}"


class FieldLayout(_Closed):
    """``record``: the record's field. The texts of ``parts`` are put together, translated by ``codes`` where there are any, and
    read as ``type`` says."""

    record: str
    parts: Annotated[tuple[Part, ...], Field(min_length=1)]
    type: Reading
    scale: Annotated[int, Field(ge=0, le=6)] = 0
    codes: dict[str, str] = {}

    @model_validator(mode="after")
    def _fits_the_record(self) -> FieldLayout:
        if self.record not in (RECORD_DTYPE.names or ()):
            raise ValueError(f"record is {self.record!r}, which is no field of a record")
        wanted = _types(self.record)
        if self.type not in wanted:
            raise ValueError(f"{self.record} is read as {' or '.join(wanted)}, not as {self.type}")
        return self

    @property
    def name(self) -> str:
        return " + ".join(part.name for part in self.parts)

    def code_table(self) -> dict[str, str]:
        """The declared codes, or the names of the record's own."""
        return self.codes or names_of(self.record)


class Layout(_Closed):
    """``row``: the path of a row's element below the root (XML). ``width``: characters of a line without its
    end (fixed-width). ``source`` and ``licence``: where the layout comes from, and what in it is ours."""

    name: str
    source: str
    licence: str
    form: Form
    each: Each = Each.RECORD
    row: Annotated[str, Field(pattern=r"^(\w+(/\w+)*)?$")] = ""
    width: Annotated[int, Field(ge=0)] = 0
    fields: tuple[FieldLayout, ...]

    @property
    def required(self) -> frozenset[str]:
        """Fields that every row must say; a finished transaction is proved by its TAC."""
        return (REQUIRED - _FINISHED) | {"tac"} if self.each is Each.TRANSACTION else REQUIRED

    @model_validator(mode="after")
    def _whole(self) -> Layout:
        if faults := list(self._faults()):
            raise ValueError("; ".join(faults))
        return self

    def _faults(self) -> Iterator[str]:
        names = [field.record for field in self.fields]
        yield from (f"{name} is laid out twice" for name in sorted({n for n in names if names.count(n) > 1}))
        if missing := sorted(self.required - set(names)):
            yield f"nothing says what {', '.join(missing)} are; lay them out or declare a constant"
        if self.each is Each.TRANSACTION and (twice := sorted(_FINISHED & set(names))):
            yield f"{', '.join(twice)} follow from each = transaction; leave them out"
        if bool(self.row) != (self.form is Form.XML):
            yield "row is the path of a row's element in XML, and only there"
        if bool(self.width) != (self.form is Form.FIXED_WIDTH):
            yield "width is that of a fixed-width line, and only of one"
        for field in self.fields:
            yield from (f"{field.record}: {fault}" for part in field.parts if (fault := self._misplaced(part)))

    def _misplaced(self, part: Part) -> str:
        place = {Form.XML: part.path, Form.FIXED_WIDTH: ""}.get(self.form, part.column)
        if not part.constant and place != (part.column or part.path):
            return f"{part.name} is no place in a {self.form} file"
        if self.form is Form.FIXED_WIDTH and part.start + part.length - 1 > self.width:
            return f"{part.name} lie outside a line of {self.width}"
        return ""


def load_layout(document: Mapping[str, Any]) -> Layout:
    """Raises ``MalformedLayout`` with every fault."""
    try:
        return Layout.model_validate(document)
    except ValidationError as error:
        raise MalformedLayout(
            [
                f"{'.'.join(map(str, e['loc'])) or 'layout'}: {e['msg'].removeprefix('Value error, ')}"
                for e in error.errors()
            ]
        ) from error


def layout_named(name: str) -> Layout:
    """One that comes with this package. Raises ``LookupError``."""
    known = layout_names()
    if name not in known:
        raise LookupError(f"layout is {name!r}; there are {', '.join(known)}")
    return _packaged(name)


def layout_names() -> tuple[str, ...]:
    folder = files(__package__) / "layouts"
    return tuple(sorted(file.name.removesuffix(".json") for file in folder.iterdir() if file.name.endswith(".json")))


@cache
def _packaged(name: str) -> Layout:
    return Layout.model_validate_json((files(__package__) / "layouts" / f"{name}.json").read_bytes())


def names_of(field: str) -> dict[str, str]:
    """The names of a coded field, as texts, with their numbers."""
    meaning: type[IntEnum] | None = ENUM_FIELDS.get(field)
    return {code.name.lower(): str(code.value) for code in meaning} if meaning else {}


def _types(field: str) -> tuple[Reading, ...]:
    if field in TEXT_FIELDS:
        return (Reading.TEXT,)
    return (Reading.HEX,) if RECORD_DTYPE[field].kind == "V" else (Reading.DECIMAL, Reading.HEX)
