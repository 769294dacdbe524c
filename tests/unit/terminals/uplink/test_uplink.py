"""The uplink against a clearing that is a function: signatures, enrolment, batches again and again, host messages."""

import base64
import json
import stat
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from card_os.wire.dialogue import HostSilent
from rulebook.batch import unseal
from rulebook.messages.devices import BatchReceipt, DeviceEnrolled, DeviceEnrolment, DeviceHealth, ParameterKey
from rulebook.messages.loads import LoadAuthorised, LoadConfirmation, LoadQuestion, LoadRequest, LoadStanding, LoadState
from rulebook.messages.medical import ANSWERS, REQUESTS, Infno, PresenceChallenge, PresenceChallengeRequest, to_wire
from rulebook.record import Event, Kind, Outcome, Record
from terminals.journal import Journal
from terminals.uplink import DeviceKey, HostRefused, Uplink
from terminals.uplink.endpoints import Endpoint, endpoint_of
from terminals.uplink.uplink import ANSWER_LIMIT

BASE = "http://clearing.test"
SEED = b"TEST-DEVICE-KEY-OF-UPLINK-TESTS!"
Answer = Callable[[httpx.Request], httpx.Response]


@pytest.fixture
def key(tmp_path: Path) -> DeviceKey:
    return DeviceKey.open(tmp_path / "device", "TOPUP-01", random=lambda _: SEED)


def uplink(key: DeviceKey, answer: Answer) -> Uplink:
    return Uplink(BASE, key, httpx.Client(transport=httpx.MockTransport(answer)))


def problem(status: int, reason: str) -> httpx.Response:
    body = {"title": "no", "status": status, "detail": "because", "reason": reason}
    return httpx.Response(status, json=body, headers={"content-type": "application/problem+json; charset=utf-8"})


def verify(key: DeviceKey, request: httpx.Request) -> None:
    """As clearing does (docs/doors.md, "HTTP")."""
    assert request.headers["Citycard-Device"] == "TOPUP-01"
    signature = base64.b64decode(request.headers["Citycard-Signature"])
    signed = f"{request.method} {request.url.path}\n".encode() + request.content
    Ed25519PublicKey.from_public_bytes(key.public).verify(signature, signed)


LOAD_ID = {
    "device": "TOPUP-01",
    "issuer": bytes(8),
    "serial": bytes(10),
    "purse": 2,
    "online_sequence": 1,
}
STANDING = LoadStanding(
    state=LoadState.POSTED, amount_minor=5000, balance_minor=0, terminal=bytes(6), date=bytes(4), time=bytes(3)
)
REQUEST = LoadRequest(
    **LOAD_ID,
    amount_minor=5000,
    balance_minor=0,
    key_version=1,
    algorithm=0,
    random=bytes(4),
    mac1=bytes(4),
    terminal=bytes(6),
    date=bytes(4),
    time=bytes(3),
)


def test_the_key_is_made_once_and_only_its_user_reads_it(tmp_path: Path) -> None:
    first = DeviceKey.open(tmp_path, "TOPUP-01")
    assert DeviceKey.open(tmp_path, "TOPUP-01").public == first.public
    assert DeviceKey.open(tmp_path / "other", "TOPUP-02").public != first.public
    assert stat.S_IMODE((tmp_path / "device.key").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.glob("device*")] == ["device.key"]


def test_the_key_does_not_show_itself(key: DeviceKey) -> None:
    assert SEED.decode() not in repr(key)
    assert "redacted" in repr(key)


def test_a_damaged_key_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "device.key").write_bytes(b"short")
    with pytest.raises(ValueError, match="holds 5 bytes"):
        DeviceKey.open(tmp_path, "TOPUP-01")


def test_every_request_is_signed_over_method_path_and_body(key: DeviceKey) -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        verify(key, request)
        return httpx.Response(200, content=to_wire(LoadAuthorised(mac2=bytes(4))))

    uplink(key, answer).host(REQUEST)
    (request,) = seen
    forged = httpx.Request("POST", BASE + "/loads", content=request.content + b" ", headers=request.headers)
    with pytest.raises(InvalidSignature):
        verify(key, forged)


