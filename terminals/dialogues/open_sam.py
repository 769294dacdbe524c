"""Ready the PSAM after power-up and learn who it is."""

from __future__ import annotations

from card_os.profile.psam import SAM_APPLICATION, SAM_CARD, SAM_TERMINAL
from card_os.wire import commands
from card_os.wire import identifiers as names
from card_os.wire.dialogue import Dialogue, SamRefused, UnexpectedStatus, ask_sam
from terminals.dialogues.context import Sam


def open_sam() -> Dialogue[Sam]:
    """Leaves the transit DF selected, as INIT SAM FOR PURCHASE needs it. Raises ``SamRefused`` for what is no
    transit PSAM of this profile."""
    try:
        yield from ask_sam(commands.select_fid(names.MASTER_FILE))
        card = SAM_CARD.decode((yield from ask_sam(commands.read_binary(names.SFI_SAM_CARD))).data)
        terminal = SAM_TERMINAL.decode((yield from ask_sam(commands.read_binary(names.SFI_SAM_TERMINAL))).data)
        yield from ask_sam(commands.select_fid(names.TRANSIT_SAM_DF))
        application = SAM_APPLICATION.decode((yield from ask_sam(commands.read_binary(names.SFI_SAM_APPLICATION))).data)
    except (UnexpectedStatus, ValueError) as problem:
        raise SamRefused(f"the card in the SAM slot is no transit PSAM: {problem}") from problem
    return Sam(
        serial=bytes.fromhex(card.serial),
        terminal=terminal.terminal,
        key_index=application.key_index,
        issuer=application.issuer,
    )
