"""The card's operating system as a pure engine. Only the simulator runs it."""

from card_os.engine.bytecard import ByteCard, Protocol
from card_os.engine.card import Card
from card_os.engine.memory import MEMORY_SIZE, Memory, PowerLost
from card_os.engine.stock import blank_card, blank_sam

__all__ = ["MEMORY_SIZE", "ByteCard", "Card", "Memory", "PowerLost", "Protocol", "blank_card", "blank_sam"]
