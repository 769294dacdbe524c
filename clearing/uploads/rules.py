"""Resumable uploads as the HTTP working group drafts them (draft-ietf-httpbis-resumable-upload-10), and what is ours. Pure.

An upload is created by POST with the digest and length of the whole, appended to by PATCH at its offset, asked for by HEAD,
given up by DELETE. It is complete when the client says so; then its content is taken as if it had come in one piece. Of the
draft is not used: interim responses (104), which our server cannot send, and uploads of unknown length.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum, unique

from rulebook.messages.uploads import PARTIAL_UPLOAD

LIFETIME = timedelta(days=7)  # ours: as long as a bus may be without a network
OPEN_UPLOADS = 8  # ours: unfinished ones of one owner


@unique
class Target(StrEnum):
    """What the content is taken as."""

    BATCH = "batches"
    FILE = "files"


LARGEST: Mapping[Target, int] = {
    Target.BATCH: 64 * 1024 * 1024,  # ours: 150,000 records; a device forms batches of 1,000
    Target.FILE: 1024 * 1024 * 1024,  # ours: a day of 2.4 million records in our CSV form or as many bytes of another
}


@unique
class UploadRefusal(StrEnum):
    """Why an upload is not created or appended to, in order of precedence. The problem document's ``reason``."""

    HEADERS_WRONG = "upload_headers_wrong"
    TOO_LARGE = "upload_too_large"
    TOO_MANY = "too_many_uploads"
    UNKNOWN = "upload_unknown"
    ENDED = "upload_ended"
    MISMATCHING_OFFSET = "mismatching_upload_offset"
    INCONSISTENT_LENGTH = "inconsistent_upload_length"
    DIGEST_WRONG = "digest_wrong"


STATUS: Mapping[UploadRefusal, int] = {
    UploadRefusal.HEADERS_WRONG: 400,
    UploadRefusal.TOO_LARGE: 413,
    UploadRefusal.TOO_MANY: 429,
    UploadRefusal.UNKNOWN: 404,
    UploadRefusal.ENDED: 409,
    UploadRefusal.MISMATCHING_OFFSET: 409,
    UploadRefusal.INCONSISTENT_LENGTH: 400,
    UploadRefusal.DIGEST_WRONG: 422,
}


class HeadersWrong(ValueError):
    """``faults``: field and what is wrong with it."""

    def __init__(self, faults: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {fault}" for name, fault in faults.items()))
        self.faults = dict(faults)


@dataclass(frozen=True, slots=True)
class Creation:
    """``digest``: the SHA-256 of the whole. ``complete``: the request brings all of it."""

    length: int
    digest: bytes
    complete: bool


@dataclass(frozen=True, slots=True)
class Append:
    offset: int
    complete: bool


_BOOLEANS = {"?0": False, "?1": True}  # RFC 9651 §3.3.6
_INTEGER = re.compile(r"\d{1,15}")  # RFC 9651 §3.3.1, not below zero
_SHA256 = re.compile(r"(?:^|,)\s*sha-256=:([A-Za-z0-9+/=]*):\s*(?:,|$)")  # RFC 9530 §2


def creation(headers: Mapping[str, str]) -> Creation:
    """Of the headers (in lower case) of a POST. Raises ``HeadersWrong``."""
    faults: dict[str, str] = {}
    complete = _boolean(headers, "upload-complete", faults)
    length = _integer(headers, "upload-length", faults)
    digest = _digest(headers, faults)
    if faults:
        raise HeadersWrong(faults)
    return Creation(length, digest, complete)


def append(headers: Mapping[str, str]) -> Append:
    """Of the headers (in lower case) of a PATCH. Raises ``HeadersWrong``."""
    faults: dict[str, str] = {}
    complete = _boolean(headers, "upload-complete", faults)
    offset = _integer(headers, "upload-offset", faults)
    if headers.get("content-type", "").partition(";")[0].strip() != PARTIAL_UPLOAD:
        faults["content-type"] = f"must be {PARTIAL_UPLOAD}"
    if faults:
        raise HeadersWrong(faults)
    return Append(offset, complete)


def limit_header(target: Target, left: timedelta) -> str:
    """The field value of ``Upload-Limit`` while the upload lives another ``left``."""
    return f"max-size={LARGEST[target]}, max-age={max(int(left.total_seconds()), 0)}"


def _boolean(headers: Mapping[str, str], name: str, faults: dict[str, str]) -> bool:
    value = headers.get(name, "").strip()
    if value not in _BOOLEANS:
        faults[name] = "must be ?0 or ?1"
    return _BOOLEANS.get(value, False)


def _integer(headers: Mapping[str, str], name: str, faults: dict[str, str]) -> int:
    value = headers.get(name, "").strip()
    if not _INTEGER.fullmatch(value):
        faults[name] = "must be a whole number of at most 15 digits"
        return 0
    return int(value)


def _digest(headers: Mapping[str, str], faults: dict[str, str]) -> bytes:
    found = _SHA256.search(headers.get("repr-digest", ""))
    try:
        digest = base64.b64decode(found[1], validate=True) if found else b""
    except binascii.Error:
        digest = b""
    if len(digest) != 32:
        faults["repr-digest"] = "must hold sha-256=:base64 of 32 bytes:"
    return digest
