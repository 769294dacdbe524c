"""A depot carries the batches of buses that have no network to clearing, and the receipts back."""

from terminals.depot.bus import exchange
from terminals.depot.depot import Depot, Forwarded, RefusedBatch

__all__ = ["Depot", "Forwarded", "RefusedBatch", "exchange"]
