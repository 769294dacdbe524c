"""Batches of buses without a network reach clearing by the depot, once, whole, and however often somebody pulls the plug."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from card_os.wire.dialogue import HostSilent
from rulebook.batch import unbundle, unseal
from rulebook.messages.batches import BatchAnswer, BatchAnswers, signed_receipt
from rulebook.messages.devices import BatchReceipt, ParameterKey
from rulebook.messages.medical import to_wire
from rulebook.messages.problems import Problem
from rulebook.record import Event, Kind, Outcome, Record
from terminals.depot import Depot, exchange
from terminals.journal import Journal
from terminals.uplink import DeviceKey, HostRefused
from terminals.uplink import durable as disk

BASE = "http://clearing.test"
KEYS = {number: Ed25519PrivateKey.from_private_bytes(f"TEST-PARAMETER-KEY-{number:013}".encode()) for number in (1, 2)}
PUBLIC = {n: ParameterKey(number=n, public=key.public_key().public_bytes_raw()) for n, key in KEYS.items()}
TRUSTED = [PUBLIC[1]]
RECORD = Record(
    kind=Kind.OUTCOME,
    event=Event.RIDE,
    outcome=Outcome.DONE,
    device="",
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


class Bus:
    """A journal and a key on a disk of their own; ``started`` again they are what the disk says."""

    def __init__(self, folder: Path, name: str, seed: bytes) -> None:
        self.folder, self.name, self.seed = folder, name, seed
        self.started()
        self.taps = 0

    def started(self) -> None:
        self.key = DeviceKey.open(self.folder, self.name, random=lambda _: self.seed)
        self.journal = Journal(self.folder / "journal")
        # The journal's own durability is its own tests'.
        self.journal._database.execute("PRAGMA synchronous = OFF")

    def tap(self, count: int = 1) -> None:
        for _ in range(count):
            self.taps += 1
            self.journal.append(replace(RECORD, device=self.name, card_sequence=self.taps))

    def form(self, batches: int) -> None:
        """As many batches of two records."""
        for _ in range(batches):
            self.tap(2)
            self.journal.waiting_batches(self.name, self.key.sign)

    @property
    def uploaded(self) -> int:
        query = "SELECT coalesce(max(last_sequence), 0) FROM batches WHERE uploaded"
        last: int = self.journal._database.execute(query).fetchone()[0]
        return last


class Clearing:
    """Checks signatures as the service does and keeps what it took. ``answer`` may go wrong."""

    def __init__(self, *buses: Bus) -> None:
        self.keys = {bus.name: bus.key.public for bus in buses}
        self.taken: dict[tuple[str, int], bytes] = {}
        self.key = 1
        self.answer: Callable[[httpx.Request], httpx.Response | None] = lambda _: None

    def __call__(self, request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/batches/collected"
        if (spoiled := self.answer(request)) is not None:
            return spoiled
        answers = [self._taken(raw) for raw in unbundle(request.content)]
        return httpx.Response(200, content=to_wire(BatchAnswers(answers=answers)))

    def _taken(self, raw: bytes) -> BatchAnswer:
        batch = unseal(raw)
        header = batch.header
        content_hash = batch.content_hash
        try:
            Ed25519PublicKey.from_public_bytes(self.keys[header.device]).verify(batch.signature, batch.signed)
        except (KeyError, InvalidSignature):
            problem = Problem(title="The batch is refused whole", status=422, reason="malformed_batch")
            return BatchAnswer(content_hash=content_hash, problem=problem)
        id_ = (header.device, header.number)
        repeated = id_ in self.taken
        assert self.taken.setdefault(id_, raw) == raw
        receipt = BatchReceipt(device=header.device, number=header.number, content_hash=content_hash, repeated=repeated)
        return BatchAnswer(content_hash=content_hash, receipt=signed_receipt(receipt, self.key, KEYS[self.key].sign))

    def client(self) -> httpx.Client:
        return httpx.Client(transport=httpx.MockTransport(self))

    def records_of(self, bus: Bus) -> list[int]:
        batches = [unseal(raw) for (device, _), raw in sorted(self.taken.items()) if device == bus.name]
        return [record.journal_sequence for batch in batches for record in batch.records]


@pytest.fixture
def bus(tmp_path: Path) -> Bus:
    return Bus(tmp_path / "bus", "BUS-A-0001", b"TEST-DEVICE-KEY-OF-DEPOT-TESTS-1")


@pytest.fixture
def link(tmp_path: Path) -> Path:
    (tmp_path / "stick").mkdir()
    return tmp_path / "stick"


@pytest.fixture
def depot(tmp_path: Path) -> Depot:
    return Depot(tmp_path / "depot")


def test_a_batch_is_uploaded_for_the_bus_at_its_next_visit_and_not_before(bus: Bus, link: Path, depot: Depot) -> None:
    clearing = Clearing(bus)
    bus.tap(3)
    assert exchange(bus.journal, bus.key, link, TRUSTED) == 0
    assert depot.visit(link) == 1
    assert depot.forward(BASE, clearing.client()).accepted == 1
    assert (exchange(bus.journal, bus.key, link, TRUSTED), bus.uploaded) == (0, 0)
    assert depot.visit(link) == 0
    assert (exchange(bus.journal, bus.key, link, TRUSTED), bus.uploaded) == (1, 3)
    assert clearing.records_of(bus) == [1, 2, 3]
    assert list(link.iterdir()) == []
    assert depot.waiting() == ()


def test_the_depot_forwards_what_the_device_signed_unchanged(bus: Bus, link: Path, depot: Depot) -> None:
    clearing = Clearing(bus)
    bus.tap()
    exchange(bus.journal, bus.key, link, TRUSTED)
    depot.visit(link)
    depot.forward(BASE, clearing.client())
    (waiting,) = bus.journal.waiting_batches(bus.name, bus.key.sign)
    assert clearing.taken == {("BUS-A-0001", 1): waiting.body}


def test_many_batches_go_in_several_requests(
    bus: Bus, link: Path, depot: Depot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("terminals.depot.depot.BUNDLE_BYTES", 2100)
    clearing, requests = Clearing(bus), []
    clearing.answer = lambda request: requests.append(len(request.content))
    bus.form(5)
    exchange(bus.journal, bus.key, link, TRUSTED)
    depot.visit(link)
    assert depot.forward(BASE, clearing.client()).accepted == 5
    assert len(requests) == 3
    assert clearing.records_of(bus) == list(range(1, 11))


def test_a_request_brings_batches_of_so_many_buses(
    tmp_path: Path, link: Path, depot: Depot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("terminals.depot.depot.MOST_DEVICES", 2)
    buses = [Bus(tmp_path / str(n), f"BUS-A-{n}", b"TEST-DEVICE-KEY-OF-DEPOT-TESTS-%d" % n) for n in range(5)]
    clearing, requests = Clearing(*buses), []
    clearing.answer = lambda request: requests.append(len(request.content))
    for each in buses:
        each.form(2)
        exchange(each.journal, each.key, link, TRUSTED)
    depot.visit(link)
    assert depot.forward(BASE, clearing.client()).accepted == 10
    assert len(requests) == 3


def test_several_batches_and_buses_share_a_link_and_go_in_order(
    tmp_path: Path, bus: Bus, link: Path, depot: Depot
) -> None:
    other = Bus(tmp_path / "other", "BUS-A-0002", b"TEST-DEVICE-KEY-OF-DEPOT-TESTS-2")
    clearing = Clearing(bus, other)
    for each, batches in ((bus, 3), (other, 1)):
        each.form(batches)
        exchange(each.journal, each.key, link, TRUSTED)
    assert depot.visit(link) == 4
    depot.forward(BASE, clearing.client())
    assert list(clearing.taken) == [("BUS-A-0001", 1), ("BUS-A-0001", 2), ("BUS-A-0001", 3), ("BUS-A-0002", 1)]
    depot.visit(link)
    assert (exchange(bus.journal, bus.key, link, TRUSTED), exchange(other.journal, other.key, link, TRUSTED)) == (3, 1)
    assert clearing.records_of(bus) == list(range(1, 7))


def test_new_taps_go_into_new_batches(bus: Bus, link: Path, depot: Depot) -> None:
    clearing = Clearing(bus)
    for _ in range(3):
        bus.tap(2)
        exchange(bus.journal, bus.key, link, TRUSTED)
        depot.visit(link)
        depot.forward(BASE, clearing.client())
    depot.visit(link)
    assert (exchange(bus.journal, bus.key, link, TRUSTED), bus.uploaded) == (2, 6)
    assert clearing.records_of(bus) == [1, 2, 3, 4, 5, 6]


def test_a_stick_that_was_tampered_with_holds_nobody_up(
    bus: Bus, link: Path, depot: Depot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch that clearing would not take for its size, and folders where files belong."""
    monkeypatch.setattr("terminals.depot.carried.LARGEST_BATCH", 4_000)
    stranger = Bus(link.parent / "stranger", "AAA", b"TEST-DEVICE-KEY-OF-DEPOT-TESTS-9")
    stranger.tap(10)
    exchange(stranger.journal, stranger.key, link, TRUSTED)
    (link / f"{bytes(32).hex()}.batch").mkdir()
    bus.tap()
    (waiting,) = bus.journal.waiting_batches(bus.name, bus.key.sign)
    (link / f"{waiting.content_hash.hex()}.receipt").mkdir()
    assert exchange(bus.journal, bus.key, link, TRUSTED) == 0
    (link / f"{waiting.content_hash.hex()}.receipt").rmdir()
    assert depot.visit(link) == 1
    assert depot.forward(BASE, Clearing(bus).client()).accepted == 1


