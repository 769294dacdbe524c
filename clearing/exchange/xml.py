"""XML of exchange messages, read without anything active in it and held to its schema."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import TypeAlias

from lxml import etree

from clearing.exchange.messages import VERSION, Acknowledgement

Element: TypeAlias = etree._Element
NAMESPACE = "urn:citycard:exchange:1"
LARGEST_MESSAGE_BYTES = 32 * 1024 * 1024  # ours: 10,000 transactions have some 8 MB


class MalformedMessage(ValueError):
    """The message is refused whole; ``faults`` lists everything that is wrong with it, ``code`` says of which sort."""

    def __init__(self, code: Acknowledgement, faults: Sequence[str]) -> None:
        super().__init__("; ".join(faults))
        self.code = code
        self.faults = tuple(faults)


def parse(content: bytes) -> Element:
    """The root of a message that is as its schema says. Raises ``MalformedMessage``."""
    if len(content) > LARGEST_MESSAGE_BYTES:
        raise MalformedMessage(
            Acknowledgement.SCHEMA_ERROR,
            [f"the message has {len(content)} bytes; at most {LARGEST_MESSAGE_BYTES} are taken"],
        )
    try:
        root = etree.fromstring(content, _parser())
    except (etree.XMLSyntaxError, ValueError) as error:
        raise MalformedMessage(Acknowledgement.SCHEMA_ERROR, [f"not XML: {error}"]) from error
    if root.getroottree().docinfo.doctype:
        raise MalformedMessage(Acknowledgement.SCHEMA_ERROR, ["the message has a DOCTYPE; send it without"])
    if (version := token(root, "Header/Version")) not in ("", VERSION):
        detail = f"Version is {version!r}; this centre reads {VERSION}"
        raise MalformedMessage(Acknowledgement.VERSION_ERROR, [detail])
    schema = _schema()
    if not schema.validate(root):
        faults = [f"line {fault.line}: {fault.message.replace(f'{{{NAMESPACE}}}', '')}" for fault in schema.error_log]
        raise MalformedMessage(Acknowledgement.SCHEMA_ERROR, faults)
    return root


def token(element: Element, path: str) -> str:
    """The text at ``path`` (tags divided by ``/``) without white space around it; empty where there is none."""
    return (element.findtext(_qualified(path)) or "").strip()


def every(element: Element, path: str) -> list[Element]:
    return list(element.findall(_qualified(path)))


def begun(tag: str) -> Element:
    return etree.Element(f"{{{NAMESPACE}}}{tag}", nsmap={None: NAMESPACE})


def put(parent: Element, tag: str, value: object = None, **attributes: str) -> Element:
    """One more element below ``parent``; the new one."""
    child = etree.SubElement(parent, f"{{{NAMESPACE}}}{tag}", **attributes)
    if value is not None:
        child.text = str(value)
    return child


def written(root: Element) -> bytes:
    """UTF-8 with a declaration; equal trees give equal bytes."""
    content: bytes = etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)
    return content


def _qualified(path: str) -> str:
    return "/".join(f"{{{NAMESPACE}}}{tag}" for tag in path.split("/"))


def _parser() -> etree.XMLParser:
    # No entities, no network, no DTD: the message comes from outside.
    return etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
    )


@cache
def _schema() -> etree.XMLSchema:
    content = (files(__package__) / "schemas" / "exchange-1.xsd").read_bytes()
    return etree.XMLSchema(etree.fromstring(content, _parser()))
