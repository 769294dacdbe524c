"""Whoever sits at the counter says what he likes: every chip ends in a result, and none but a real one is registered."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from hardware.readers import relay
from hardware.readers.relay import RelayedCard, answer
from hardware.vault.software import SoftwareVault
from issuing.counter import conversation
from issuing.counter.conversation import Counter
from issuing.counter.messages import Outcome, Presented, Result

Say = Callable[[dict[str, Any]], str]


class Liar:
    """The counter's end: ``say`` answers every command; resets are answered by ``card``."""

    def __init__(self, card: Any, say: Say) -> None:
        self._card, self._say, self._answer = card, say, ""

    async def send(self, message: str) -> None:
        question = json.loads(message)
        self._answer = json.dumps(answer(question, self._card)) if "reset" in question else self._say(question)

    async def receive(self) -> str:
        await asyncio.sleep(0)
        return self._answer


Office = Callable[..., Any]


@pytest.fixture
async def present(
    app: FastAPI, vault: SoftwareVault, factory: Any, clerk: httpx.AsyncClient, approver: httpx.AsyncClient
) -> Office:
    await clerk.post("/register/files", content=factory.register_file(3))
    await clerk.post("/applications/batch", json=factory.applications(3))
    names = [row["application"] for row in factory.applications(3)["applications"]]
    await approver.post("/applications/approvals", json={"applications": names})
    for kind, numbers in (("card", range(5)), ("transit-sam", range(10, 12))):
        await approver.post("/stock/deliveries", json=factory.delivery(kind, numbers))

    async def presented(number: int, say: Say, *, application: str | None = None) -> Result:
        liar = Liar(factory.blank(number), say)
        counter = Counter(app.state.service, vault, RelayedCard(liar.send, liar.receive), by="issuing-clerk")
        return await counter.present(Presented(application=application))

    return presented


async def registered(app: FastAPI) -> int:
    async with app.state.service.database.reading() as session:
        chips = "SELECT (SELECT count(*) FROM issuing.card) + (SELECT count(*) FROM issuing.sam)"
        return int(await session.scalar(text(chips)) or 0)


def response(data: str) -> Say:
    return lambda _: json.dumps({"response": data})


@pytest.mark.parametrize(
    ("say", "reason"),
    [
        (response(""), "unexpected_answer"),
        (response("90"), "unexpected_answer"),
        (response("9000"), "unexpected_answer"),  # to everything: no challenge in it
        (response("00" * 9 + "9000"), "unexpected_answer"),
        (response("6F00"), "unexpected_status"),
        (lambda _: "hello", "relay_broken"),
        (lambda _: '{"atr": "3B00"}', "relay_broken"),
        (lambda _: "[" * 2000, "relay_broken"),
        (lambda _: "x" * 100_000, "relay_broken"),
        (lambda _: '{"gone": true}', "card_gone"),
    ],
)
@pytest.mark.parametrize("number", [0, 10], ids=["card", "sam"])
async def test_a_lie_breaks_the_conversation(present: Office, app: FastAPI, number: int, say: Say, reason: str) -> None:
    result = await present(number, say)
    assert (result.outcome, result.reason) == (Outcome.BROKEN, reason)
    assert await registered(app) == 0


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("number", [0, 10], ids=["card", "sam"])
async def test_a_chip_of_the_counters_own_making_is_never_registered(
    present: Office, app: FastAPI, number: int, seed: int
) -> None:
    """It says yes to everything and invents what it does not know."""
    source = random.Random(seed)

    def yes(question: dict[str, Any]) -> str:
        command = bytes.fromhex(question["transmit"])
        wanted = {0x84: 8, 0xA4: 0}.get(command[1], source.choice([0, 0, 4, 8, 16, 30, 128, command[-1]]))
        data = source.randbytes(wanted) + (b"\x90\x00" if source.random() < 0.98 else source.randbytes(2))
        return json.dumps({"response": data.hex()})

    result = await present(number, yes)
    assert result.outcome in {Outcome.BROKEN, Outcome.SCRAPPED}
    assert await registered(app) == 0


