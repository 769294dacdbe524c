"""What clearing tells one device, signed: a short statement that names the parts by their hashes, and the parts."""

from rulebook.parameters.deny_changes import DenyChange, DenyChanges, MalformedChanges, framed
from rulebook.parameters.package import MalformedPackage, Package, assembled, pack, unpack
from rulebook.parameters.statement import (
    ListPart,
    MalformedStatement,
    ParameterStatement,
    TariffPart,
    canonical_json,
    read_statement,
    seal_statement,
    signature_and_signed,
)

__all__ = [
    "DenyChange",
    "DenyChanges",
    "ListPart",
    "MalformedChanges",
    "MalformedPackage",
    "MalformedStatement",
    "Package",
    "ParameterStatement",
    "TariffPart",
    "assembled",
    "canonical_json",
    "framed",
    "pack",
    "read_statement",
    "seal_statement",
    "signature_and_signed",
    "unpack",
]