def test_enrolment_proves_the_key_and_names_the_psam(key: DeviceKey) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        verify(key, request)
        assert (request.method, request.url.path) == ("POST", "/devices/enrolments")
        enrolment = DeviceEnrolment.model_validate_json(request.content)
        assert (enrolment.device, enrolment.code) == ("TOPUP-01", "c0de")
        assert (enrolment.sam_serial, enrolment.terminal_number) == (b"S" * 10, b"T" * 6)
        signer = Ed25519PublicKey.from_public_bytes(enrolment.public_key)
        signer.verify(enrolment.signature, enrolment.signed_bytes())
        return httpx.Response(200, content=to_wire(enrolled))

    enrolled = DeviceEnrolled(parameter_keys=[ParameterKey(number=1, public=bytes(32))])
    assert uplink(key, answer).enrol("c0de", sam_serial=b"S" * 10, terminal_number=b"T" * 6) == enrolled


def test_a_device_tells_how_it_is(key: DeviceKey, tmp_path: Path) -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        verify(key, request)
        seen.append(request)
        return httpx.Response(204)

    said = DeviceHealth(
        software_version="1.4",
        tariff_version=3,
        list_version=7,
        parameter_key=1,
        clock_drift_ms=-250,
        journal_last=9,
        journal_uploaded=4,
        free_bytes=10**9,
    )
    uplink(key, answer).report(said)
    assert (seen[0].method, seen[0].url.path) == ("POST", "/devices/health")
    assert DeviceHealth.model_validate_json(seen[0].content) == said


def test_each_message_goes_to_its_endpoint_and_comes_back_as_its_answer(key: DeviceKey) -> None:
    challenge = PresenceChallenge(challenge=bytes(16), expires_at=datetime(2026, 9, 15, tzinfo=UTC))
    table = [
        (REQUEST, "/loads", LoadAuthorised(mac2=b"\x01\x02\x03\x04")),
        (LoadConfirmation(**LOAD_ID, tac=bytes(4)), "/loads/confirmations", STANDING),
        (LoadQuestion(**LOAD_ID), "/loads/standings", STANDING),
        (PresenceChallengeRequest(device="HOSP-1-01"), "/medical/challenges", challenge),
    ]
    for message, path, expected in table:

        def answer(request: httpx.Request, path: str = path, expected: object = expected) -> httpx.Response:
            assert (request.method, request.url.path) == ("POST", path)
            return httpx.Response(200, content=to_wire(expected))  # type: ignore[arg-type]

        assert uplink(key, answer).host(message) == expected


@pytest.mark.parametrize("infno", Infno)
def test_medical_requests_go_by_their_number(infno: Infno) -> None:
    request = REQUESTS[infno].model_construct(infno=infno)
    assert endpoint_of(request) == Endpoint(f"/medical/{infno.value}", ANSWERS[infno])


def test_a_message_without_an_endpoint_is_our_mistake() -> None:
    with pytest.raises(LookupError, match="LoadAuthorised goes to no endpoint"):
        endpoint_of(LoadAuthorised(mac2=bytes(4)))


def test_a_refusal_carries_the_problem(key: DeviceKey) -> None:
    with pytest.raises(HostRefused) as caught:
        uplink(key, lambda _: problem(409, "agent_without_cover")).host(REQUEST)
    assert (caught.value.problem.status, caught.value.problem.reason) == (409, "agent_without_cover")
    assert str(caught.value) == "409 agent_without_cover: because"


def test_a_refusal_that_is_no_problem_document_still_names_its_status(key: DeviceKey) -> None:
    with pytest.raises(HostRefused, match="413 Request Entity Too Large"):
        uplink(key, lambda _: httpx.Response(413, text="<html>")).host(REQUEST)


def _cut(_: httpx.Request) -> httpx.Response:
    raise httpx.ReadTimeout("nothing came")


@pytest.mark.parametrize(
    "answer",
    [
        _cut,
        lambda _: httpx.Response(500),
        lambda _: problem(503, "restarting"),
        lambda _: httpx.Response(200, text="not json"),
        lambda _: httpx.Response(200, json={"mac3": "00"}),
        lambda _: problem(429, "busy"),
        lambda _: httpx.Response(408),
        lambda _: httpx.Response(200, headers={"content-encoding": "gzip"}, stream=httpx.ByteStream(b"no gzip")),
    ],
    ids=["timeout", "500", "503 problem", "no json", "other message", "429", "408", "broken encoding"],
)
def test_where_it_is_unknown_what_the_host_did_it_is_silent(key: DeviceKey, answer: Answer) -> None:
    with pytest.raises(HostSilent):
        uplink(key, answer).host(REQUEST)


