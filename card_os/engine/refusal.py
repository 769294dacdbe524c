"""How a handler says no."""

from __future__ import annotations

from card_os.wire.status import StatusWord


class Refusal(Exception):
    """Ends the command with a status word and without a change of memory beyond what was committed before."""

    def __init__(self, sw: int) -> None:
        super().__init__(f"{sw:04X}")
        self.sw = StatusWord(sw)
