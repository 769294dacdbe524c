"""What both ends of a resumable upload say (draft-ietf-httpbis-resumable-upload-10, RFC 9530); what a device signs is ours."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping

PARTIAL_UPLOAD = "application/partial-upload"
"""The media type of a PATCH (draft, "Media Type application/partial-upload")."""

SIGNED_HEADERS = ("repr-digest", "upload-complete", "upload-length", "upload-offset")


def boolean(value: bool) -> str:
    """RFC 9651 §3.3.6."""
    return "?1" if value else "?0"


def repr_digest(content: bytes) -> str:
    """The field value of ``Repr-Digest`` (RFC 9530 §3)."""
    return f"sha-256=:{base64.b64encode(hashlib.sha256(content).digest()).decode()}:"


def signed_head(method: str, path: str, headers: Mapping[str, str]) -> bytes:
    """What a device signs of a request that belongs to an upload: ``METHOD SP PATH LF``, then for each of ``SIGNED_HEADERS``
    that is there ``name: value LF`` (names in lower case). The content is not in it: the digest of the whole, signed at the
    creation, holds it."""
    lines = [f"{method} {path}", *(f"{name}: {headers[name]}" for name in SIGNED_HEADERS if name in headers)]
    return "".join(f"{line}\n" for line in lines).encode()
