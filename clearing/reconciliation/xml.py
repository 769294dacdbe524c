"""ISO 20022 messages as XML: read without anything active in them, held to their schema, written one way."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from importlib.resources import files
from typing import TypeAlias

from lxml import etree

Element: TypeAlias = etree._Element
NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:"
LARGEST_MESSAGE_BYTES = 32 * 1024 * 1024  # ours


class MalformedMessage(ValueError):
    """The message is refused whole; ``faults`` lists everything that is wrong with it."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = tuple(faults)


def read(content: bytes, accepted: Iterable[str]) -> tuple[str, Element]:
    """The message's name (``camt.053.001.08``) and root. ``accepted`` names. Raises ``MalformedMessage``."""
    if len(content) > LARGEST_MESSAGE_BYTES:
        raise MalformedMessage([f"the message has {len(content)} bytes; at most {LARGEST_MESSAGE_BYTES} are taken"])
    try:
        root = etree.fromstring(content, _parser())
    except (etree.XMLSyntaxError, ValueError) as error:
        raise MalformedMessage([f"not XML: {error}"]) from error
    if root.getroottree().docinfo.doctype:
        raise MalformedMessage(["the message has a DOCTYPE; send it without"])
    names = sorted(accepted)
    name = etree.QName(root).namespace or ""
    if name.removeprefix(NAMESPACE) not in names:
        raise MalformedMessage([f"namespace is {name!r}; taken are {', '.join(NAMESPACE + each for each in names)}"])
    check(root, name.removeprefix(NAMESPACE))
    return name.removeprefix(NAMESPACE), root


def check(root: Element, name: str) -> None:
    """Hold ``root`` to the schema of ``name``. Raises ``MalformedMessage`` with every fault."""
    schema = _schema(name)
    if not schema.validate(root):
        raise MalformedMessage([f"line {fault.line}: {fault.message}" for fault in schema.error_log])


def text(element: Element, path: str) -> str:
    """The text at ``path`` (tags divided by ``/``, in any namespace), stripped; empty where there is none."""
    found = element.findtext(_any(path))
    return found.strip() if found else ""


def every(element: Element, path: str) -> list[Element]:
    return list(element.findall(_any(path)))


def _any(path: str) -> str:
    return "/".join(f"{{*}}{tag}" for tag in path.split("/"))


def _parser() -> etree.XMLParser:
    # No entities, no network, no DTD: the message comes from outside.
    return etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)


@cache
def _schema(name: str) -> etree.XMLSchema:
    content = (files(__package__) / "schemas" / f"{name}.xsd").read_bytes()
    return etree.XMLSchema(etree.fromstring(content, _parser()))