@pytest.mark.parametrize(
    "spoil",
    [
        lambda receipt: b"",
        lambda receipt: receipt[:-5],
        lambda receipt: receipt.replace(b'"number":1', b'"number":2'),
        lambda receipt: receipt.replace(b"BUS-A-0001", b"BUS-A-0002"),
        lambda receipt: receipt.replace(b'"key":1', b'"key":2'),
        lambda receipt: receipt[:-10] + b"00000000" + receipt[-2:],
    ],
    ids=["empty", "torn", "other number", "other device", "other key", "signature"],
)
def test_a_receipt_that_is_not_for_this_batch_is_none(
    bus: Bus, link: Path, depot: Depot, spoil: Callable[[bytes], bytes]
) -> None:
    clearing = Clearing(bus)
    bus.tap()
    exchange(bus.journal, bus.key, link, TRUSTED)
    depot.visit(link)
    depot.forward(BASE, clearing.client())
    depot.visit(link)
    (path,) = link.glob("*.receipt")
    spoiled = spoil(path.read_bytes())
    assert spoiled != path.read_bytes()
    path.write_bytes(spoiled)
    assert (exchange(bus.journal, bus.key, link, TRUSTED), bus.uploaded) == (0, 0)


def test_after_a_change_of_clearings_key_a_new_receipt_is_fetched(bus: Bus, link: Path, depot: Depot) -> None:
    clearing = Clearing(bus)
    bus.tap()
    exchange(bus.journal, bus.key, link, TRUSTED)
    depot.visit(link)
    depot.forward(BASE, clearing.client())
    depot.visit(link)
    assert exchange(bus.journal, bus.key, link, [PUBLIC[2]]) == 0
    clearing.key = 2
    assert depot.visit(link) == 1
    depot.forward(BASE, clearing.client())
    depot.visit(link)
    assert exchange(bus.journal, bus.key, link, [PUBLIC[2]]) == 1


