"""The WebSocket the counter's reader is relayed over."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from pydantic import ValidationError
from starlette import status

from backoffice.clock import HEADER
from backoffice.staff import Staff
from backoffice.web import IDLE_LIMIT, Service
from hardware.readers.relay import RelayedCard
from issuing.counter.conversation import Counter
from issuing.counter.messages import Finished, Present
from issuing.web import CLERK

router = APIRouter()


@router.websocket("/counter/personalisation")
async def personalisation(socket: WebSocket) -> None:
    """One counter, one chip after the other (``issuing.counter.messages``). Before each chip the clerk must still be one,
    and have been heard of within the idle limit."""
    here: Service = socket.app.state.service
    here.clock.advance(socket.headers.get(HEADER))
    staff = await _clerk(socket, here)
    if staff is None:
        await socket.close(status.WS_1008_POLICY_VIOLATION, "Sign in as clerk first")
        return
    await socket.accept()
    counter = Counter(here, socket.app.state.vault, RelayedCard(socket.send_text, socket.receive_text), by=staff.name)
    try:
        while True:
            heard = here.clock.now()
            present = Present.model_validate_json(await socket.receive_text())
            if here.clock.now() - heard > IDLE_LIMIT or not await _is_clerk(here, staff.name):
                await socket.close(status.WS_1008_POLICY_VIOLATION, "Sign in as clerk again")
                return
            result = await counter.present(present.present)
            await socket.send_text(Finished(result=result).model_dump_json())
    except ValidationError:
        await socket.close(status.WS_1003_UNSUPPORTED_DATA, "A chip is presented first")
    except (WebSocketDisconnect, RuntimeError):
        return


async def _clerk(socket: WebSocket, here: Service) -> Staff | None:
    """Who is signed in with the role; the shell's dependency serves HTTP requests only."""
    name, seen = socket.session.get("name"), socket.session.get("seen")
    if name is None or seen is None or here.clock.now() - datetime.fromisoformat(seen) > IDLE_LIMIT:
        return None
    return await _is_clerk(here, name)


async def _is_clerk(here: Service, name: str) -> Staff | None:
    async with here.database.reading() as session:
        staff = await here.accounts.find(session, name)
    return staff if staff is not None and CLERK in staff.roles else None
