"""A terminal's HTTP client: enrolment, parameters, batches, and the host port of its dialogues."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeVar

import httpx
from pydantic import ValidationError

from card_os.wire.dialogue import HostSilent
from rulebook.messages.base import Message
from rulebook.messages.devices import BatchReceipt, DeviceEnrolment, Parameters
from rulebook.messages.medical import parse, to_wire
from rulebook.messages.problems import MEDIA_TYPE, Problem
from terminals.journal import Journal
from terminals.uplink.device_key import DeviceKey
from terminals.uplink.endpoints import endpoint_of

M = TypeVar("M", bound=Message)

_JSON = "application/json"
_OCTETS = "application/octet-stream"
# Ours. The largest answer is a whole deny list: about 130 bytes a card, half a million cards.
ANSWER_LIMIT = 64 * 1024 * 1024
# Refusals that mean "not now" (RFC 9110 §15.5.9, RFC 8470, RFC 6585): the same request may be sent again.
_NOT_NOW = frozenset({408, 425, 429})


class HostRefused(Exception):
    """The service answered that it will not; nothing was done. ``problem`` is its problem document (RFC 9457)."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(f"{problem.status} {problem.reason or problem.title}: {problem.detail}".rstrip(": "))
        self.problem = problem


@dataclass(frozen=True, slots=True)
class _Tagged:
    """Parameters with the entity tag they came with."""

    tag: str
    parameters: Parameters


class Uplink:
    """Every call raises ``HostSilent`` when no answer or a server error comes back (whether the host acted is unknown:
    repeat, or ask where it stands) and ``HostRefused`` when it answers no. ``client`` brings time-outs and transport."""

    def __init__(self, base_url: str, device_key: DeviceKey, client: httpx.Client) -> None:
        self._base_url = base_url.rstrip("/")
        self._key = device_key
        self._client = client
        self._parameters: _Tagged | None = None

    @property
    def device(self) -> str:
        return self._key.device

    def enrol(self, code: str, *, sam_serial: bytes, terminal_number: bytes) -> None:
        """Once, with the code staff were given for this device."""
        draft = DeviceEnrolment(
            device=self.device,
            code=code,
            public_key=self._key.public,
            sam_serial=sam_serial,
            terminal_number=terminal_number,
            signature=b"",
        )
        signed = draft.model_copy(update={"signature": self._key.sign(draft.signed_bytes())})
        self._call("POST", "/devices/enrolments", to_wire(signed), _JSON)

    def parameters(self) -> Parameters:
        """Tariff and deny list as the device should work by from now on. What has not changed is not sent again
        (RFC 9110 §13.1.2: If-None-Match)."""
        known = self._parameters
        response = self._call("GET", "/parameters", b"", _JSON, {"If-None-Match": known.tag} if known else {})
        if known is not None and response.status_code == httpx.codes.NOT_MODIFIED:
            return known.parameters
        parameters = _read(Parameters, response)
        self._parameters = _Tagged(response.headers["etag"], parameters) if "etag" in response.headers else None
        return parameters

    def upload(self, journal: Journal) -> int:
        """Send every batch there is, oldest first; how many were acknowledged. A batch that got no answer is sent
        again, the same bytes, by the next call."""
        count = 0
        while (waiting := journal.next_batch(self.device, self._key.sign)) is not None:
            receipt = _read(BatchReceipt, self._call("POST", "/batches", waiting.body, _OCTETS))
            if (receipt.device, receipt.number, receipt.content_hash) != (
                self.device,
                waiting.number,
                waiting.content_hash,
            ):
                raise HostSilent(f"the receipt is for other content or for batch {receipt.number} of {receipt.device}")
            journal.mark_uploaded(waiting.number)
            count += 1
        return count

    def host(self, message: Message) -> Message:
        """The ``ToHost`` port: post ``message`` to its endpoint, its answer back."""
        endpoint = endpoint_of(message)
        return _read(endpoint.answer, self._call("POST", endpoint.path, to_wire(message), _JSON))

    def _call(
        self, method: str, path: str, body: bytes, media_type: str, headers: Mapping[str, str] = MappingProxyType({})
    ) -> httpx.Response:
        request = self._client.build_request(
            method, self._base_url + path, content=body, headers={"Content-Type": media_type, **headers}
        )
        signed = f"{method} {request.url.path}\n".encode() + body
        request.headers["Citycard-Device"] = self.device
        request.headers["Citycard-Signature"] = base64.b64encode(self._key.sign(signed)).decode()
        try:
            response = self._send(request)
        except httpx.RequestError as error:
            raise HostSilent(f"{method} {path}: {type(error).__name__}") from error
        if response.is_server_error or response.status_code in _NOT_NOW:
            raise HostSilent(f"{method} {path}: the service answered {response.status_code}")
        if not response.is_success and response.status_code != httpx.codes.NOT_MODIFIED:
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
        headers = {name: response.headers[name] for name in ("content-type", "etag") if name in response.headers}
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
