"""``POST /batches/collected``: batches of many devices that a depot brings."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import partial

from fastapi import APIRouter, Request

from backoffice.problems import Refused
from backoffice.web import Now, ServiceDep
from clearing.devices.key_change import keys_in_force
from clearing.devices.parameter_keys import keys_in
from clearing.files import FilesDep
from clearing.intake.service import Conflict
from clearing.intake.sets import Answer, Faults, take_batches
from clearing.settlement.queries import open_window
from rulebook.batch import MOST_DEVICES, MalformedBatch, unbundle
from rulebook.batch.batch import SIGNATURE_LENGTH
from rulebook.messages.batches import BatchAnswer, BatchAnswers, signed_receipt
from rulebook.messages.problems import Problem

LARGEST_BUNDLE = 64 * 1024 * 1024
"""Bytes of one request: some 150,000 records. Ours."""
_DEVICE = slice(4, 16)
"""Where a batch names it."""

router = APIRouter(tags=["intake"])


@router.post("/batches/collected", response_model_exclude_none=True)
async def take(request: Request, here: ServiceDep, files: FilesDep, moment: Now) -> BatchAnswers:
    """The content is ``rulebook.batch.bundle``. Nobody signs the request: every batch is signed by its device, and who brings
    it can neither change it nor bring it twice. Each is taken or refused by itself; its receipt is signed, for it is carried
    back."""
    batches = _unbundled(await _content(request))
    async with here.database.transaction() as session:
        window = await open_window(session)
        answers = await take_batches(session, files.raw, batches, window=window, now=moment)
        key = (await keys_in_force(session)).signing
    sign = partial(keys_in(here.settings.data_folder).sign, key)
    said = [_said(raw, answer, key.number, sign) for raw, answer in zip(batches, answers, strict=True)]
    return BatchAnswers(answers=said)


async def _content(request: Request) -> bytes:
    """Raises ``Refused`` 413 before more is read."""
    content = bytearray()
    async for part in request.stream():
        if len(content) + len(part) > LARGEST_BUNDLE:
            detail = f"more than {LARGEST_BUNDLE} bytes; bring the batches in several requests"
            raise Refused(413, "The bundle is too large", detail, reason="bundle_too_large")
        content += part
    return bytes(content)


def _unbundled(content: bytes) -> list[bytes]:
    try:
        batches = list(unbundle(content))
    except MalformedBatch as error:
        errors = [{"field": "bundle", "message": fault} for fault in error.faults]
        raise Refused(
            422, "The bundle is refused whole", str(error), reason="malformed_bundle", errors=errors
        ) from error
    if (devices := len({raw[_DEVICE] for raw in batches})) > MOST_DEVICES:
        detail = f"batches of {devices} devices; bring those of {MOST_DEVICES} in one request"
        raise Refused(413, "The bundle is too large", detail, reason="bundle_too_large")
    return batches


def _said(raw: bytes, answer: Answer, key: int, sign: Callable[[bytes], bytes]) -> BatchAnswer:
    content_hash = hashlib.sha256(raw[:-SIGNATURE_LENGTH]).digest()
    match answer:
        case Conflict(faults):
            problem = _problem(409, "Known with other content", "repeated_with_other_content", faults)
        case Faults(faults):
            problem = _problem(422, "The batch is refused whole", "malformed_batch", faults)
        case _:
            return BatchAnswer(content_hash=content_hash, receipt=signed_receipt(answer, key, sign))
    return BatchAnswer(content_hash=content_hash, problem=problem)


def _problem(status: int, title: str, reason: str, faults: Sequence[str]) -> Problem:
    return Problem(
        title=title,
        status=status,
        reason=reason,
        errors=[{"field": "batch", "message": fault} for fault in faults],
    )
