"""Loads authorised at 300 a second: the real service under uvicorn, PostgreSQL with durable commits, MAC1 checked in the vault.

    .venv/bin/python benchmarks/loads.py [--rate N] [--seconds S]

Arrivals are open loop (Poisson, from a seed): a request is sent at its time whether the ones before it are answered or not, and
its latency counts from that time. Each is another card's first load, signed by one of twenty desks of one agent, so that every
load locks the same two accounts. Cards are not simulated: MAC1 is computed from the test keys before the clock starts, and each
MAC2 is compared. Client, service and PostgreSQL share this machine; where the machine itself stands still for a tenth of a
second now and then, the seconds in which it did not are told by the median of their own p99.

Beside it, one after the other in this process: ``clearing.loads.service.authorise`` against the same use case as one would
write it with the ORM, an object for each row and a statement for each object.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from random import Random

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from loads_orm import authorise_by_objects
from sqlalchemy import URL, insert
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice.database import Database, prepare, role_passwords, role_url
from backoffice.embedded import embedded_postgres
from backoffice.migration import upgrade
from card_os.crypto.purse import load_mac1, load_mac2
from card_os.crypto.session import load_session_key
from clearing.devices.tables import DeviceRow
from clearing.facts.tables import CardFactRow
from clearing.ledger.accounts import TRANSIT, Kind, account, code
from clearing.ledger.rules import Purpose, Transfer
from clearing.ledger.service import open_accounts, post
from clearing.loads.service import authorise
from hardware.vault.demonstration import CLEARING_LABELS
from hardware.vault.software import SoftwareVault
from hardware.vault.vault import KeyLabel, MasterKey
from rulebook.messages.loads import LoadAuthorised, LoadRequest
from rulebook.money import Amount

ISSUER = bytes.fromhex("01991000FFFFFFFF")
NOW = datetime(2026, 9, 15, 2, tzinfo=UTC)
DATE, TIME = bytes.fromhex("20260915"), bytes.fromhex("100000")
DESKS = 20
AGENT = "agent-1"
PURSE, TYPE, BALANCE, AMOUNT, LIMIT = 2, 2, 1000, 3000, 100_000
PORT = 8792
WARM_UP = 300
SINGLE = 300
VAULT = SoftwareVault.demonstration(CLEARING_LABELS)


@dataclass(frozen=True)
class Desk:
    name: str
    terminal: bytes
    key: Ed25519PrivateKey

    @classmethod
    def of(cls, number: int) -> Desk:
        key = Ed25519PrivateKey.from_private_bytes(Random(number).randbytes(32))
        return cls(f"TOPUP-{number:05}", bytes.fromhex(f"9910{number:08}"), key)


def serial(number: int) -> bytes:
    return bytes.fromhex(f"03109910{number:012}")


@dataclass(frozen=True)
class Order:
    """A request, and the MAC2 that must come back."""

    request: LoadRequest
    mac2: bytes

    @classmethod
    def of(cls, number: int, desk: Desk) -> Order:
        random = Random(number).randbytes(4)
        key = VAULT.child_key(MasterKey(KeyLabel.LOAD, 1), [ISSUER, serial(number)[-8:]])
        session = load_session_key(key, card_random=random, online_sequence=0)
        mac1 = load_mac1(
            session, balance_minor=BALANCE, amount_minor=AMOUNT, transaction_type=TYPE, terminal=desk.terminal
        )
        mac2 = load_mac2(
            session, amount_minor=AMOUNT, transaction_type=TYPE, terminal=desk.terminal, date=DATE, time=TIME
        )
        request = LoadRequest(
            device=desk.name,
            issuer=ISSUER,
            serial=serial(number),
            purse=PURSE,
            online_sequence=0,
            amount_minor=AMOUNT,
            balance_minor=BALANCE,
            key_version=1,
            algorithm=0,
            random=random,
            mac1=mac1,
            terminal=desk.terminal,
            date=DATE,
            time=TIME,
        )
        return cls(request, mac2)


def http_bytes(order: Order, desk: Desk) -> bytes:
    body = order.request.model_dump_json().encode()
    signature = base64.b64encode(desk.key.sign(b"POST /loads\n" + body)).decode()
    head = (
        f"POST /loads HTTP/1.1\r\nHost: 127.0.0.1:{PORT}\r\nContent-Type: application/json\r\n"
        f"Citycard-Device: {desk.name}\r\nCitycard-Signature: {signature}\r\n"
        f"Citycard-Time: {NOW.isoformat()}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def fill(database: Database, desks: Sequence[Desk], cards: int) -> None:
    """Desks, cards and an agent with money enough for all of them."""
    async with database.transaction() as session:
        await session.execute(insert(DeviceRow), [_device(desk) for desk in desks])
        for first in range(0, cards, 5000):
            numbers = range(first, min(first + 5000, cards))
            await session.execute(insert(CardFactRow), [_card(number) for number in numbers])
        await open_accounts(
            session,
            [
                account(TRANSIT, Kind.FLOAT_AT_BANK),
                account(TRANSIT, Kind.VALUE_ON_CARDS),
                account(TRANSIT, Kind.AGENT_PREFUNDED, AGENT),
            ],
        )
        prefunding = Transfer(
            id="prefunding",
            book=TRANSIT,
            debit=code(Kind.FLOAT_AT_BANK),
            credit=code(Kind.AGENT_PREFUNDED, AGENT),
            amount=Amount(cards * AMOUNT),
            purpose=Purpose.PREFUNDING,
            business_day=date(2026, 9, 15),
        )
        await post(session, [prefunding], now=NOW)


def _device(desk: Desk) -> dict[str, object]:
    return {
        "device": desk.name,
        "kind": "topup",
        "operator": AGENT,
        "line": "",
        "place": desk.name,
        "state": "enrolled",
        "code_hash": b"",
        "public_key": desk.key.public_key().public_bytes_raw(),
        "sam_serial": bytes(10),
        "terminal_number": desk.terminal,
        "invited_at": NOW,
        "enrolled_at": NOW,
    }


def _card(number: int) -> dict[str, object]:
    return {
        "issuer": ISSUER,
        "serial": serial(number),
        "number": number,
        "chip_serial": number.to_bytes(8),
        "person": f"p{number}",
        "product": "citizen",
        "rider_class": "ordinary",
        "key_version": 1,
        "valid_from": date(2026, 1, 1),
        "valid_to": date(2036, 1, 1),
        "purse_limit_minor": LIMIT,
        "state": "active",
        "effective": NOW,
    }


@contextmanager
def serving(folder: Path, database: URL) -> Iterator[subprocess.Popen[bytes]]:
    environment = {
        "CITYCARD_DATABASE_URL": database.render_as_string(hide_password=False),
        "CITYCARD_DATA_FOLDER": str(folder),
        "CITYCARD_SERVICE_TOKEN": "token-of-the-benchmark",
        "CITYCARD_SESSION_SECRET": "secret-of-the-benchmark",
        "CITYCARD_SIMULATED_CLOCK": "true",
    }
    command = [sys.executable, "-m", "uvicorn", "clearing.app:from_environment", "--factory", "--no-access-log"]
    command += ["--port", str(PORT)]
    with (folder / "clearing.log").open("wb") as log:
        process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=log, stderr=log)
        try:
            _wait_until_up(process, folder / "clearing.log")
            yield process
        finally:
            process.terminate()
            process.wait(20)


def _wait_until_up(process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        try:
            if httpx.get(f"http://127.0.0.1:{PORT}/sign-in", trust_env=False, timeout=30).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            time.sleep(0.1)
        if process.poll() is not None:
            break
    raise SystemExit(f"The service did not start:\n{log.read_text()[-2000:]}")


class Client:
    """HTTP/1.1 over kept connections, as little of it as the answers need."""

    def __init__(self) -> None:
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self.waiting = self.most_waiting = 0

    async def post(self, request: bytes) -> tuple[int, bytes]:
        """Status and body."""
        # The service lets go of one that was idle for five seconds.
        self._idle = [(reader, writer) for reader, writer in self._idle if not reader.at_eof()]
        if self._idle:
            reader, writer = self._idle.pop()
        else:
            reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
        self.waiting += 1
        self.most_waiting = max(self.waiting, self.most_waiting)
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
        body = await reader.readexactly(length)
        self._idle.append((reader, writer))
        self.waiting -= 1
        return int(head[9:12]), body

    def close(self) -> None:
        for _, writer in self._idle:
            writer.close()


async def at_rate(orders: Sequence[tuple[Order, bytes]], rate: float) -> tuple[list[float], int]:
    """Milliseconds from each request's time of arrival to its answer, and how many were waited for at most."""
    client, random, taken = Client(), Random(1), [0.0] * len(orders)

    async def one(number: int, arrival: float) -> None:
        order, request = orders[number]
        status, body = await client.post(request)
        taken[number] = (time.perf_counter() - arrival) * 1e3
        assert (status, json.loads(body).get("mac2")) == (200, order.mac2.hex().upper()), (status, body)

    tasks, arrival = [], time.perf_counter()
    for number in range(len(orders)):
        arrival += random.expovariate(rate)
        if (wait := arrival - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        tasks.append(asyncio.create_task(one(number, arrival)))
    await asyncio.gather(*tasks)
    client.close()
    return taken, client.most_waiting


def processor_ms(pid: int) -> float:
    """What a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")


async def one_by_one(database: Database, orders: Sequence[Order], by_objects: bool) -> float:
    """Milliseconds of one, each committed before the next."""
    begun = time.perf_counter()
    for order in orders:
        async with database.transaction() as session:
            assert await _mac2(session, order.request, by_objects) == order.mac2
    return (time.perf_counter() - begun) * 1e3 / len(orders)


async def _mac2(session: AsyncSession, request: LoadRequest, by_objects: bool) -> bytes | None:
    if by_objects:
        return await authorise_by_objects(session, VAULT, request, agent=AGENT, now=NOW)
    answer = await authorise(session, VAULT, request, agent=AGENT, now=NOW)
    return answer.mac2 if isinstance(answer, LoadAuthorised) else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=300)
    parser.add_argument("--seconds", type=int, default=60)
    given = parser.parse_args()
    desks, count = [Desk.of(number) for number in range(1, DESKS + 1)], WARM_UP + given.rate * given.seconds
    orders = [Order.of(number, desks[number % DESKS]) for number in range(count + 4 * SINGLE)]
    requests = [(order, http_bytes(order, desks[n % DESKS])) for n, order in enumerate(orders[:count])]
    with tempfile.TemporaryDirectory() as work, embedded_postgres(Path(work) / "postgres") as administrator:
        folder = Path(work)
        passwords = role_passwords(folder)
        asyncio.run(set_up(administrator, passwords, desks, len(orders)))
        url = role_url(administrator, "clearing", passwords)
        gc.freeze()  # looking for garbage among the orders made this client late
        with serving(folder, url) as service:
            asyncio.run(at_rate(requests[:WARM_UP], given.rate / 3))
            before = processor_ms(service.pid)
            taken, waiting = asyncio.run(at_rate(requests[WARM_UP:], given.rate))
            used = (processor_ms(service.pid) - before) / len(taken)
        report(given.rate, taken, waiting, used)
        asyncio.run(compare(url, orders[count:]))


async def set_up(administrator: URL, passwords: dict[str, str], desks: Sequence[Desk], cards: int) -> None:
    await prepare(administrator, passwords)
    await upgrade(role_url(administrator, "owner", passwords), "clearing")
    database = Database(role_url(administrator, "clearing", passwords))
    await fill(database, desks, cards)
    await database.close()


def report(rate: int, taken: list[float], waiting: int, used: float) -> None:
    cuts = statistics.quantiles(taken, n=1000, method="inclusive")
    print(
        f"{len(taken):,} loads at {rate}/s, open loop: p50 {cuts[499]:.1f} ms, p99 {cuts[989]:.1f} ms, p99.9 {cuts[998]:.1f} ms"
    )
    seconds = [taken[first : first + rate] for first in range(0, len(taken), rate)]
    each = statistics.median(statistics.quantiles(second, n=100, method="inclusive")[98] for second in seconds)
    print(f"p99 of the median second {each:.1f} ms")
    print(f"at most {waiting} waiting at once; the service's process used {used:.2f} ms of processor time a load")


async def compare(url: URL, orders: Sequence[Order]) -> None:
    database = Database(url)
    parts = [orders[first : first + SINGLE] for first in range(0, len(orders), SINGLE)]
    ours: list[float] = []
    objects: list[float] = []
    for turn, part in enumerate(parts):
        (objects if turn % 2 else ours).append(await one_by_one(database, part, by_objects=bool(turn % 2)))
    await database.close()
    one, other = min(ours), min(objects)
    print(
        f"one after the other: {one:.2f} ms; with the ORM, object by object: {other:.2f} ms ({other / one:.1f} times)"
    )


if __name__ == "__main__":
    main()
