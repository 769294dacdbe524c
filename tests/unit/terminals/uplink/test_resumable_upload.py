"""A large batch goes up in pieces; whatever breaks, no piece that was answered is sent again."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from card_os.wire.dialogue import HostSilent
from rulebook.batch import unseal
from rulebook.messages.devices import BatchReceipt
from rulebook.messages.medical import to_wire
from rulebook.messages.uploads import repr_digest, signed_head
from rulebook.record import Event, Kind, Record
from terminals.journal import Journal
from terminals.uplink import DeviceKey, HostRefused, Uplink
from terminals.uplink.resumable import PIECE_BYTES, upload

RECORD = Record(
    kind=Kind.INTENT,
    event=Event.RIDE,
    device="BUS-1",
    journal_sequence=0,
    issuer=bytes(8),
    serial=bytes(10),
    key_version=1,
    algorithm=0,
    transaction_type=9,
    amount_minor=100,
    balance_before_minor=5000,
    card_sequence=7,
    sam_terminal=bytes(6),
    date=bytes(4),
    time=bytes(3),
)


class Clearing:
    """One upload at a time as the service has them. ``breaks`` says before each request whether it is lost on its way (True),
    or its answer (False), or neither (None)."""

    def __init__(self, breaks: Callable[[], bool | None] = lambda: None) -> None:
        self.breaks = breaks
        self.content: bytearray | None = None
        self.digest, self.length, self.ended = "", 0, b""
        self.taken: list[bytes] = []
        self.received = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        broken = self.breaks()
        if broken is True:
            raise httpx.ConnectError("no route", request=request)
        answer = self._answer(request)
        if broken is False:
            raise httpx.ReadError("cut off", request=request)
        return answer

    def _answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/uploads/batches":
            if request.headers["repr-digest"] != self.digest:
                self.content, self.ended = bytearray(), b""
                self.digest, self.length = request.headers["repr-digest"], int(request.headers["upload-length"])
            return self._standing(201)
        assert request.method == "PATCH"
        assert request.headers["content-type"] == "application/partial-upload"
        assert self.content is not None
        if int(request.headers["upload-offset"]) != len(self.content):
            problem = {"title": "no", "status": 409, "reason": "mismatching_upload_offset"}
            return httpx.Response(409, json=problem, headers={"content-type": "application/problem+json"})
        self.received += len(request.content)
        self.content += request.content
        if request.headers["upload-complete"] == "?1":
            assert len(self.content) == self.length
            assert repr_digest(bytes(self.content)) == self.digest
            self.taken.append(bytes(self.content))
            self.ended = b"taken"
        return self._standing(204)

    def _standing(self, status: int) -> httpx.Response:
        assert self.content is not None
        if self.ended:
            return httpx.Response(201, content=self.ended, headers={"upload-complete": "?1"})
        headers = {"upload-complete": "?0", "upload-offset": str(len(self.content)), "location": "/uploads/x"}
        return httpx.Response(status, headers=headers)


def _asking(clearing: Callable[[httpx.Request], httpx.Response]) -> Callable[..., httpx.Response]:
    client = httpx.Client(transport=httpx.MockTransport(clearing), base_url="http://clearing.test")

    def ask(method: str, path: str, headers: dict[str, str], content: bytes) -> httpx.Response:
        try:
            response = client.request(method, path, headers=headers, content=content)
        except httpx.RequestError as error:
            raise HostSilent(type(error).__name__) from error
        if response.status_code == 409:
            raise HostSilent("begin anew")
        return response

    return ask


@pytest.mark.parametrize("length", [1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES + 5])
def test_what_arrives_is_what_was_sent(length: int) -> None:
    content = bytes(n % 251 for n in range(length))
    clearing = Clearing()
    assert upload(content, _asking(clearing)).content == b"taken"
    assert clearing.taken == [content]


@given(st.lists(st.sampled_from([None, None, True, False]), max_size=40))
def test_however_often_it_breaks_no_answered_piece_is_sent_again(breaks: list[bool | None]) -> None:
    content = bytes(5 * PIECE_BYTES + 7)
    planned = iter(breaks)
    clearing = Clearing(lambda: next(planned, None))
    for _ in range(len(breaks) + 1):
        try:
            assert upload(content, _asking(clearing)).content == b"taken"
            break
        except HostSilent:
            continue
    assert clearing.taken == [content]
    assert clearing.received == len(content)


@pytest.mark.parametrize("offset", ["", "-1", "x", "99999999", "٣"])
def test_an_offset_that_is_none_is_silence(offset: str) -> None:
    headers = {"upload-complete": "?0", "upload-offset": offset.encode(), "location": "/uploads/x"}
    with pytest.raises(HostSilent):
        upload(b"content", lambda *_: httpx.Response(201, headers=headers))  # type: ignore[arg-type]


def test_a_service_that_takes_nothing_is_not_asked_for_ever() -> None:
    headers = {"upload-complete": "?0", "upload-offset": "0", "location": "/uploads/x"}
    with pytest.raises(HostSilent, match="nothing of the piece"):
        upload(b"content", lambda *_: httpx.Response(204, headers=headers))


@pytest.fixture
def key(tmp_path: Path) -> DeviceKey:
    return DeviceKey.open(tmp_path / "device", "BUS-1", random=lambda _: b"TEST-DEVICE-KEY-OF-RESUMED-TESTS")


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    journal = Journal(tmp_path / "journal")
    journal._database.execute("PRAGMA synchronous = OFF")  # its durability is its own tests'
    for sequence in range(400):
        journal.append(replace(RECORD, card_sequence=sequence))
    return journal


def test_an_uplink_sends_large_batches_so_and_signs_each_head(key: DeviceKey, journal: Journal) -> None:
    clearing = Clearing()
    public = Ed25519PublicKey.from_public_bytes(key.public)

    def signed(request: httpx.Request) -> httpx.Response:
        head = signed_head(request.method, request.url.path, request.headers)
        public.verify(base64.b64decode(request.headers["citycard-signature"]), head)
        answer = clearing(request)
        if not clearing.ended:
            return answer
        batch = unseal(clearing.taken[0])
        receipt = BatchReceipt(
            device="BUS-1", number=batch.header.number, content_hash=batch.content_hash, repeated=False
        )
        return httpx.Response(201, content=to_wire(receipt), headers=answer.headers)

    uplink = Uplink("http://clearing.test", key, httpx.Client(transport=httpx.MockTransport(signed)))
    assert uplink.upload(journal) == 1
    assert len(unseal(clearing.taken[0]).records) == 400
    assert journal.next_batch("BUS-1", key.sign) is None


@pytest.mark.parametrize(
    ("reason", "error"),
    [("upload_unknown", HostSilent), ("mismatching_upload_offset", HostSilent), ("malformed_batch", HostRefused)],
)
def test_only_what_is_said_of_the_batch_is_a_refusal(
    key: DeviceKey, journal: Journal, reason: str, error: type[Exception]
) -> None:
    problem = {"title": "no", "status": 404, "reason": reason}

    def refusing(_: httpx.Request) -> httpx.Response:
        return httpx.Response(404, json=problem, headers={"content-type": "application/problem+json"})

    uplink = Uplink("http://clearing.test", key, httpx.Client(transport=httpx.MockTransport(refusing)))
    with pytest.raises(error):
        uplink.upload(journal)