async def test_more_to_come_for_ever_comes_to_an_end(present: Office) -> None:
    result = await present(0, response("00" * 200 + "61FF"))
    assert (result.outcome, result.reason) == (Outcome.BROKEN, "card_gone")


async def test_right_answers_that_never_get_done_come_to_an_end(
    present: Office, factory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversation, "CHIP_LIMIT_S", 0.3)
    card, hurried = factory.blank(0), Liar.receive

    async def slow(self: Liar) -> str:
        await asyncio.sleep(0.02)
        return await hurried(self)

    monkeypatch.setattr(Liar, "receive", slow)
    result = await present(0, lambda question: json.dumps(answer(question, card)))
    assert (result.outcome, result.reason) == (Outcome.BROKEN, "too_long")


async def test_silence_comes_to_an_end(present: Office, app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "ANSWER_LIMIT_S", 0.05)
    liar = Liar.receive

    async def never(self: Liar) -> str:
        if "atr" not in self._answer:
            await asyncio.sleep(60)
        return await liar(self)

    monkeypatch.setattr(Liar, "receive", never)
    result = await present(0, response("9000"))
    assert (result.outcome, result.reason) == (Outcome.BROKEN, "card_gone")


async def test_a_chip_scrapped_while_it_is_written_stays_scrapped(
    present: Office, app: FastAPI, vault: SoftwareVault, clerk: httpx.AsyncClient, factory: Any
) -> None:
    card, chip = factory.blank(0), factory.chip_serial(0).hex()

    class Slow(Liar):
        sent = 0

        async def send(self, message: str) -> None:
            self.sent += 1
            if self.sent == 100:
                done = await clerk.post(f"/stock/{chip}/scrapping", json={"reason": "damaged"})
                assert done.status_code == 200
            await super().send(message)

    slow = Slow(card, lambda question: json.dumps(answer(question, card)))
    counter = Counter(app.state.service, vault, RelayedCard(slow.send, slow.receive), by="issuing-clerk")
    result = await counter.present(Presented())
    assert (result.outcome, result.reason) == (Outcome.BROKEN, "not_in_this_state")
    assert await registered(app) == 0
    async with app.state.service.database.reading() as session:
        logged = await session.scalar(text("SELECT count(*) FROM issuing.key_log"))
        state = await session.scalar(text("SELECT state FROM issuing.application WHERE application = 'A-000'"))
    assert logged > 5
    assert state == "approved"


@pytest.mark.parametrize("application", ["A-000", None])
async def test_one_application_at_two_counters_makes_one_card(
    present: Office, factory: Any, application: str | None
) -> None:
    first = await present(0, lambda _: '{"gone": true}', application=application)
    second = await present(1, lambda _: '{"gone": true}', application=application)
    assert first.outcome is Outcome.BROKEN
    assert second.outcome is (Outcome.REFUSED if application else Outcome.BROKEN)
    assert second.serial != first.serial


async def test_a_sam_that_may_hold_masters_is_scrapped_by_a_second_person(
    app: FastAPI,
    vault: SoftwareVault,
    present: Office,
    factory: Any,
    clerk: httpx.AsyncClient,
    approver: httpx.AsyncClient,
) -> None:
    """Else its maker could spoil one answer of the read-back, and carry home a working SAM that the books call scrapped."""
    card, chip = factory.blank(10), factory.chip_serial(10).hex()

    def spoilt(question: dict[str, Any]) -> str:
        said = answer(question, card)
        if question["transmit"].startswith("00b0"):
            said["response"] = "00" * (len(said["response"]) // 2 - 2) + "9000"
        return json.dumps(said)

    liar = Liar(card, spoilt)
    counter = Counter(app.state.service, vault, RelayedCard(liar.send, liar.receive), by="issuing-clerk")
    result = await counter.present(Presented())
    assert (result.outcome, result.reason) == (Outcome.BROKEN, "read_back_differs")
    body = {"reason": "read back wrong"}
    alone = await clerk.post(f"/stock/{chip}/scrapping", json=body)
    assert (alone.status_code, alone.json()["reason"]) == (409, "second_person_must_differ")
    assert (await approver.post(f"/stock/{chip}/scrapping", json=body)).status_code == 200