def test_an_endless_answer_is_not_read_to_its_end(key: DeviceKey) -> None:
    sent = 0

    class Endless(httpx.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            nonlocal sent
            while True:
                sent += 1
                yield bytes(1 << 20)

    with pytest.raises(HostSilent):
        uplink(key, lambda _: httpx.Response(200, stream=Endless())).host(REQUEST)
    assert sent == (ANSWER_LIMIT >> 20) + 1


RECORD = Record(
    kind=Kind.OUTCOME,
    event=Event.RIDE,
    outcome=Outcome.DONE,
    device="TOPUP-01",
    journal_sequence=0,
    issuer=bytes(8),
    serial=bytes(10),
    key_version=1,
    algorithm=0,
    transaction_type=9,
    amount_minor=100,
    balance_before_minor=5000,
    card_sequence=3,
    sam_terminal=bytes(6),
    date=bytes(4),
    time=bytes(3),
)


class Intake:
    """Clearing's door for batches: remembers contents, answers repeats, and may lose answers."""

    def __init__(self, key: DeviceKey, lose: set[int] = frozenset()) -> None:  # type: ignore[assignment]
        self.key, self.lose, self.calls = key, lose, 0
        self.contents: dict[int, bytes] = {}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        verify(self.key, request)
        assert request.headers["content-type"] == "application/octet-stream"
        self.calls += 1
        batch = unseal(request.content)
        number = batch.header.number
        repeated = number in self.contents
        assert self.contents.setdefault(number, request.content) == request.content
        if self.calls in self.lose:
            raise httpx.ReadTimeout("the answer was lost")
        receipt = BatchReceipt(
            device=batch.header.device, number=number, content_hash=batch.content_hash, repeated=repeated
        )
        return httpx.Response(200 if repeated else 201, content=receipt.model_dump_json())


def test_batches_are_sent_until_each_is_acknowledged_once(key: DeviceKey, tmp_path: Path) -> None:
    intake = Intake(key, lose={1, 3})
    with Journal(tmp_path / "journal.db") as journal:
        line = uplink(key, intake)
        journal.append(RECORD)
        with pytest.raises(HostSilent):
            line.upload(journal)
        journal.append(replace(RECORD, card_sequence=4))
        with pytest.raises(HostSilent):
            line.upload(journal)
        assert line.upload(journal) == 1
        assert line.upload(journal) == 0
    delivered = [r.journal_sequence for body in intake.contents.values() for r in unseal(body).records]
    assert delivered == [1, 2]
    assert intake.calls == 4


@pytest.mark.parametrize("number", [9, 1], ids=["other number", "other content"])
def test_a_receipt_for_another_batch_acknowledges_nothing(key: DeviceKey, tmp_path: Path, number: int) -> None:
    receipt = BatchReceipt(device="TOPUP-01", number=number, content_hash=bytes(32), repeated=False)
    with Journal(tmp_path / "journal.db") as journal:
        journal.append(RECORD)
        with pytest.raises(HostSilent, match=f"batch {number}"):
            uplink(key, lambda _: httpx.Response(201, content=receipt.model_dump_json())).upload(journal)
        waiting = journal.next_batch("TOPUP-01", key.sign)
        assert waiting is not None
        assert waiting.number == 1


def test_a_refused_batch_stays_and_says_why(key: DeviceKey, tmp_path: Path) -> None:
    with Journal(tmp_path / "journal.db") as journal:
        journal.append(RECORD)
        with pytest.raises(HostRefused, match="422"):
            uplink(key, lambda _: problem(422, "")).upload(journal)
        assert journal.next_batch("TOPUP-01", key.sign) is not None


def test_what_is_sent_is_plain_json(key: DeviceKey) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert json.loads(request.content)["serial"] == "00" * 10
        return httpx.Response(200, content=to_wire(STANDING))

    uplink(key, answer).host(LoadQuestion(**LOAD_ID))
