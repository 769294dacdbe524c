"""A large batch in pieces, each safe once it is answered (draft-ietf-httpbis-resumable-upload-10): after a broken connection
only what had no answer is sent again.

Nothing of it is kept on the device: who creates the upload of the same content again gets the same one, with its offset, or the
answer it did not hear.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import httpx

from card_os.wire.dialogue import HostSilent
from rulebook.messages.uploads import PARTIAL_UPLOAD, boolean, repr_digest

PATH = "/uploads/batches"
PIECE_BYTES = 128 * 1024
"""Ours: two seconds on a slow mobile network, and what is lost at most when it breaks."""

BEGIN_ANEW = frozenset({"mismatching_upload_offset", "upload_unknown", "upload_ended", "digest_wrong"})
"""Refusals of the upload itself, not of what is uploaded (``clearing.uploads.rules.UploadRefusal``)."""

Ask: TypeAlias = Callable[[str, str, Mapping[str, str], bytes], httpx.Response]
"""Method, path, headers (names in lower case) and content to the answer; raises as ``terminals.uplink.Uplink`` does."""


def upload(content: bytes, ask: Ask) -> httpx.Response:
    """What the whole is answered with. Raises ``HostSilent`` where it breaks off: called again it goes on from there."""
    told = {"upload-complete": "?0", "upload-length": str(len(content)), "repr-digest": repr_digest(content)}
    answer = ask("POST", PATH, told, b"")
    place = answer.headers.get("location", "")
    while answer.headers.get("upload-complete") != "?1":
        offset = _offset(answer, len(content))
        piece = content[offset : offset + PIECE_BYTES]
        end = offset + len(piece)
        headers = {
            "upload-complete": boolean(end == len(content)),
            "upload-offset": str(offset),
            "content-type": PARTIAL_UPLOAD,
        }
        answer = ask("PATCH", place, headers, piece)
        if answer.headers.get("upload-complete") != "?1" and _offset(answer, len(content)) <= offset:
            raise HostSilent(f"PATCH {place}: nothing of the piece at {offset} was taken")
    return answer


def _offset(answer: httpx.Response, length: int) -> int:
    value = answer.headers.get("upload-offset", "")
    if not (value.isascii() and value.isdecimal() and int(value) <= length):
        raise HostSilent(f"the answer's Upload-Offset is {value!r}")
    return int(value)
