"""A terminal's HTTP client: enrolment, parameters, batches, and the host port of its dialogues."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import TypeVar

import httpx
from pydantic import ValidationError

from card_os.wire.dialogue import HostSilent
from rulebook.messages.base import Message
from rulebook.messages.devices import BatchReceipt, DeviceEnrolled, DeviceEnrolment, DeviceHealth
from rulebook.messages.medical import parse, to_wire
from rulebook.messages.problems import MEDIA_TYPE, Problem
from rulebook.messages.uploads import signed_head
from terminals.journal import Journal
from terminals.uplink import resumable
from terminals.uplink.device_key import DeviceKey
from terminals.uplink.endpoints import endpoint_of

M = TypeVar("M", bound=Message)

_JSON = "application/json"
_OCTETS = "application/octet-stream"
# Ours. The largest answer is a whole deny list: 27 bytes a card, two million cards.
ANSWER_LIMIT = 64 * 1024 * 1024
_HEADERS = ("content-type", "location", "upload-complete", "upload-offset")
# Refusals that mean "not now" (RFC 9110 §15.5.9, RFC 8470, RFC 6585): the same request may be sent again.
NOT_NOW = frozenset({408, 425, 429})


class HostRefused(Exception):
    """The service answered that it will not; nothing was done. ``problem`` is its problem document (RFC 9457)."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(f"{problem.status} {problem.reason or problem.title}: {problem.detail}".rstrip(": "))
        self.problem = problem


class Uplink:
    """Every call raises ``HostSilent`` when no answer or a server error comes back (whether the host acted is unknown:
    repeat, or ask where it stands) and ``HostRefused`` when it answers no. ``client`` brings time-outs and transport."""

    def __init__(self, base_url: str, device_key: DeviceKey, client: httpx.Client) -> None:
        self._base_url = base_url.rstrip("/")
        self._key = device_key
        self._client = client

    @property
    def device(self) -> str:
        return self._key.device

    def enrol(self, code: str, *, sam_serial: bytes, terminal_number: bytes) -> DeviceEnrolled:
        """Once, with the code staff were given for this device; by which keys it knows clearing from then on."""
        draft = DeviceEnrolment(
            device=self.device,
            code=code,
            public_key=self._key.public,
            sam_serial=sam_serial,
            terminal_number=terminal_number,
            signature=b"",
        )
        signed = draft.model_copy(update={"signature": self._key.sign(draft.signed_bytes())})
        return _read(DeviceEnrolled, self._call("POST", "/devices/enrolments", to_wire(signed), _JSON))

    def statement(self) -> bytes:
        """What the device should work by from now on, signed for it (``rulebook.parameters``); nothing is checked here."""
        return self._call("GET", "/parameters", b"", _JSON).content

    def tariff(self, version: int) -> bytes:
        """The tariff document's canonical JSON, to be compared with the statement."""
        return self._call("GET", f"/parameters/tariff/{version}", b"", _JSON).content

    def deny_changes(self, after: int, until: int) -> bytes:
        """``rulebook.parameters.DenyChanges`` between two versions; after 0 the whole list."""
        return self._call("GET", f"/parameters/deny-list?after={after}&until={until}", b"", _JSON).content

    def report(self, health: DeviceHealth) -> None:
        """Tell clearing how the device is."""
        self._call("POST", "/devices/health", to_wire(health), _JSON)

    def upload(self, journal: Journal) -> int:
        """Send every batch there is, oldest first; how many were acknowledged. A batch that got no answer is sent
        again, the same bytes, by the next call; of a large one only the pieces that were not answered."""
        count = 0
        while (waiting := journal.next_batch(self.device, self._key.sign)) is not None:
            receipt = _read(BatchReceipt, self._sent(waiting.body))
            if (receipt.device, receipt.number, receipt.content_hash) != (
                self.device,
                waiting.number,
                waiting.content_hash,
            ):
                raise HostSilent(f"the receipt is for other content or for batch {receipt.number} of {receipt.device}")
            journal.mark_uploaded(waiting.number)
            count += 1
        return count

    def _sent(self, batch: bytes) -> httpx.Response:
        if len(batch) <= resumable.PIECE_BYTES:
            return self._call("POST", "/batches", batch, _OCTETS)
        return resumable.upload(batch, self._ask)

    def host(self, message: Message) -> Message:
        """The ``ToHost`` port: post ``message`` to its endpoint, its answer back."""
        endpoint = endpoint_of(message)
        return _read(endpoint.answer, self._call("POST", endpoint.path, to_wire(message), _JSON))

    def _call(self, method: str, path: str, body: bytes, media_type: str) -> httpx.Response:
        request = self._client.build_request(
            method, self._base_url + path, content=body, headers={"Content-Type": media_type}
        )
        return self._signed(request, f"{method} {request.url.path}\n".encode() + body)

    def _ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> httpx.Response:
        """Of an upload in pieces: signed without the content. What must begin anew there counts as silence."""
        request = self._client.build_request(method, self._base_url + path, content=body, headers=dict(headers))
        try:
            return self._signed(request, signed_head(method, request.url.path, headers))
        except HostRefused as refused:
            if refused.problem.reason in resumable.BEGIN_ANEW:
                raise HostSilent(f"{method} {path}: {refused}") from refused
            raise

    def _signed(self, request: httpx.Request, signed: bytes) -> httpx.Response:
        method, path = request.method, request.url.path
        request.headers["Citycard-Device"] = self.device
        request.headers["Citycard-Signature"] = base64.b64encode(self._key.sign(signed)).decode()
        try:
            response = self._send(request)
        except httpx.RequestError as error:
            raise HostSilent(f"{method} {path}: {type(error).__name__}") from error
        if response.is_server_error or response.status_code in NOT_NOW:
            raise HostSilent(f"{method} {path}: the service answered {response.status_code}")
        if not response.is_success:
            raise HostRefused(_problem(response))
        return response

    def _send(self, request: httpx.Request) -> httpx.Response:
        """The answer whole, or ``httpx.DecodingError`` for one that no service of ours would give."""
        response = self._client.send(request, stream=True)
        try:
            content = bytearray()
            for part in response.iter_bytes():
                content += part
                if len(content) > ANSWER_LIMIT:
                    raise httpx.DecodingError(f"an answer of more than {ANSWER_LIMIT} bytes")
        finally:
            response.close()
        headers = {name: response.headers[name] for name in _HEADERS if name in response.headers}
        return httpx.Response(response.status_code, headers=headers, content=bytes(content))


def _read(kind: type[M], response: httpx.Response) -> M:
    try:
        return parse(kind, response.content)
    except ValueError as error:  # pydantic's ValidationError is one
        raise HostSilent(f"the answer is no {kind.__name__}") from error


def _problem(response: httpx.Response) -> Problem:
    """A refusal that is no problem document (a proxy's, say) still names its status."""
    if response.headers.get("content-type", "").split(";")[0] == MEDIA_TYPE:
        try:
            return Problem.model_validate_json(response.content)
        except ValidationError:
            pass
    return Problem(title=response.reason_phrase or "refused", status=response.status_code)
