"""The WebSocket the counter's reader is relayed over."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from pydantic import ValidationError
from starlette import status

from backoffice.clock import HEADER
from backoffice.staff import Staff
from backoffice.web import IDLE_LIMIT, Service
from card_os.wire.dialogue import CardGone
from issuing.counter.conversation import Counter
from issuing.counter.messages import Answer, Finished, Present, Transmit
from issuing.web import CLERK

router = APIRouter()


class RelayedReader:
    """``hardware.readers.drive.AsyncConnection`` over the counter's WebSocket. A counter that is gone is a card that is."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket

    async def transmit(self, command: bytes) -> bytes:
        try:
            await self._socket.send_text(Transmit(transmit=command).model_dump_json())
            answer = Answer.model_validate_json(await self._socket.receive_text())
        except WebSocketDisconnect as error:
            raise CardGone("the counter's connection ended") from error
        except ValidationError as error:
            raise CardGone("the counter answered no response APDU") from error
        if answer.response is None:
            raise CardGone("the card left the counter's reader")
        return answer.response


@router.websocket("/counter/personalisation")
async def personalisation(socket: WebSocket) -> None:
    """One counter, one chip after the other (``issuing.counter.messages``)."""
    here: Service = socket.app.state.service
    here.clock.advance(socket.headers.get(HEADER))
    staff = await _clerk(socket, here)
    if staff is None:
        await socket.close(status.WS_1008_POLICY_VIOLATION, "Sign in as clerk first")
        return
    await socket.accept()
    counter = Counter(here, socket.app.state.vault, RelayedReader(socket), by=staff.name)
    try:
        while True:
            present = Present.model_validate_json(await socket.receive_text())
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
    async with here.database.reading() as session:
        staff = await here.accounts.find(session, name)
    return staff if staff is not None and CLERK in staff.roles else None