def test_a_torn_batch_is_not_taken_and_the_bus_leaves_it_again(bus: Bus, link: Path, depot: Depot) -> None:
    bus.tap()
    exchange(bus.journal, bus.key, link, TRUSTED)
    (path,) = link.glob("*.batch")
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    assert depot.visit(link) == 0
    exchange(bus.journal, bus.key, link, TRUSTED)
    assert path.read_bytes() == whole
    assert depot.visit(link) == 1


def test_a_damaged_signature_is_put_right_at_the_next_visit(bus: Bus, link: Path, depot: Depot) -> None:
    """The file's name holds the batch alone."""
    bus.tap()
    exchange(bus.journal, bus.key, link, TRUSTED)
    (path,) = link.glob("*.batch")
    whole = path.read_bytes()
    path.write_bytes(whole[:-4] + bytes(4))
    depot.visit(link)
    exchange(bus.journal, bus.key, link, TRUSTED)
    depot.visit(link)
    assert depot.forward(BASE, Clearing(bus).client()).accepted == 1


@pytest.mark.parametrize("raw", [b"", b"CCB1", b"CCB1" + bytes(500)])
def test_rubbish_on_the_link_is_left_there(link: Path, depot: Depot, raw: bytes) -> None:
    path = link / f"{hashlib.sha256(raw).hexdigest()}.batch"
    path.write_bytes(raw)
    assert depot.visit(link) == 0
    assert path.read_bytes() == raw


@pytest.mark.parametrize(
    "spoil",
    [
        lambda answers: BatchAnswers(answers=[]),
        lambda answers: BatchAnswers(answers=[answers[0].model_copy(update={"content_hash": bytes(32)})]),
        lambda answers: BatchAnswers(answers=[answers[0].model_copy(update={"receipt": None})]),
    ],
    ids=["none", "other content", "neither receipt nor problem"],
)
def test_an_answer_that_is_none_is_silence(
    bus: Bus, link: Path, depot: Depot, spoil: Callable[[list[BatchAnswer]], BatchAnswers]
) -> None:
    clearing = Clearing(bus)

    def spoiled(request: httpx.Request) -> httpx.Response:
        answers = [clearing._taken(raw) for raw in unbundle(request.content)]
        return httpx.Response(200, content=to_wire(spoil(answers)))

    clearing.answer = spoiled
    bus.tap()
    exchange(bus.journal, bus.key, link, TRUSTED)
    depot.visit(link)
    with pytest.raises(HostSilent):
        depot.forward(BASE, clearing.client())
    assert len(depot.waiting()) == 1


