"""What the city's clerks do at the two services, over HTTP like any clerk's browser."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

from backoffice.clock import HEADER
from issuing.counter.client import CounterClient, counter
from issuing.register.rules import COLUMNS
from rulebook.messages.devices import DeviceInvitation
from simulator.city.people import RETIRED_AGE, STUDENT_AGES, Citizen
from simulator.city.places import FUND, Place

_TIMEOUT_S = 300


class OfficeRefused(RuntimeError):
    """A service refused what the demonstration asks of it; the message holds its problem document."""


class CityClock:
    """The city's time, sent with every request."""

    def __init__(self, start: datetime) -> None:
        self.now = start

    def stamp(self, request: httpx.Request) -> None:
        request.headers[HEADER] = self.now.isoformat()

    def client(self, base_url: str = "", transport: httpx.BaseTransport | None = None) -> httpx.Client:
        return httpx.Client(
            base_url=base_url,
            event_hooks={"request": [self.stamp]},
            timeout=_TIMEOUT_S,
            trust_env=False,
            transport=transport,
        )


@dataclass(frozen=True, slots=True)
class Clerk:
    """Somebody signed in at a service."""

    client: httpx.Client

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        return _answer(self.client.post(path, json=body))

    def post_bytes(self, path: str, body: bytes, media_type: str) -> Any:
        return _answer(self.client.post(path, content=body, headers={"Content-Type": media_type}))

    def get(self, path: str) -> httpx.Response:
        response = self.client.get(path)
        _refuse(response)
        return response


@contextmanager
def signed_in(clock: CityClock, base_url: str, name: str, password: str) -> Iterator[Clerk]:
    """A clerk at the service of ``base_url``. Raises ``OfficeRefused``."""
    with clock.client(base_url) as client:
        response = client.post("/sign-in", data={"name": name, "password": password})
        if response.status_code != httpx.codes.SEE_OTHER:
            raise OfficeRefused(f"{name} cannot sign in at {base_url}: {response.status_code}")
        yield Clerk(client)


def _answer(response: httpx.Response) -> Any:
    _refuse(response)
    return response.json() if response.content else None


def _refuse(response: httpx.Response) -> None:
    if not response.is_success:
        raise OfficeRefused(f"{response.request.method} {response.request.url}: {response.status_code} {response.text}")


def population_file(people: Sequence[Citizen], on: datetime) -> bytes:
    """The CSV that the population register sends."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for person in people:
        insured_class = insured_class_of(person, on)
        writer.writerow(
            {
                "citizen_id": person.citizen_id,
                "name": person.name,
                "nation": "01",
                "birth_place": person.citizen_id[:6],
                "student": "yes" if person.age(on.date()) in STUDENT_AGES else "no",
                "insured_class": insured_class,
                "fund": "" if insured_class == "none" else FUND,
            }
        )
    return text.getvalue().encode()


def insured_class_of(person: Citizen, on: datetime) -> str:
    """By age alone: who goes to school is not in the employees' fund."""
    age = person.age(on.date())
    if age < STUDENT_AGES.stop:
        return "none"
    if age < RETIRED_AGE:
        return "in_service"
    return "retired_under_70" if age < 70 else "retired_70_plus"


def apply_for_all(clerk: Clerk, approver: Clerk, people: Sequence[Citizen], on: datetime) -> list[str]:
    """Register file, one application each, approved by the second person; the applications' ids."""
    clerk.post_bytes("/register/files", population_file(people, on), "text/csv")
    wanted = [
        {"application": f"A{number:06d}", "citizen_id": person.citizen_id} for number, person in enumerate(people)
    ]
    clerk.post("/applications/batch", {"applications": wanted})
    ids = [item["application"] for item in wanted]
    approver.post("/applications/approvals", {"applications": ids})
    return ids


def deliver(approver: Clerk, delivery: str, kind: str, chip_serials: Sequence[bytes]) -> None:
    """Blanks onto issuing's shelf."""
    serials = [serial.hex().upper() for serial in chip_serials]
    approver.post("/stock/deliveries", {"delivery": delivery, "kind": kind, "chip_serials": serials})


@contextmanager
def at_the_counter(clerk: Clerk) -> Iterator[CounterClient]:
    with counter(clerk.client) as connection:
        yield connection


def invite(steward: Clerk, place: Place) -> str:
    """Announce a terminal to clearing; its one-time code."""
    invitation = DeviceInvitation(
        device=place.device, kind=place.kind, operator=place.operator, line=place.line, place=place.place
    )
    code: str = steward.post("/devices/invitations", invitation.model_dump(mode="json"))["code"]
    return code


def pull_feed(clock: CityClock, clearing_url: str, token: str) -> int:
    """Let clearing fetch what issuing has to tell; how many items were new."""
    with clock.client(clearing_url) as client:
        response = client.post("/feed/pull", headers={"Authorization": f"Bearer {token}"})
        _refuse(response)
        items: int = response.json()["items"]
        return items