def test_a_bundle_that_clearing_does_not_take_is_refused_and_waits(bus: Bus, link: Path, depot: Depot) -> None:
    clearing = Clearing(bus)
    clearing.answer = lambda _: httpx.Response(413, json={"title": "The bundle is too large", "status": 413})
    bus.tap()
    exchange(bus.journal, bus.key, link, TRUSTED)
    depot.visit(link)
    with pytest.raises(HostRefused, match="413"):
        depot.forward(BASE, clearing.client())
    assert len(depot.waiting()) == 1


@pytest.mark.parametrize("status", [500, 503, 408, 429, 0], ids=["500", "503", "408", "429", "no network"])
def test_while_clearing_is_silent_everything_waits(bus: Bus, link: Path, depot: Depot, status: int) -> None:
    clearing = Clearing(bus)

    def spoiled(request: httpx.Request) -> httpx.Response:
        if not status:
            raise httpx.ConnectError("no route", request=request)
        return httpx.Response(status)

    clearing.answer = spoiled
    bus.tap()
    exchange(bus.journal, bus.key, link, TRUSTED)
    depot.visit(link)
    with pytest.raises(HostSilent):
        depot.forward(BASE, clearing.client())
    assert len(depot.waiting()) == 1
    clearing.answer = lambda _: None
    assert depot.forward(BASE, clearing.client()).accepted == 1


def test_a_refused_batch_holds_nobody_up_and_is_offered_again(
    tmp_path: Path, bus: Bus, link: Path, depot: Depot
) -> None:
    other = Bus(tmp_path / "other", "BUS-A-0002", b"TEST-DEVICE-KEY-OF-DEPOT-TESTS-2")
    clearing = Clearing(bus, other)
    key = clearing.keys.pop(bus.name)
    for each in (bus, other):
        each.tap()
        exchange(each.journal, each.key, link, TRUSTED)
    depot.visit(link)
    found = depot.forward(BASE, clearing.client())
    assert (found.accepted, [(r.device, r.problem.status) for r in found.refused]) == (1, [("BUS-A-0001", 422)])
    clearing.keys[bus.name] = key
    assert depot.forward(BASE, clearing.client()).accepted == 1


class PlugPulled(BaseException):
    """The power is gone: nothing after it happens."""


class Power:
    """Counts the changes on disk and pulls the plug before or after one of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left: int | None = None
        whole, unlink = disk.write_whole, Path.unlink

        def writing(path: Path, content: bytes) -> None:
            self._step(lambda: whole(path, content))

        def unlinking(path: Path, missing_ok: bool = False) -> None:
            self._step(lambda: unlink(path, missing_ok=missing_ok))

        for module in ("terminals.depot.carried", "terminals.depot.depot"):
            monkeypatch.setattr(f"{module}.write_whole", writing)
        monkeypatch.setattr(Path, "unlink", unlinking)

    def _step(self, act: Callable[[], Any]) -> None:
        if self.left == 0:
            self.left = None
            raise PlugPulled
        if self.left is not None:
            self.left -= 1
        if self.left == 0:
            act()
            self.left = None
            raise PlugPulled
        act()


def _day(bus: Bus, link: Path, tmp_path: Path, clearing: Clearing) -> Iterator[Callable[[], Any]]:
    """Two visits with a forwarding between them, step by step, each part started anew."""
    for _ in range(2):
        yield bus.started
        yield lambda: exchange(bus.journal, bus.key, link, TRUSTED)
        yield lambda: Depot(tmp_path / "depot").visit(link)
        yield lambda: Depot(tmp_path / "depot").forward(BASE, clearing.client())
        yield lambda: Depot(tmp_path / "depot").visit(link)


@pytest.mark.parametrize("cut", range(24))
def test_nothing_is_lost_or_told_too_early_wherever_the_plug_is_pulled(
    bus: Bus, link: Path, tmp_path: Path, cut: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    clearing = Clearing(bus)
    bus.form(2)
    power = Power(monkeypatch)
    power.left = cut
    for step in _day(bus, link, tmp_path, clearing):
        try:
            step()
        except PlugPulled:
            step()
        assert bus.uploaded <= len(clearing.records_of(bus))
    exchange(bus.journal, bus.key, link, TRUSTED)
    assert clearing.records_of(bus) == [1, 2, 3, 4]
    assert bus.uploaded == 4
    assert list(link.iterdir()) == []
    assert Depot(tmp_path / "depot").waiting() == ()
